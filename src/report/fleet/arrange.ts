import { mix, wide } from './hash.js';
import type { FleetFunction } from './read-audit.js';
import { NO_SLOT } from './slot-key.js';

/**
 * A machine's functions in an order that does not depend on bus numbers, and what its tree is called. Two machines
 * with the same functions in the same places have the same signature and, position by position, the same functions,
 * however their buses are numbered.
 */
export interface Arrangement {
  readonly signature: number;
  /** Indices of the functions. */
  readonly order: readonly number[];
  /** Where a function is, in that order: the devices and functions on the way from its root bus, whichever that is. */
  readonly places: Float64Array;
  /** The position of the function above; -1 on a root bus. */
  readonly parents: Int32Array;
}

/** `states`: a hash of each function's state, by which the order of what is otherwise the same is settled. */
export function arrange(
  functions: readonly FleetFunction[],
  byKey: ReadonlyMap<number, number>,
  states: Int32Array,
): Arrangement | null {
  const size = functions.length;
  const parents = Int32Array.from(functions, ({ parent }) =>
    parent === NO_SLOT ? -1 : (byKey.get(parent) ?? -1),
  );
  const sequence = leavesFirst(parents);
  if (sequence === null) return null;
  const tree: Tree = { functions, parents, sequence, labels: placeLabels(functions, parents) };
  const roots = rootSums(tree, states);
  const { ways, rootHash, rootState } = waysDown(tree, roots);
  const order = Array.from({ length: size }, (_, i) => i);
  order.sort((i, j) => {
    const byWay = (ways[i] as number) - (ways[j] as number);
    if (byWay !== 0) return byWay;
    const one = functions[i] as FleetFunction;
    const other = functions[j] as FleetFunction;
    return (
      one.vendor - other.vendor ||
      one.device - other.device ||
      one.classCode - other.classCode ||
      (rootHash[i] as number) - (rootHash[j] as number) ||
      (rootState[i] as number) - (rootState[j] as number) ||
      one.key - other.key
    );
  });
  const positions = new Int32Array(size);
  for (let at = 0; at < size; at++) positions[order[at] as number] = at;
  const above = Int32Array.from(order, (i) => {
    const parent = parents[i] as number;
    return parent < 0 ? -1 : (positions[parent] as number);
  });
  const places = Float64Array.from(order, (i) => ways[i] as number);
  return { signature: signatureOf(size, roots), order, places, parents: above };
}

interface Tree {
  readonly functions: readonly FleetFunction[];
  /** Indices; -1 on a root bus. */
  readonly parents: Int32Array;
  /** Indices, each before the one above it. */
  readonly sequence: Int32Array;
  readonly labels: Int32Array;
}

/** Two hashes of what is on a root bus, and one of its state. */
type Sums = Int32Array<ArrayBuffer>;

/** Bottom up, so that a function's hash says all that is below it. What is below is added up: it has no order. */
function rootSums(
  { functions, parents, sequence, labels }: Tree,
  states: Int32Array,
): ReadonlyMap<number, Sums> {
  const below = new Int32Array(functions.length * 3);
  const roots = new Map<number, Sums>();
  for (const i of sequence) {
    const fn = functions[i] as FleetFunction;
    const own = mix(mix(mix(labels[i] as number, fn.vendor), fn.device), fn.classCode);
    let sums = below;
    let at = (parents[i] as number) * 3;
    if (at < 0) {
      sums = roots.get(busOf(fn.key)) ?? new Int32Array(3);
      roots.set(busOf(fn.key), sums);
      at = 0;
    }
    sums[at] = (sums[at] as number) + mix(mix(own, below[i * 3] as number), 1);
    sums[at + 1] = (sums[at + 1] as number) + mix(mix(own, below[i * 3 + 1] as number), 2);
    sums[at + 2] = (sums[at + 2] as number) + mix(mix(own, states[i] as number), below[i * 3 + 2] as number);
  }
  return roots;
}

