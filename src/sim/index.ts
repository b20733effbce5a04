import type { MachineDescription } from './description.js';
import { type MachineOptions, SimMachine } from './machine.js';
import { profile } from './profiles.js';

export { GateChecker, jumpProblems } from './check.js';
export type { Faults, FunctionDescription, MachineDescription } from './description.js';
export type { SimEvent } from './events.js';
export type { JumpOptions } from './jump.js';
export type {
  CorruptedPage,
  DumpResult,
  IrqStorm,
  JumpResult,
  JumpVerdict,
  RefusedWrites,
  Region,
  Stage,
  StrayWrite,
  TimelineEntry,
} from './jump-result.js';
export { type MachineOptions, type SimMachine, TICKS_PER_MS } from './machine.js';
export type { Owner } from './memory.js';
export { profile, profileNames } from './profiles.js';
export { type RandomMachine, type RandomMachineOptions, randomMachine } from './random-machine.js';

/** A machine from a profile's name or a description of one's own. The same seed makes the same machine. */
export function createMachine(
  what: string | MachineDescription,
  options: Partial<MachineOptions> = {},
): SimMachine {
  const description = typeof what === 'string' ? profile(what) : what;
  return new SimMachine(description, { seed: 1, ...options });
}
