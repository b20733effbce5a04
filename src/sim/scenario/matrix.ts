import { ShootdownError } from '../../pci/error.js';
import type { PolicyName } from '../policies/names.js';
import type { StubRunner } from '../policies/policy.js';
import { recordGaps } from '../policies/record-gaps.js';
import { TICKS_PER_MS } from '../ticks.js';
import type { Matrix, MatrixRow } from './matrix-row.js';
import { runScenario, type ScenarioRun } from './run.js';
import type { Scenario } from './scenario.js';

/** What a scenario came to under one policy. */
export interface SimMatrixRow extends MatrixRow {
  readonly machine: 'sim';
  readonly policy: PolicyName;
  readonly hazards: readonly string[];
  /** What the processor is stuck on, or what was not as it had been loaded. */
  readonly stuckOn: string | null;
  /** `null` where the scenario expects nothing of this policy. */
  readonly asExpected: boolean | null;
}

export interface SimMatrix extends Matrix {
  readonly schema: 'shootdown.sim-matrix/1';
  readonly rows: readonly SimMatrixRow[];
}

export interface SimMatrixOptions {
  readonly scenarios: readonly Scenario[];
  readonly policies: readonly PolicyName[];
  readonly seed: number;
  readonly stub?: StubRunner;
  readonly signal?: AbortSignal;
  readonly onRow?: (row: SimMatrixRow, done: number) => void;
}

/** Plays every scenario under every policy. An aborted `signal` ends it, with the rows that are there by then. What cannot be played is named in the error. */
export async function runSimMatrix(options: SimMatrixOptions): Promise<SimMatrix> {
  const { scenarios, policies, signal } = options;
  const rows: SimMatrixRow[] = [];
  for (const scenario of scenarios) {
    for (const policy of policies) {
      if (signal?.aborted) return { schema: 'shootdown.sim-matrix/1', interrupted: true, rows };
      const played = await playCell(scenario, policy, options);
      if (played === null) return { schema: 'shootdown.sim-matrix/1', interrupted: true, rows };
      const row = rowOf(played);
      rows.push(row);
      options.onRow?.(row, rows.length);
    }
  }
  return { schema: 'shootdown.sim-matrix/1', interrupted: false, rows };
}

/** `null` once the signal is aborted. */
async function playCell(
  scenario: Scenario,
  policy: PolicyName,
  { seed, stub, signal }: SimMatrixOptions,
): Promise<ScenarioRun | null> {
  try {
    return await runScenario(scenario, policy, {
      ...{ seed },
      ...(stub ? { stub } : {}),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return null;
    if (!(error instanceof ShootdownError)) throw error;
    const { code, message } = error;
    throw new ShootdownError(code, `${scenario.name}, ${policy}: ${message}`, { cause: error });
  }
}

function rowOf(played: ScenarioRun): SimMatrixRow {
  const { scenario, policy, result, expected, unmet } = played;
  const { writes, refused, runningTick, startTick, stuckOn } = result;
  const refusedCount = refused.reduce((sum, { count }) => sum + count, 0);
  const remarks = [
    expected === null ? '' : (expected.why ?? ''),
    ...recordGaps(played),
    unmet.length > 0 ? `NOT AS EXPECTED: ${unmet.join('; ')}` : '',
  ];
  return {
    scenario: scenario.name,
    jump: result.path,
    machine: 'sim',
    kernel: scenario.machine.era ?? 'today',
    policy,
    outcome: result.verdict,
    stray: { sent: writes.length + refusedCount, landed: writes.length },
    secondsToReady: runningTick === null ? null : (runningTick - startTick) / (1000 * TICKS_PER_MS),
    remark: remarks.filter((remark) => remark !== '').join('; '),
    folder: null,
    hazards: scenario.hazards,
    stuckOn: stuckOn?.on ?? null,
    asExpected: expected === null ? null : unmet.length === 0,
  };
}
