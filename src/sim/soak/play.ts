import { DrainChecker, GateChecker } from '../checkers/gates-and-drains.js';
import { jumpProblems } from '../checkers/jump-problems.js';
import { type Excuse, judgeOurs } from '../checkers/violations.js';
import { WriteChecker } from '../checkers/writes.js';
import type { JumpResult, JumpVerdict } from '../jump/result.js';
import { SimMachine } from '../machine.js';
import { OURS } from '../policies/index.js';
import { type PlayedJump, playJump } from '../policies/play.js';
import type { StubRunner } from '../policies/policy.js';
import { policyOf, type SoakCase } from './case.js';

export interface SoakJumpOutcome {
  readonly verdict: JumpVerdict;
  readonly path: JumpResult['path'];
  /** What must not be, a line each: a broken invariant, or what is held against ours. */
  readonly violations: readonly string[];
  readonly excuses: readonly Excuse[];
  /** What is behind these, a line each. */
  readonly excused: readonly string[];
}

export interface SoakCaseOutcome {
  /** Ends with the first that has violations. */
  readonly jumps: readonly SoakJumpOutcome[];
  readonly events: number;
  readonly ticks: number;
}

export interface SoakPlayOptions {
  readonly stub?: StubRunner;
  /** Sees each jump with all that is known of it. */
  readonly onJump?: (played: PlayedJump) => void;
  /** Once it is aborted, the case is given up, and its reason thrown. */
  readonly signal?: AbortSignal;
}

/** Plays one case, with checkers that watch the machine from outside. */
export async function playCase(
  { machine: description, seed, faults, jumps }: SoakCase,
  { stub, onJump, signal }: SoakPlayOptions = {},
): Promise<SoakCaseOutcome> {
  const machine = new SimMachine(description, { seed, faults, ...(signal ? { signal } : {}) });
  const gates = new GateChecker(machine);
  const drains = new DrainChecker(machine);
  const writes = new WriteChecker(machine);
  const outcomes: SoakJumpOutcome[] = [];
  for (const jump of jumps) {
    const { policy, path, load, crashCpu, ticks } = jump;
    const played = await playJump(machine, policy, {
      ...{ path, ticks, policy: policyOf(jump) },
      ...(load === undefined ? {} : { load }),
      ...(crashCpu === undefined ? {} : { crashCpu }),
      ...(stub ? { stub } : {}),
    });
    onJump?.(played);
    const { result } = played;
    const judged = OURS.has(policy)
      ? judgeOurs(played)
      : { violations: played.untrue, excuses: [], excused: [] };
    const violations = [
      ...gates.violations.splice(0),
      ...drains.violations.splice(0),
      ...writes.violations.splice(0),
      ...jumpProblems(result),
      ...judged.violations,
    ];
    outcomes.push({
      verdict: result.verdict,
      path,
      violations,
      excuses: [...judged.excuses],
      excused: judged.excused,
    });
    if (violations.length > 0) break;
    if (result.stuckOn !== null) machine.powerCycle();
  }
  gates.stop();
  drains.stop();
  writes.stop();
  return { jumps: outcomes, events: machine.schedule.happened, ticks: machine.now };
}
