import type { FunctionFacts } from '../../src/host/facts.js';
import type { Host } from '../../src/host/port.js';
import type { QtestHost } from '../../src/host/qtest.js';
import { type Machine, scan } from '../../src/host/scan.js';
import { BUS_FLAGS } from '../../src/image/layout.js';
import { seen } from '../../src/pci/function.js';
import { compareSlots, type Slot, slotParts } from '../../src/pci/slot.js';
import { ancestors, buildTopology, type Topology, type TopologyNode } from '../../src/pci/topology.js';
import type { Random } from '../../src/sim/random.js';

/** What the kernel was wrapped for. */
export interface Wrapping {
  readonly machine: Machine | undefined;
  readonly scanAll: boolean;
  /** Of the table: which buses it says hold virtual functions. */
  readonly busFlags: Uint8Array;
}

export interface Sight {
  /** The machine as the stub must find it: segment 0, 256 bytes, what is known of it from the wrapping. */
  readonly host: Host;
  /** Functions that answer and that it must reach. */
  readonly reached: readonly Slot[];
}

const OTHER_ROOT = 0xc0;
const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;

/**
 * Told from the outside: all that a search of every routing ID finds, less what cannot be seen from where the stub
 * stands, and with what it was told of a function only where the same one is still there.
 */
export async function stubSight(host: QtestHost, wrapping: Wrapping): Promise<Sight> {
  const { machine } = wrapping;
  const { topology } = await scan(host);
  const visible = [...topology.nodes.values()].filter((node) => isSeen(node, topology, wrapping));
  const slots = visible.map((node) => node.function.slot);
  const reached = visible.filter((node) => !behindSleeper(node, topology));
  const missing = missingSlots(topology, wrapping);
  const facts = (slot: Slot): FunctionFacts => {
    const known = machine?.topology.nodes.get(slot);
    const here = topology.nodes.get(slot);
    if (!known || !here || !same(known, here)) return {};
    return { driver: null, physfn: known.physfn };
  };
  return {
    reached: reached.map((node) => node.function.slot),
    host: {
      name: host.name,
      writable: true,
      notes: host.notes,
      slots: async () => [...slots, ...missing].sort(compareSlots),
      visibleBytes: async () => 256,
      read: async (slot, offset, width) =>
        missing.includes(slot) ? ALL_ONES[width] : host.read(slot, offset, width),
      write: (slot, offset, width, value) => host.write(slot, offset, width, value),
      facts: async (slot) => facts(slot),
      machineFacts: async () => ({ liveKernel: false }),
      close: async () => {},
    },
  };
}

function same({ function: known }: TopologyNode, { function: here }: TopologyNode): boolean {
  return known.vendor === here.vendor && known.device === here.device;
}

/** Of those that a search of every routing ID finds, the functions that somebody with less patience finds. */
function isSeen(node: TopologyNode, topology: Topology, { machine, scanAll, busFlags }: Wrapping): boolean {
  const { slot } = node.function;
  const top = [...ancestors(topology, slot)].at(-1) ?? slot;
  const root = slotParts(top).bus;
  if (root !== 0 && !scanAll && !machine) return false;
  const { bus, device, function: number } = slotParts(slot);
  if (number === 0 || ((busFlags[bus] ?? 0) & BUS_FLAGS.everyRid) !== 0) return true;
  const first = [...topology.nodes.values()].find(({ function: { slot: other } }) => {
    const parts = slotParts(other);
    return parts.bus === bus && parts.device === device && parts.function === 0;
  });
  if (first?.function.multiFunction) return true;
  return [...(machine?.topology.nodes.keys() ?? [])].some((known) => {
    const parts = slotParts(known);
    return parts.bus === bus && parts.device === device && parts.function > 0;
  });
}

function sleeps({ function: fn }: TopologyNode): boolean {
  const state = seen(fn.pm)?.state;
  return state !== undefined && state !== 'D0';
}

function behindSleeper({ function: { slot } }: TopologyNode, topology: Topology): boolean {
  return [...ancestors(topology, slot)].some((above) => {
    const bridge = topology.nodes.get(above);
    return bridge !== undefined && sleeps(bridge);
  });
}

/** Functions that the stub was told of, that it looks for, and that do not answer. */
function missingSlots(topology: Topology, { machine, scanAll }: Wrapping): Slot[] {
  if (!machine) return [];
  const buses = new Set<number>([0]);
  for (const { bus } of machine.topology.roots) buses.add(bus);
  const blocked: [number, number][] = [];
  for (const node of topology.nodes.values()) {
    const { bridge } = node.function;
    if (!bridge || bridge.secondary === 0 || behindSleeper(node, topology)) continue;
    if (sleeps(node)) blocked.push([bridge.secondary, bridge.subordinate]);
    else buses.add(bridge.secondary);
  }
  return [...machine.topology.nodes.keys()].filter((slot) => {
    const { bus } = slotParts(slot);
    if (topology.nodes.has(slot) || blocked.some(([from, to]) => bus >= from && bus <= to)) return false;
    return buses.has(bus) || scanAll;
  });
}

/** A machine whose functions are not where they were, and of which some are new: what a table goes stale against. */
export function shuffled(machine: Machine, random: Random): Machine {
  const functions = [...machine.topology.nodes.values()].map((node) => node.function);
  const slots = functions.map(({ slot }) => slot);
  for (let swaps = random.between(1, 3); swaps > 0; swaps--) {
    const [a, b] = [random.below(slots.length), random.below(slots.length)];
    const [x, y] = [slots[a], slots[b]];
    if (x && y) [slots[a], slots[b]] = [y, x];
  }
  const moved = functions.flatMap((fn, at) => {
    // What leads to another root bus, or to virtual functions, stays known.
    const keep = seen(fn.sriov) || slotParts(slots[at] ?? fn.slot).bus >= OTHER_ROOT || random.chance(85);
    return keep ? [{ ...fn, slot: slots[at] ?? fn.slot }] : [];
  });
  const topology = buildTopology(moved);
  const facts = new Map<Slot, FunctionFacts>();
  for (const slot of topology.nodes.keys()) facts.set(slot, { driver: null });
  return { ...machine, topology, facts };
}
