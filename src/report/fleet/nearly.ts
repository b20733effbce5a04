import type { FleetData } from './fleet-data.js';
import { hashText } from './hash.js';
import { COMMON_MAX, DIFFERENCES_MAX, LIKE_MIN, LISTED_MAX, NEARLY_MAX } from './limits.js';
import { compareText } from './names.js';
import { functionAt, type Topology } from './topologies.js';

type Nearly = FleetData['nearly'][number];

/** A group is rare beside one that is so many times as large. */
const RARE = 4;

/** Topologies that are nearly a much more frequent one, and in which functions they differ. */
export function nearlyAlike(list: readonly Topology[], leftOut: string[]): Nearly[] {
  const common = list.filter(({ machines }) => machines >= LIKE_MIN).slice(0, COMMON_MAX);
  const found: { readonly rare: Topology; readonly near: Topology; readonly positions: Positions }[] = [];
  for (const rare of list) {
    let best: (typeof found)[number] | undefined;
    for (const near of common) {
      if (near.machines < rare.machines * RARE) break;
      const most = best ? sizeOf(best.positions) - 1 : limitOf(near);
      const positions = differing(rare, near, most);
      if (positions) best = { rare, near, positions };
    }
    if (best) found.push(best);
  }
  found.sort((a, b) => b.near.machines - a.near.machines || compareText(a.rare.firstName, b.rare.firstName));
  if (found.length > LISTED_MAX) leftOut.push(`nearly alike: ${found.length - LISTED_MAX} more topologies`);
  return found.slice(0, LISTED_MAX).map(({ rare, near, positions }) => {
    const differences = describe(rare, near, positions);
    return {
      topology: hashText(rare.signature),
      machines: rare.machines,
      examples: [...rare.names.list],
      like: { topology: hashText(near.signature), machines: near.machines, example: near.firstName },
      differences: differences.slice(0, DIFFERENCES_MAX),
      more: Math.max(0, differences.length - DIFFERENCES_MAX),
    };
  });
}

interface Positions {
  readonly missing: readonly number[];
  readonly extra: readonly number[];
}

const sizeOf = ({ missing, extra }: Positions): number => missing.length + extra.length;
const limitOf = ({ slots }: Topology): number =>
  Math.min(NEARLY_MAX, Math.max(1, Math.floor(slots.length / 4)));

/** Positions in `near` that `rare` lacks, and in `rare` that `near` lacks; `undefined` if they are more than `most`. */
function differing(rare: Topology, near: Topology, most: number): Positions | undefined {
  if (Math.abs(rare.slots.length - near.slots.length) > most) return undefined;
  const missing: number[] = [];
  const extra: number[] = [];
  for (let r = 0, n = 0; r < rare.slots.length || n < near.slots.length; ) {
    const order =
      n === near.slots.length ? -1 : r === rare.slots.length ? 1 : comparePositions(rare, r, near, n);
    if (order <= 0) r++;
    if (order >= 0) n++;
    if (order < 0) extra.push(r - 1);
    if (order > 0) missing.push(n - 1);
    if (missing.length + extra.length > most) return undefined;
  }
  return { missing, extra };
}

/** As `arrange` orders them. */
function comparePositions(a: Topology, i: number, b: Topology, j: number): number {
  return (
    (a.places[i] as number) - (b.places[j] as number) ||
    (a.ids[i] as number) - (b.ids[j] as number) ||
    (a.classes[i] as number) - (b.classes[j] as number)
  );
}

/** What is below something missing goes with it; what stands in the place of something else is one difference. */
function describe(rare: Topology, near: Topology, { missing, extra }: Positions): Nearly['differences'] {
  const gone = topmost(near, missing);
  const added = topmost(rare, extra);
  const instead = new Map([...added.keys()].map((position) => [rare.places[position], position]));
  const differences: Nearly['differences'][number][] = [];
  for (const [position, below] of gone) {
    const here = instead.get(near.places[position]);
    if (here === undefined) {
      differences.push({ kind: 'missing', ...functionAt(near, position), below, usual: null });
      continue;
    }
    const { slot: _, ...usual } = functionAt(near, position);
    differences.push({ kind: 'other', ...functionAt(rare, here), below: added.get(here) ?? 0, usual });
    added.delete(here);
  }
  for (const [position, below] of added) {
    differences.push({ kind: 'extra', ...functionAt(rare, position), below, usual: null });
  }
  return differences.sort((a, b) => compareText(a.slot, b.slot));
}

/** Of positions those that none of the others is above, with how many are below each. */
function topmost({ parents }: Topology, positions: readonly number[]): Map<number, number> {
  const all = new Set(positions);
  const tops = new Map<number, number>();
  for (const position of positions) {
    let top = position;
    for (let above = parents[top] ?? -1; above >= 0 && all.has(above); above = parents[top] ?? -1)
      top = above;
    tops.set(top, (tops.get(top) ?? -1) + 1);
  }
  return tops;
}
