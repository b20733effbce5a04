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
export type { Observer, SimEvent, Writer } from './events.js';
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
export { JUMP_VERDICTS, STAGES, VERDICT_MEANINGS } from './jump/result.js';
export { type LikeMachine, type LikeOptions, machineLike } from './like.js';
export type { MachineOptions, SimMachine } from './machine.js';
export type { Owner, PageRange } from './memory/memory.js';
export type { MemoryMap } from './memory/memory-map.js';
export { PLATFORMS, type PlatformName, type PlatformRules } from './platform.js';
export { POLICY_NAMES, type PolicyName } from './policies/names.js';
export { type PlaceRecord, type PlayedJump, type PlayOptions, playJump } from './policies/play.js';
export type { Claims, StubRunner, StubSurroundings } from './policies/policy.js';
export { profile, profileNames } from './profiles.js';
export type { Expectation } from './scenario/expect.js';
export { runSimMatrix, type SimMatrix, type SimMatrixOptions, type SimMatrixRow } from './scenario/matrix.js';
export type { Matrix, MatrixRow } from './scenario/matrix-row.js';
export { runScenario, type ScenarioOptions, type ScenarioRun } from './scenario/run.js';
export {
  parseScenario,
  type Scenario,
  type ScenarioFact,
  type ScenarioLab,
  shippedScenario,
  shippedScenarioNames,
} from './scenario/scenario.js';
export { drawCase, type SoakCase, type SoakJump, type SoakSettings } from './soak/case.js';
export { playCase, type SoakCaseOutcome, type SoakJumpOutcome, type SoakPlayOptions } from './soak/play.js';
export { type RandomMachine, type RandomMachineOptions, randomMachine } from './soak/random-machine.js';
export { newSoak, parseSoak, type SoakState, type SoakViolation, soak } from './soak/soak.js';
export { TICKS_PER_MS } from './ticks.js';

/** A machine from a profile's name or a description of one's own. The same seed makes the same machine. */
export function createMachine(
  what: string | MachineDescription,
  options: Partial<MachineOptions> = {},
): SimMachine {
  const description = typeof what === 'string' ? profile(what) : what;
  return new SimMachine(description, { seed: 1, ...options });
}
