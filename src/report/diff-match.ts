import { compareSlots, type Slot, slotKey, slotParts } from '../pci/slot.js';
import type { AuditedFunctionData } from '../quiesce/audit-data.js';
import { groupedBy } from './grouped-by.js';

/** Which function of an older audit is which of a newer one. */
export interface FunctionMatch {
  /** In slot order of the newer. */
  readonly both: readonly { readonly old: AuditedFunctionData; readonly new: AuditedFunctionData }[];
  readonly gone: readonly AuditedFunctionData[];
  readonly appeared: readonly AuditedFunctionData[];
}

/** A function, or a root bus, with what is below it. */
interface Node {
  /** `null` for a root bus. */
  readonly fn: AuditedFunctionData | null;
  readonly ids: string;
  readonly driver: string;
  /** Below what it hangs from: stays when buses are numbered anew. Of a root bus its number. */
  readonly position: string;
  readonly children: Node[];
  /** A number for its ids and those of all below it, each in its position. */
  shape: number;
  /** Above it, up to its root bus. */
  depth: number;
  match: Node | null;
}

/**
 * Matches by where a function sits in the tree, which the numbers of buses do not change; what is left, by what it is:
 * ids, driver, position and what is below it, as far as there is but one such on either side. Exchanging the two audits
 * exchanges the sides of the result. Pure.
 */
export function matchFunctions(
  old: readonly AuditedFunctionData[],
  now: readonly AuditedFunctionData[],
): FunctionMatch {
  const shapes = new Map<string, number>();
  const [before, after] = [treeOf(old, shapes), treeOf(now, shapes)];
  const isRoot = ({ fn }: Node) => fn === null;
  matchUnique(before.filter(isRoot), after.filter(isRoot), ({ position }) => position);
  for (const key of LIKENESS) matchUnique(before.filter(isLeft), after.filter(isLeft), key);
  const left = (nodes: readonly Node[]) =>
    nodes.flatMap(({ fn, match }) => (fn && !match ? [fn] : [])).sort((a, b) => compareSlots(a.slot, b.slot));
  const both = after.flatMap(({ fn, match }) => (fn && match?.fn ? [{ old: match.fn, new: fn }] : []));
  return {
    both: both.sort((a, b) => compareSlots(a.new.slot, b.new.slot)),
    gone: left(before),
    appeared: left(after),
  };
}

/** What makes two functions in different places the same, the strictest first. */
const LIKENESS: readonly ((node: Node) => string)[] = [
  ({ ids, driver, position, shape }) => `${ids} ${driver} ${position} ${shape}`,
  ({ ids, driver, shape }) => `${ids} ${driver} ${shape}`,
  ({ ids, position, shape }) => `${ids} ${position} ${shape}`,
  ({ ids, shape }) => `${ids} ${shape}`,
  ({ ids, driver, position }) => `${ids} ${driver} ${position}`,
  ({ ids, driver }) => `${ids} ${driver}`,
  ({ ids }) => ids,
];

const isLeft = (node: Node) => node.match === null && !isBlind(node);

/** Nothing is known of it but where it is. */
const isBlind = ({ fn }: Node) => fn !== null && fn.vendor === 'ffff' && fn.device === 'ffff';

/**
 * Matches those of which there is one on either side, and from there on down. Those further up come first, since they
 * settle what is below them; the order is the same whichever side is which.
 */
function matchUnique(before: readonly Node[], after: readonly Node[], key: (node: Node) => string): void {
  const theirs = groupedBy(after, key);
  const pairs = [...groupedBy(before, key)].flatMap(([of, nodes]) => {
    const [[one], [other]] = [nodes, theirs.get(of) ?? []];
    const alone = nodes.length === 1 && theirs.get(of)?.length === 1;
    return alone && one && other ? [{ of, one, other, depth: one.depth + other.depth }] : [];
  });
  pairs.sort((a, b) => a.depth - b.depth || (a.of < b.of ? -1 : 1));
  for (const { one, other } of pairs) if (!one.match && !other.match) matchDown(one, other);
}

