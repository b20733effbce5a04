import { describe, expect, it } from 'vitest';
import { ShootdownError } from '../pci/error.js';
import { GuestError } from './guest-error.js';
import { type MatrixCell, type RunCell, runMatrix } from './matrix.js';
import { SCENARIOS, scenarioNamed } from './scenarios.js';
import type { LabVerdict } from './verdict.js';

function cell(scenario: string, policy: MatrixCell['policy']): MatrixCell {
  return { scenario: scenarioNamed(scenario), series: '6.1', policy };
}

const CELLS = [
  cell('normal-edu', 'none'),
  cell('normal-edu', 'ours'),
  cell('crash-e1000', 'ours'),
  cell('crash-e1000', 'none'),
];

/** As much of a verdict as a row takes. */
function verdict(landed: number): LabVerdict {
  const stray = { of: 'frames', sent: 100, landed, first: null, aliveBefore: true };
  const next = { up: true, ended: null, toReadyS: 6.5 };
  return {
    outcome: landed > 0 ? 'stray' : 'clean',
    stray,
    next,
    console: [],
    apply: null,
    folder: '/x',
  } as unknown as LabVerdict;
}

const going = { jobs: 2, signal: new AbortController().signal };

describe('a matrix', () => {
  it('has its rows in the order of the cells, and says what cannot be run', async () => {
    const lacking = {
      ...cell('normal-e1000', 'ours'),
      unsupported: 'unsupported: Linux x has no module e1000',
    };
    const cells = [...CELLS, lacking];
    const { rows } = await runMatrix(cells, async ({ policy }) => verdict(policy === 'none' ? 97 : 0), going);
    expect(rows.at(-1)?.remark).toBe('Linux x has no module e1000');
    expect(
      rows.map(({ scenario, policy, outcome, stray }) => [scenario, policy, outcome, stray?.landed]),
    ).toEqual([
      ['normal-edu', 'none', 'stray', 97],
      ['normal-edu', 'ours', 'clean', 0],
      ['crash-e1000', 'ours', 'clean', 0],
      ['crash-e1000', 'none', 'stray', 97],
      ['normal-e1000', 'ours', 'unsupported', undefined],
    ]);
  });

  it('keeps apart what went wrong and what the console said', async () => {
    const run: RunCell = async () => {
      throw new GuestError('timeout', 'the guest hangs', 'one / two');
    };
    const { rows } = await runMatrix(CELLS, run, { ...going, jobs: 1 });
    expect(rows[0]).toMatchObject({ outcome: 'failed', remark: 'the guest hangs', tail: 'one / two' });
  });

  it('goes on after a run that failed', async () => {
    let runs = 0;
    const run: RunCell = async (_cell, at) => {
      runs++;
      at(`/runs/${runs}`);
      if (runs === 1) throw new ShootdownError('timeout', 'the guest hangs');
      return verdict(0);
    };
    const { rows } = await runMatrix(CELLS, run, { ...going, jobs: 1 });
    expect(rows[0]).toMatchObject({
      outcome: 'failed',
      remark: 'the guest hangs',
      tail: null,
      folder: '/runs/1',
    });
    expect(rows[1]).toMatchObject({ outcome: 'clean' });
  });

  it('ends when it is told to, and has what is there by then', async () => {
    const stop = new AbortController();
    let runs = 0;
    const run: RunCell = async () => {
      runs++;
      if (runs === 1) return verdict(97);
      stop.abort();
      throw new ShootdownError('refused', 'stopped');
    };
    const { rows, interrupted } = await runMatrix(CELLS, run, { jobs: 1, signal: stop.signal });
    expect(interrupted).toBe(true);
    expect(rows.map(({ scenario, outcome }) => [scenario, outcome])).toEqual([['normal-edu', 'stray']]);
    expect(runs).toBe(2);
  });
});

describe('the scenarios', () => {
  it('have names of their own that say how they jump', () => {
    const names = SCENARIOS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, jump } of SCENARIOS)
      if (name !== 'apply-restore') expect(name).toMatch(new RegExp(`^${jump}-`));
  });
});
