import type { Machine } from '../host/scan.js';
import { type PciFunction, type Sriov, seen } from '../pci/function.js';
import { routingId, type Slot, slotOfKey, slotParts } from '../pci/slot.js';
import type { Topology, TopologyNode } from '../pci/topology.js';
import { type FactPredicate, isVirtual } from '../quiesce/decide.js';
import { BUS_FLAGS } from './layout.js';
import type { KnownFunction } from './table-data.js';

/** Ports CF8 and CFC reach PCI segment 0: these nodes of a topology are in it. */
function* reachable({ nodes }: Topology): Generator<TopologyNode, void, void> {
  for (const node of nodes.values()) if (slotParts(node.function.slot).domain === 0) yield node;
}

/** Functions in segment 0 behind which other segments hang: Intel VMD. */
export function leadingElsewhere(machine: Machine | undefined): Slot[] {
  if (!machine) return [];
  return [...reachable(machine.topology)]
    .filter(({ children }) => children.some((below) => slotParts(below).domain !== 0))
    .map(({ function: fn }) => fn.slot);
}

/** The functions that the stub can reach, by routing ID in order. */
export function knownFunctions(
  machine: Machine,
  predicates: readonly FactPredicate[],
  buses: Uint8Array,
): KnownFunction[] {
  return [...reachable(machine.topology)].map((node) => known(node, machine, predicates, buses));
}

function known(
  node: TopologyNode,
  machine: Machine,
  predicates: readonly FactPredicate[],
  buses: Uint8Array,
): KnownFunction {
  const fn = node.function;
  const id = routingId(fn.slot);
  let facts = 0;
  predicates.forEach((predicate, bit) => {
    if (predicate.holds(node, machine)) facts |= 1 << bit;
  });
  return {
    routingId: id,
    physfn: node.physfn === null ? id : routingId(node.physfn),
    id: ((fn.device << 16) | fn.vendor) >>> 0,
    facts: facts >>> 0,
    capabilities: capabilitiesOf(fn),
    vf: isVirtual(node),
    bootVga: machine.facts.get(fn.slot)?.bootVga ?? null,
    oneDevice: hasOneDevice(node, buses),
  };
}

/** Offsets, 0 for none; `null` where the list was not seen to its end, and another may be in it. */
function capabilitiesOf({ pm, msi, msix, express, af }: PciFunction): KnownFunction['capabilities'] {
  if ([pm, msi, msix, express, af].includes('unknown')) return null;
  const pending = seen(af)?.hasPending ? seen(af) : undefined;
  return {
    pm: seen(pm)?.offset ?? 0,
    msi: seen(msi)?.offset ?? 0,
    msix: seen(msix)?.offset ?? 0,
    express: seen(express)?.offset ?? 0,
    af: pending?.offset ?? 0,
  };
}

/** A link of PCI Express has one device at its end: below these ports device numbers above 0 are ARI's. */
function isLink({ function: fn }: TopologyNode): boolean {
  const type = seen(fn.express)?.type;
  return type === 'root-port' || type === 'downstream-port';
}

/** What is known with a higher device number there, or may come to be, has made its bus one of every routing ID. */
function hasOneDevice(node: TopologyNode, buses: Uint8Array): boolean {
  const secondary = node.function.bridge?.secondary;
  if (!isLink(node) || secondary === undefined) return false;
  return ((buses[secondary] ?? 0) & BUS_FLAGS.everyRid) === 0;
}

/** `BUS_FLAGS` of each of the 256 buses; without a machine, bus 0 is the one that is known. */
export function busFlags(machine: Machine | undefined): Uint8Array {
  const flags = new Uint8Array(256);
  const set = (bus: number, flag: number) => {
    flags[bus] = (flags[bus] ?? 0) | flag;
  };
  if (machine) {
    const { topology } = machine;
    const secondaries = new Set<number>();
    for (const { function: fn } of reachable(topology)) if (fn.bridge) secondaries.add(fn.bridge.secondary);
    for (const { domain, bus, slots } of topology.roots) {
      // Below a bridge that sleeps nothing was read: its bus is no root, and is not looked at behind its back.
      const below = slots.some((slot) => machine.facts.get(slot)?.parent !== undefined);
      if (domain === 0 && !below) set(bus, BUS_FLAGS.root);
    }
    for (const node of reachable(topology)) {
      const { bus } = slotParts(node.function.slot);
      if (node.parent !== null && !secondaries.has(bus)) set(bus, BUS_FLAGS.listed);
      if (needsEveryId(node, topology)) set(bus, BUS_FLAGS.everyRid);
      for (const virtual of virtualBuses(node, topology)) {
        set(virtual, BUS_FLAGS.everyRid);
        const found = secondaries.has(virtual) || ((flags[virtual] ?? 0) & BUS_FLAGS.root) !== 0;
        if (!found) set(virtual, BUS_FLAGS.listed);
      }
    }
  }
  if (!flags.some((flag) => (flag & BUS_FLAGS.root) !== 0)) set(0, BUS_FLAGS.root);
  return flags;
}

/** A function that who looks at function 0 of each device, and at the others if it has many, would miss. */
function needsEveryId(node: TopologyNode, topology: Topology): boolean {
  if (isVirtual(node)) return true;
  const fn = node.function;
  const { bus, device, function: number } = slotParts(fn.slot);
  const above = node.parent === null ? undefined : topology.nodes.get(node.parent);
  if (device > 0 && above && isLink(above) && above.function.bridge?.secondary === bus) return true;
  if (number === 0 || fn.presence !== 'present') return false;
  const first = topology.nodes.get(slotOfKey((bus << 8) | (device << 3)))?.function;
  return !first || first.presence === 'all-ones' || (first.presence === 'present' && !first.multiFunction);
}

/** The buses on which virtual functions of this function are or may come to be. */
function virtualBuses({ function: fn, parent }: TopologyNode, topology: Topology): Set<number> {
  const buses = new Set<number>();
  const sriov = seen(fn.sriov);
  if (!sriov || sriov.vfOffset === 0) return buses;
  const above = parent === null ? undefined : topology.nodes.get(parent)?.function.bridge;
  const last = above?.subordinate ?? 0xff;
  for (const id of virtualIds(routingId(fn.slot), sriov)) {
    if (id >> 8 <= last) buses.add(id >> 8);
  }
  return buses;
}

function* virtualIds(physfn: number, { vfOffset, vfStride, totalVfs, numVfs }: Sriov): Generator<number> {
  const count = Math.max(totalVfs, numVfs);
  for (let n = 0; n < count; n++) {
    const id = physfn + vfOffset + n * vfStride;
    if (id > 0xffff) return;
    yield id;
  }
}
