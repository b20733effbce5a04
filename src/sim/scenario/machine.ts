import { parseSlot } from '../../pci/slot.js';
import type { DriverDescription, Faults, FunctionDescription, MachineDescription } from '../description.js';
import { type PageRange, pageOf } from '../memory/memory.js';
import type { MemoryMap } from '../memory/memory-map.js';
import type { PlatformRules } from '../platform.js';
import type { FunctionData, ScenarioData } from './schema.js';

/** The machine of a scenario as the simulator takes it. */
export function machineOf({ name, machine }: ScenarioData): MachineDescription {
  const { platform, rules, era, memory, captureDrivers, functions } = machine;
  return {
    name,
    platform,
    era,
    captureDrivers,
    functions: functions.map(functionOf),
    ...(rules === undefined ? {} : { rules: given<Partial<PlatformRules>>(rules) }),
    ...(memory === undefined ? {} : { memory: memoryOf(memory) }),
  };
}

export function faultsOf({ jump }: ScenarioData): Readonly<Record<string, Faults>> {
  return Object.fromEntries(
    Object.entries(jump.faults ?? {}).map(([slot, faults]) => [
      parseSlot(slot) ?? slot,
      given<Faults>(faults ?? {}),
    ]),
  );
}

export const PINS = ['A', 'B', 'C', 'D'];

export function functionOf(data: FunctionData): FunctionDescription {
  const {
    note: _,
    ids,
    class: classCode,
    revision,
    secondary,
    intx,
    is,
    driver,
    vfDriver,
    faults,
    ...same
  } = data;
  const [vendor, device] = ids.split(':').map((id) => Number.parseInt(id, 16));
  return given<FunctionDescription>({
    ...same,
    vendor,
    device,
    classCode: Number.parseInt(classCode, 16),
    revision: revision === undefined ? undefined : Number.parseInt(revision, 16),
    secondary: secondary === undefined ? undefined : Number.parseInt(secondary, 16),
    pin: intx && PINS.indexOf(intx.pin) + 1,
    line: intx?.line,
    workload: is,
    driver: driver && given<DriverDescription>(driver),
    vfDriver: vfDriver && given<DriverDescription>(vfDriver),
    faults: faults && given<Faults>(faults),
  });
}

type MemoryData = NonNullable<ScenarioData['machine']['memory']>;

function memoryOf(memory: MemoryData): MemoryMap {
  return {
    ram: memory.ram.map(rangeOf),
    capture: rangeOf(memory.capture),
    image: rangeOf(memory.image),
    initramfs: rangeOf(memory.initramfs),
  };
}

function rangeOf({ at, size }: MemoryData['capture']): PageRange {
  return { first: pageOf(Number(at)), count: pageOf(Number(size)) };
}

/** Without what is left out: the machine's types tell a key that is missing from one that is undefined. */
function given<T>(data: { readonly [K in keyof T]?: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined)) as T;
}
