import { ShootdownError } from '../pci/error.js';
import { compareSlots, formatSlot, parseSlot, type Slot, slotParts } from '../pci/slot.js';
import { buildConfig, VF_STRIDE } from './config-build.js';
import type { Faults, FunctionDescription, MachineDescription } from './description.js';
import { createDevice } from './devices/create.js';
import { SimFunction } from './function.js';

const FIRST_WINDOW = 0xc000_0000;
const WINDOW_BYTES = 0x10_0000;
const WINDOWS = 1024;

type Placed = readonly [slot: Slot, of: FunctionDescription];

/** Makes the functions of a machine, in slot order, and hangs each below its bridge. */
export function buildFunctions(machine: MachineDescription): ReadonlyMap<Slot, SimFunction> {
  const placed: Placed[] = machine.functions.map((of) => [needSlot(of.slot), of]);
  placed.sort(([a], [b]) => compareSlots(a, b));
  const shared = sharedDevices(placed);
  const built = new Map<Slot, SimFunction>();
  const make = (slot: Slot, of: FunctionDescription, physfn: SimFunction | undefined): void => {
    if (built.has(slot)) throw bad(`two functions have the slot ${slot}`);
    const { bus, device, function: fn } = slotParts(slot);
    const { space, layout } = buildConfig(of, {
      subordinate: of.secondary === undefined ? 0 : subordinateOf(placed, slot, of.secondary),
      multiFunction: fn === 0 && shared.has(deviceOf(slot)),
      primary: bus,
      window: FIRST_WINDOW + (built.size % WINDOWS) * WINDOW_BYTES,
      vf: physfn !== undefined,
    });
    const engine = of.workload ? createDevice(of.workload) : undefined;
    const made = new SimFunction({ slot, description: of, space, layout, device: engine, physfn });
    built.set(slot, made);
    for (let i = 0; i < (physfn ? 0 : (of.vfs ?? 0)); i++) {
      const id = bus * 256 + device * 8 + fn + (i + 1) * VF_STRIDE;
      const { domain } = slotParts(slot);
      const vfSlot = formatSlot({ domain, bus: id >> 8, device: (id >> 3) & 31, function: id & 7 });
      make(vfSlot, virtualFunction(of, vfSlot), made);
    }
  };
  for (const [slot, of] of placed) make(slot, of, undefined);
  connect(built);
  return new Map([...built].sort(([a], [b]) => compareSlots(a, b)));
}

/** Makes functions faulty from now on: they were sound when the machine was set up. */
export function armFaults(
  functions: ReadonlyMap<Slot, SimFunction>,
  faults: Readonly<Record<string, Faults>>,
): void {
  for (const [text, fault] of Object.entries(faults)) {
    const slot = needSlot(text);
    const fn = functions.get(slot);
    if (!fn) throw bad(`there is no function ${slot} to be faulty`);
    fn.arm(fault);
  }
}

function connect(built: ReadonlyMap<Slot, SimFunction>): void {
  const bridges = new Map<string, SimFunction>();
  for (const fn of built.values()) {
    const { domain, bus } = slotParts(fn.slot);
    const { secondary } = fn.description;
    if (secondary === undefined) continue;
    if (secondary <= bus)
      throw bad(`${fn.slot} leads to bus ${secondary.toString(16)}, which is not below its own`);
    const key = `${domain}:${secondary}`;
    if (bridges.has(key)) throw bad(`two bridges lead to bus ${secondary.toString(16)}`);
    bridges.set(key, fn);
  }
  for (const fn of built.values()) {
    // A virtual function may have a bus number of its own, but the link is that of its physical function.
    const { domain, bus } = slotParts((fn.physfn ?? fn).slot);
    fn.parent = bridges.get(`${domain}:${bus}`);
    fn.parent?.children.push(fn);
  }
}

function virtualFunction(of: FunctionDescription, slot: Slot): FunctionDescription {
  const { vfs: _, pin: __, line: ___, holds: ____, bootVga: _____, ...rest } = of;
  return { ...rest, slot };
}

/** The highest bus number below a bridge. */
function subordinateOf(placed: readonly Placed[], bridge: Slot, secondary: number): number {
  const { domain } = slotParts(bridge);
  let highest = secondary;
  for (const [slot, of] of placed) {
    const at = slotParts(slot);
    if (at.domain !== domain || at.bus !== secondary) continue;
    const last = at.bus * 256 + at.device * 8 + at.function + (of.vfs ?? 0) * VF_STRIDE;
    highest = Math.max(highest, last >> 8);
    if (of.secondary === undefined) continue;
    highest = Math.max(highest, subordinateOf(placed, slot, of.secondary));
  }
  return highest;
}

const deviceOf = (slot: Slot) => slot.slice(0, -2);

/** Devices with more than one function. */
function sharedDevices(placed: readonly Placed[]): ReadonlySet<string> {
  const devices = new Set<string>();
  const shared = new Set<string>();
  for (const [slot] of placed) {
    const device = deviceOf(slot);
    if (devices.has(device)) shared.add(device);
    devices.add(device);
  }
  return shared;
}

function needSlot(text: string): Slot {
  const slot = parseSlot(text);
  if (!slot) throw bad(`${text} is not a slot`);
  return slot;
}

function bad(message: string): ShootdownError {
  return new ShootdownError('bad-input', message);
}
