import type { Slot } from '../../src/pci/slot.js';
import type { FunctionDescription, MachineDescription } from '../../src/sim/description.js';
import type { SimEvent } from '../../src/sim/events.js';
import type { SimFunction } from '../../src/sim/functions/function.js';
import { SimMachine } from '../../src/sim/machine.js';
import { addressOf } from '../../src/sim/memory/memory.js';

const BRIDGE = { vendor: 0x8086, device: 0x29c1, classCode: 0x060400, busMaster: true } as const;
const CARD = {
  vendor: 0x8086,
  device: 0x10d3,
  classCode: 0x020000,
  messages: 'msi',
  pin: 1,
  line: 17,
  busMaster: true,
} as const;

export const PORT = '0000:00:01.0' as Slot;
export const UP = '0000:01:00.0' as Slot;
export const DOWN = '0000:02:00.0' as Slot;
export const BELOW = '0000:03:00.0' as Slot;
export const OTHER_PORT = '0000:00:02.0' as Slot;
export const OTHER = '0000:04:00.0' as Slot;
export const PCI_BRIDGE = '0000:00:1e.0' as Slot;
export const OLD = '0000:05:03.0' as Slot;
export const OLD_TOO = '0000:05:04.0' as Slot;
export const ALONE = '0000:00:03.0' as Slot;

/** A root port with a switch, another root port, a conventional bus: nothing in it does anything by itself. */
export const QUIET: readonly FunctionDescription[] = [
  { ...BRIDGE, slot: PORT, express: 'root-port', secondary: 1 },
  { ...BRIDGE, slot: OTHER_PORT, express: 'root-port', secondary: 4 },
  { ...CARD, slot: ALONE, express: 'rc-endpoint' },
  { ...BRIDGE, slot: PCI_BRIDGE, secondary: 5 },
  { ...BRIDGE, slot: UP, express: 'upstream-port', secondary: 2 },
  { ...BRIDGE, slot: DOWN, express: 'downstream-port', secondary: 3 },
  { ...CARD, slot: BELOW, express: 'endpoint', flr: true },
  { ...CARD, slot: OTHER, express: 'endpoint', flr: true },
  { ...CARD, slot: OLD },
  { ...CARD, slot: OLD_TOO },
];

/** A machine in which only what a test sends is under way. */
export function quietMachine(
  more: Partial<MachineDescription> = {},
  change: (of: FunctionDescription) => FunctionDescription = (of) => of,
): SimMachine {
  const description = { name: 'quiet', captureDrivers: [], functions: QUIET.map(change), ...more };
  return new SimMachine(description, { seed: 1 });
}

export function functionAt(machine: SimMachine, slot: Slot): SimFunction {
  const fn = machine.functions.get(slot);
  if (!fn) throw new Error(`no function ${slot}`);
  return fn;
}

/** Addresses of pages that nobody uses. */
export function freePages(machine: SimMachine, count: number): number[] {
  return machine.memory.pages(['free']).slice(-count).map(addressOf);
}

/** What happens from now on, of some kinds. */
export function eventsOf<K extends SimEvent['kind']>(
  machine: SimMachine,
  ...kinds: readonly K[]
): Extract<SimEvent, { kind: K }>[] {
  const seen: Extract<SimEvent, { kind: K }>[] = [];
  const isWanted = (event: SimEvent): event is Extract<SimEvent, { kind: K }> =>
    kinds.some((kind) => kind === event.kind);
  machine.observe((event) => {
    if (isWanted(event)) seen.push(event);
  });
  return seen;
}
