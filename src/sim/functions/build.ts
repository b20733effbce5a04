import { ShootdownError } from '../../pci/error.js';
import { compareSlots, formatSlot, parseSlot, type Slot, type SlotParts, slotParts } from '../../pci/slot.js';
import type { Faults, FunctionDescription, MachineDescription } from '../description.js';
import { createDevice } from '../devices/create.js';
import { buildConfig, VF_STRIDE } from './config-build.js';
import { SimFunction } from './function.js';

const FIRST_WINDOW = 0xc000_0000;
const WINDOW_BYTES = 0x10_0000;
const WINDOWS = 1024;

interface Placed {
  readonly slot: Slot;
  readonly of: FunctionDescription;
  readonly at: SlotParts;
}

const placeOf = (slot: Slot, of: FunctionDescription): Placed => ({ slot, of, at: slotParts(slot) });

/** Makes the functions of a machine, in slot order, and hangs each below its bridge. */
export function buildFunctions(machine: MachineDescription): ReadonlyMap<Slot, SimFunction> {
  const placed: Placed[] = machine.functions.map((of) => placeOf(needSlot(of.slot), of));
  placed.sort((a, b) => compareSlots(a.slot, b.slot));
  const shared = sharedDevices(placed);
  const subordinates = subordinatesOf(placed);
  const built = new Map<Slot, SimFunction>();
  const power = { changes: 0 };
  const make = ({ slot, of, at }: Placed, physfn: SimFunction | undefined): SimFunction => {
    if (built.has(slot)) throw bad(`two functions have the slot ${slot}`);
    const { space, layout } = buildConfig(of, {
      subordinate: of.secondary === undefined ? 0 : (subordinates.get(busKey(at.domain, of.secondary)) ?? 0),
      multiFunction: at.function === 0 && shared.has(deviceOf(slot)),
      primary: at.bus,
      window: FIRST_WINDOW + (built.size % WINDOWS) * WINDOW_BYTES,
      vf: physfn !== undefined,
    });
    const device = createDevice(of);
    const made = new SimFunction({ slot, description: of, space, layout, device, physfn, power });
    built.set(slot, made);
    return made;
  };
  for (const place of placed) {
    const made = make(place, undefined);
    const { domain, bus, device, function: fn } = place.at;
    for (let i = 1; i <= (place.of.vfs ?? 0); i++) {
      const id = bus * 256 + device * 8 + fn + i * VF_STRIDE;
      if (id > 0xffff) throw bad(`${place.slot}: virtual function ${i} would lie beyond bus ff`);
      const slot = formatSlot({ domain, bus: id >> 8, device: (id >> 3) & 31, function: id & 7 });
      made.vfs.push(make(placeOf(slot, virtualFunction(place.of, slot)), made));
    }
  }
  connect(built);
  power.changes++;
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
  const bridges = new Map<number, SimFunction>();
  for (const fn of built.values()) {
    const { domain, bus } = fn.address;
    const { secondary } = fn.description;
    if (secondary === undefined) continue;
    if (secondary <= bus)
      throw bad(`${fn.slot} leads to bus ${secondary.toString(16)}, which is not below its own`);
    const key = busKey(domain, secondary);
    if (bridges.has(key)) throw bad(`two bridges lead to bus ${secondary.toString(16)}`);
    bridges.set(key, fn);
  }
  for (const fn of built.values()) {
    // A virtual function may have a bus number of its own, but the link is that of its physical function.
    const { domain, bus } = (fn.physfn ?? fn).address;
    fn.parent = bridges.get(busKey(domain, bus));
    fn.parent?.children.push(fn);
  }
  for (const fn of built.values()) {
    for (let at: SimFunction | undefined = fn; at; at = at.parent) {
      if (at.description.express === 'root-port') fn.rootPort = at;
    }
  }
}

/** Works for the same guest or driver as the others, or has one of its own; without one it was left at work. */
function virtualFunction(of: FunctionDescription, slot: Slot): FunctionDescription {
  const { vfs: _, vfDriver, pin: __, line: ___, holds: ____, bootVga: _____, driver, ...rest } = of;
  if (vfDriver === null) return { ...rest, slot, ...(of.wanted ? {} : { leftBy: 'driver' }) };
  const own = vfDriver ?? driver;
  return { ...rest, slot, ...(own === undefined ? {} : { driver: own }) };
}

/** For each bus that a bridge leads to, the highest bus number below that bridge. */
function subordinatesOf(placed: readonly Placed[]): ReadonlyMap<number, number> {
  const highest = new Map<number, number>();
  // What is below a bridge has higher bus numbers: from the end, each bus is complete when it is asked for.
  for (const { of, at } of [...placed].reverse()) {
    const key = busKey(at.domain, at.bus);
    const last = at.bus * 256 + at.device * 8 + at.function + (of.vfs ?? 0) * VF_STRIDE;
    const below =
      of.secondary === undefined ? 0 : (highest.get(busKey(at.domain, of.secondary)) ?? of.secondary);
    highest.set(key, Math.max(highest.get(key) ?? at.bus, last >> 8, below));
  }
  for (const { of, at } of placed) {
    if (of.secondary === undefined) continue;
    const key = busKey(at.domain, of.secondary);
    if (!highest.has(key)) highest.set(key, of.secondary);
  }
  return highest;
}

const busKey = (domain: number, bus: number) => domain * 256 + bus;
const deviceOf = (slot: Slot) => slot.slice(0, -2);

/** Devices with more than one function. */
function sharedDevices(placed: readonly Placed[]): ReadonlySet<string> {
  const devices = new Set<string>();
  const shared = new Set<string>();
  for (const { slot } of placed) {
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