function signatureOf(size: number, roots: ReadonlyMap<number, Sums>): number {
  let high = size;
  let low = size;
  for (const [bus, sums] of roots) {
    // Which segment it is matters only as far as ports reach it or not.
    const far = bus < 256 ? 0 : 1;
    high += mix(sums[0] as number, far);
    low += mix(sums[1] as number, far);
  }
  return wide(high, low);
}

/** Top down: the way to each function by device and function numbers, and what is on its root bus. */
function waysDown(
  { functions, parents, sequence, labels }: Tree,
  roots: ReadonlyMap<number, Sums>,
): { readonly ways: Float64Array; readonly rootHash: Int32Array; readonly rootState: Int32Array } {
  const size = functions.length;
  const ways = new Float64Array(size);
  const high = new Int32Array(size);
  const low = new Int32Array(size);
  const rootHash = new Int32Array(size);
  const rootState = new Int32Array(size);
  for (let at = size - 1; at >= 0; at--) {
    const i = sequence[at] as number;
    const above = parents[i] as number;
    const sums = above < 0 ? roots.get(busOf((functions[i] as FleetFunction).key)) : undefined;
    rootHash[i] = (sums ? sums[0] : rootHash[above]) as number;
    rootState[i] = (sums ? sums[2] : rootState[above]) as number;
    high[i] = mix(above < 0 ? 7 : (high[above] as number), labels[i] as number);
    low[i] = mix(above < 0 ? 11 : (low[above] as number), labels[i] as number);
    ways[i] = wide(high[i] as number, low[i] as number);
  }
  return { ways, rootHash, rootState };
}

/** Domain and bus of a slot. */
const busOf = (key: number): number => Math.floor(key / 256);

/**
 * Device and function, and how far its bus lies behind the one that the bridge above leads to: virtual functions may
 * be on buses of their own.
 */
function placeLabels(functions: readonly FleetFunction[], parents: Int32Array): Int32Array {
  const labels = new Int32Array(functions.length);
  const firstBuses = new Map<string, number>();
  const base = (fn: FleetFunction, above: number): number => {
    const { key, secondary } = functions[above] as FleetFunction;
    const domain = Math.floor(fn.key / 0x1_0000);
    if (secondary !== null && domain === Math.floor(key / 0x1_0000)) return domain * 256 + secondary;
    return firstBuses.get(`${above} ${domain}`) ?? busOf(fn.key);
  };
  for (let i = 0; i < functions.length; i++) {
    const above = parents[i] as number;
    if (above < 0 || functions[above]?.secondary !== null) continue;
    const { key } = functions[i] as FleetFunction;
    const group = `${above} ${Math.floor(key / 0x1_0000)}`;
    firstBuses.set(group, Math.min(firstBuses.get(group) ?? Number.POSITIVE_INFINITY, busOf(key)));
  }
  for (let i = 0; i < functions.length; i++) {
    const fn = functions[i] as FleetFunction;
    const above = parents[i] as number;
    const behind = above < 0 ? 0 : busOf(fn.key) - base(fn, above);
    labels[i] = (fn.key % 256) + behind * 256;
  }
  return labels;
}

/** Every function before the one above it; `null` where functions are above each other in a ring. */
function leavesFirst(parents: Int32Array): Int32Array | null {
  const waiting = new Int32Array(parents.length);
  for (const above of parents) if (above >= 0) waiting[above] = (waiting[above] as number) + 1;
  const sequence = new Int32Array(parents.length);
  let known = 0;
  for (let i = 0; i < parents.length; i++) if (waiting[i] === 0) sequence[known++] = i;
  for (let at = 0; at < known; at++) {
    const above = parents[sequence[at] as number] as number;
    if (above < 0) continue;
    waiting[above] = (waiting[above] as number) - 1;
    if (waiting[above] === 0) sequence[known++] = above;
  }
  return known === parents.length ? sequence : null;
}
