import { ShootdownError } from '../../pci/error.js';
import type { Observer } from '../events.js';
import type { JumpResult } from '../jump/result.js';
import { SimMachine } from '../machine.js';
import type { PolicyName } from '../policies/names.js';
import { type PlayedJump, playJump } from '../policies/play.js';
import type { StubRunner } from '../policies/policy.js';
import { LOADED_IN_PLACE } from './check.js';
import { type Expectation, unmetExpectations } from './expect.js';
import { type Scenario, scenarioPolicy } from './scenario.js';

export interface ScenarioOptions {
  /** Default 1. */
  readonly seed?: number;
  readonly stub?: StubRunner;
  /** Sees everything that happens in the machine from before the jump on. */
  readonly observer?: Observer;
  /** Over the scenario's own. */
  readonly path?: Scenario['path'];
  /** Once it is aborted, its reason is thrown. */
  readonly signal?: AbortSignal;
}

export interface ScenarioRun extends PlayedJump {
  readonly scenario: Scenario;
  readonly policy: PolicyName;
  readonly seed: number;
  readonly result: JumpResult;
  /** What the scenario expects under this policy; `null` if nothing, or if another path was asked for. */
  readonly expected: Expectation | null;
  /** What of that did not come true; empty if it all did, or nothing was expected. */
  readonly unmet: readonly string[];
}

/** Plays a scenario once. The same scenario, policy and seed give the same run. Throws `usage` for a path that its `load` is not for. */
export async function runScenario(
  scenario: Scenario,
  policy: PolicyName,
  { seed = 1, stub, observer, path = scenario.path, signal }: ScenarioOptions = {},
): Promise<ScenarioRun> {
  if (path === 'crash' && scenario.jump.load === 'relocated') {
    const message = `${scenario.name}: its own jump.load is relocated, and ${LOADED_IN_PLACE}: leave out --path, or that load`;
    throw new ShootdownError('usage', message);
  }
  const machine = new SimMachine(scenario.machine, {
    ...{ seed, faults: scenario.faults },
    ...(signal ? { signal } : {}),
  });
  if (observer) machine.observe(observer, { routine: true });
  const played = await playJump(machine, policy, {
    ...scenario.jump,
    path,
    policy: scenarioPolicy(scenario),
    ...(stub ? { stub } : {}),
  });
  const expected = path === scenario.path ? (scenario.expect[policy] ?? null) : null;
  const unmet = expected === null ? [] : unmetExpectations(played.result, expected);
  return { ...played, scenario, policy, seed, expected, unmet };
}