/** Matches two, and what is in the same positions below them. */
function matchDown(one: Node, other: Node): void {
  const pairs: [Node, Node][] = [[one, other]];
  for (let pair = pairs.pop(); pair; pair = pairs.pop()) {
    const [a, b] = pair;
    a.match = b;
    b.match = a;
    const positions = new Map(b.children.map((child) => [child.position, child]));
    for (const child of a.children) {
      const there = positions.get(child.position);
      if (!there || child.match || there.match) continue;
      if (child.ids === there.ids || isBlind(child) || isBlind(there)) pairs.push([child, there]);
    }
  }
}

/** Every node of a machine, each after the one that it hangs from. `shapes` is shared by trees to be compared. */
function treeOf(functions: readonly AuditedFunctionData[], shapes: Map<string, number>): readonly Node[] {
  const bySlot = new Map(functions.map((fn) => [fn.slot, fn]));
  const nodes = new Map<Slot, Node>();
  const roots = new Map<string, Node>();
  const nodeOf = (fn: AuditedFunctionData) => {
    const node = nodes.get(fn.slot) ?? functionNode(fn, bySlot);
    nodes.set(fn.slot, node);
    return node;
  };
  const rootOf = (fn: AuditedFunctionData) => {
    const bus = fn.slot.slice(0, -5);
    const root = roots.get(bus) ?? rootNode(bus);
    roots.set(bus, root);
    return root;
  };
  for (const fn of bySlot.values()) {
    const holder = holderOf(fn, bySlot);
    (holder ? nodeOf(holder) : rootOf(fn)).children.push(nodeOf(fn));
  }
  const order: Node[] = [];
  const seen = new Set<Node>();
  const visit = (from: Node) => {
    const left = [from];
    for (let node = left.pop(); node; node = left.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      order.push(node);
      for (const child of node.children) {
        child.depth = node.depth + 1;
        left.push(child);
      }
    }
  };
  for (const root of [...roots.values()]) visit(root);
  // A file may say that each of two lies below the other.
  for (const fn of bySlot.values()) {
    const node = nodeOf(fn);
    if (seen.has(node)) continue;
    const root = rootOf(fn);
    if (!seen.has(root)) visit(root);
    root.children.push(node);
    visit(node);
  }
  for (const node of order.toReversed()) node.shape = shapeOf(node, shapes);
  return order;
}

/** What it hangs from: the physical function of a virtual one, else the bridge above; `undefined` on a root bus. */
function holderOf(
  { slot, physfn, parent }: AuditedFunctionData,
  bySlot: ReadonlyMap<Slot, AuditedFunctionData>,
): AuditedFunctionData | undefined {
  const known = (at: Slot | null) => (at === null || at === slot ? undefined : bySlot.get(at));
  return known(physfn) ?? known(parent);
}

function functionNode(fn: AuditedFunctionData, bySlot: ReadonlyMap<Slot, AuditedFunctionData>): Node {
  return {
    fn,
    ids: `${fn.vendor}:${fn.device}:${fn.class}`,
    driver: fn.driverKnown ? (fn.driver ?? '-') : '?',
    position: positionOf(fn, holderOf(fn, bySlot)),
    children: [],
    shape: 0,
    depth: 0,
    match: null,
  };
}

function rootNode(bus: string): Node {
  return { fn: null, ids: 'root', driver: '', position: bus, children: [], shape: 0, depth: 0, match: null };
}

function positionOf({ slot, physfn }: AuditedFunctionData, holder: AuditedFunctionData | undefined): string {
  const place = slot.slice(-4);
  if (holder === undefined) return place;
  const [at, above] = [slotParts(slot), slotParts(holder.slot)];
  // Where a virtual function lies, its physical one says; it may be on another bus.
  if (holder.slot === physfn) return `vf ${slotKey(at) - slotKey(above)}`;
  if (at.domain !== above.domain || !holder.bridge) return `${at.bus}:${place}`;
  const buses = at.bus - holder.bridge.secondary;
  return buses === 0 ? place : `${buses}:${place}`;
}

function shapeOf({ ids, children }: Node, shapes: Map<string, number>): number {
  const below = children.map(({ position, shape }) => `${position}=${shape}`).sort();
  const text = `${ids} ${below.join(' ')}`;
  const shape = shapes.get(text) ?? shapes.size + 1;
  shapes.set(text, shape);
  return shape;
}
