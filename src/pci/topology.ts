import type { PciFunction, Sriov } from './function.js';
import { seen } from './function.js';
import { compareSlots, type Slot, slotKey, slotParts } from './slot.js';

export interface TopologyNode {
  readonly function: PciFunction;
  /** The bridge directly above, or `null` on a root bus and where that bridge is missing. */
  readonly parent: Slot | null;
  /** Bridges above: 0 on a root bus. */
  readonly depth: number;
  /** Functions directly below a bridge, in slot order. */
  readonly children: readonly Slot[];
  /** For a virtual function, its physical function. */
  readonly physfn: Slot | null;
  /** Virtual functions of this physical function that are there. */
  readonly vfs: readonly Slot[];
  /** Its bus lies in some bridge's range, but the bridge that leads to it was not seen. */
  readonly orphan: boolean;
}

export interface RootBus {
  readonly domain: number;
  readonly bus: number;
  readonly slots: readonly Slot[];
}

export interface Topology {
  /** By slot, in slot order. */
  readonly nodes: ReadonlyMap<Slot, TopologyNode>;
  readonly roots: readonly RootBus[];
}

interface Draft {
  readonly function: PciFunction;
  parent: Slot | null;
  depth: number;
  readonly children: Slot[];
  physfn: Slot | null;
  readonly vfs: Slot[];
  orphan: boolean;
}

/** What the registers do not tell but a system knows. */
export interface Kinship {
  /** The function above, for those that no bridge's bus numbers lead to: behind Intel VMD it is in another domain. */
  readonly parents?: ReadonlyMap<Slot, Slot>;
  /** The physical function of a virtual one. */
  readonly physfns?: ReadonlyMap<Slot, Slot>;
}

const busKey = (domain: number, bus: number) => domain * 256 + bus;

/**
 * Which function lies below which. The order of `functions` does not matter; of two functions with one slot the
 * last counts. A bridge leads only to a bus with a higher number than its own, so that no reading, however
 * hostile, makes a cycle.
 */
export function buildTopology(functions: Iterable<PciFunction>, known: Kinship = {}): Topology {
  const unique = new Map<Slot, PciFunction>();
  for (const fn of functions) unique.set(fn.slot, fn);
  const drafts = new Map<Slot, Draft>();
  for (const slot of [...unique.keys()].sort(compareSlots)) {
    const fn = unique.get(slot);
    if (!fn) continue;
    drafts.set(slot, {
      function: fn,
      parent: null,
      depth: 0,
      children: [],
      physfn: null,
      vfs: [],
      orphan: false,
    });
  }
  const leadsTo = bridgesBySecondary(drafts);
  const roots = new Map<number, Slot[]>();
  for (const [slot, draft] of drafts) {
    const { domain, bus } = slotParts(slot);
    const direct = leadsTo.get(busKey(domain, bus));
    if (direct) {
      draft.parent = direct;
    } else if (bus !== 0) {
      // Virtual functions may lie on a bus of their own, which no bridge names as its secondary.
      draft.parent = narrowestBridgeOver(leadsTo, drafts, domain, bus);
      draft.orphan = draft.parent !== null;
    }
    const told = known.parents?.get(slot);
    if (draft.parent === null && told !== undefined && isAbove(told, slot, drafts)) draft.parent = told;
    if (draft.parent === null) {
      const key = busKey(domain, bus);
      const list = roots.get(key);
      if (list) list.push(slot);
      else roots.set(key, [slot]);
    } else {
      drafts.get(draft.parent)?.children.push(slot);
    }
  }
  for (const draft of drafts.values()) draft.depth = depthOf(drafts, draft);
  linkVirtualFunctions(drafts);
  for (const [vf, physfn] of known.physfns ?? []) link(drafts, vf, physfn);
  return {
    nodes: drafts,
    roots: [...roots]
      .sort(([a], [b]) => a - b)
      .map(([key, slots]) => ({
        domain: Math.floor(key / 256),
        bus: key % 256,
        slots,
      })),
  };
}

