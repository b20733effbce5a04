import type { MachineDescription } from './description.js';
import { type MachineOptions, SimMachine } from './machine.js';
import { profile } from './profiles.js';

export { DrainChecker, GateChecker } from './checkers/gates-and-drains.js';
export { jumpProblems } from './checkers/jump-problems.js';
export {
  type DriverDescription,
  ERAS,
  type Era,
  type Faults,
  type FunctionDescription,
  type MachineDescription,
  WORKLOADS,
  type Workload,
} from './description.js';
export type { SimEvent } from './events.js';
export type { JumpHooks, JumpOptions } from './jump/options.js';
export type {
  CorruptedPage,
  DumpResult,
  FaultCount,
  IrqStorm,
  JumpResult,
  JumpVerdict,
  LostDevice,
  RefusedWrites,
  Region,
  Stage,
  StrayWrite,
  TimelineEntry,
} from './jump/result.js';
export { JUMP_VERDICTS, STAGES } from './jump/result.js';
export type { MachineOptions, SimMachine } from './machine.js';
export type { Owner } from './memory/memory.js';
export { PLATFORMS, type PlatformName, type PlatformRules } from './platform.js';
export { POLICY_NAMES, type PolicyName } from './policies/names.js';
export type { StubRunner, StubSurroundings } from './policies/policy.js';
export { profile, profileNames } from './profiles.js';
export { type RandomMachine, type RandomMachineOptions, randomMachine } from './soak/random-machine.js';

/** A machine from a profile's name or a description of one's own. The same seed makes the same machine. */
export function createMachine(
  what: string | MachineDescription,
  options: Partial<MachineOptions> = {},
): SimMachine {
  const description = typeof what === 'string' ? profile(what) : what;
  return new SimMachine(description, { seed: 1, ...options });
}