/** The bridges above a slot, nearest first. */
export function* ancestors(topology: Topology, slot: Slot): Generator<Slot, void, void> {
  let at = topology.nodes.get(slot)?.parent ?? null;
  while (at !== null) {
    yield at;
    at = topology.nodes.get(at)?.parent ?? null;
  }
}

/** Everything below a bridge, each function after the bridge above it. */
export function* descendants(topology: Topology, slot: Slot): Generator<Slot, void, void> {
  const stack = [...(topology.nodes.get(slot)?.children ?? [])].reverse();
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    yield at;
    const below = topology.nodes.get(at)?.children ?? [];
    for (let i = below.length - 1; i >= 0; i--) {
      const child = below[i];
      if (child !== undefined) stack.push(child);
    }
  }
}

/** A parent that was told is taken only from a lower domain, which keeps cycles out. */
function isAbove(parent: Slot, slot: Slot, drafts: ReadonlyMap<Slot, Draft>): boolean {
  return drafts.has(parent) && slotParts(parent).domain < slotParts(slot).domain;
}

function bridgesBySecondary(drafts: ReadonlyMap<Slot, Draft>): Map<number, Slot> {
  const leadsTo = new Map<number, Slot>();
  for (const [slot, { function: fn }] of drafts) {
    if (!fn.bridge) continue;
    const { domain, bus } = slotParts(slot);
    if (fn.bridge.secondary <= bus) continue;
    const key = busKey(domain, fn.bridge.secondary);
    if (!leadsTo.has(key)) leadsTo.set(key, slot);
  }
  return leadsTo;
}

function narrowestBridgeOver(
  leadsTo: ReadonlyMap<number, Slot>,
  drafts: ReadonlyMap<Slot, Draft>,
  domain: number,
  bus: number,
): Slot | null {
  // The nearest lower secondary bus whose range still reaches this bus is the innermost one.
  for (let secondary = bus; secondary > 0; secondary--) {
    const slot = leadsTo.get(busKey(domain, secondary));
    if (slot === undefined) continue;
    if ((drafts.get(slot)?.function.bridge?.subordinate ?? 0) >= bus) return slot;
  }
  return null;
}

function depthOf(drafts: ReadonlyMap<Slot, Draft>, draft: Draft): number {
  let depth = 0;
  for (let at = draft.parent; at !== null; at = drafts.get(at)?.parent ?? null) depth++;
  return depth;
}

function linkVirtualFunctions(drafts: ReadonlyMap<Slot, Draft>): void {
  const byId = new Map<number, Slot>();
  for (const slot of drafts.keys()) byId.set(slotKey(slotParts(slot)), slot);
  for (const [slot, draft] of drafts) {
    const sriov = seen(draft.function.sriov);
    if (!sriov?.vfEnable || sriov.vfOffset === 0) continue;
    for (const vf of virtualFunctions(slot, sriov, byId)) link(drafts, vf, slot);
  }
}

function link(drafts: ReadonlyMap<Slot, Draft>, vfSlot: Slot, physfn: Slot): void {
  const vf = drafts.get(vfSlot);
  const pf = drafts.get(physfn);
  if (!vf || !pf || vf.physfn !== null || vfSlot === physfn) return;
  vf.physfn = physfn;
  vf.orphan = false;
  pf.vfs.push(vfSlot);
}

/** The functions that are there of those which a physical function says are its own, in their order. */
function* virtualFunctions(
  slot: Slot,
  { vfOffset, vfStride, numVfs }: Sriov,
  byId: ReadonlyMap<number, Slot>,
): Generator<Slot, void, void> {
  const parts = slotParts(slot);
  const domain = parts.domain * 0x1_0000;
  const first = slotKey(parts) + vfOffset;
  const stride = Math.max(vfStride, 1);
  const last = Math.min(first + (numVfs - 1) * stride, domain + 0xffff);
  if (vfStride === 0 && numVfs > 1) return;
  if (numVfs <= byId.size) {
    for (let id = first; id <= last; id += stride) {
      const vf = byId.get(id);
      if (vf !== undefined) yield vf;
    }
    return;
  }
  // What claims more functions than there are must not cost more than there are.
  for (const [id, vf] of byId) if (id >= first && id <= last && (id - first) % stride === 0) yield vf;
}
