import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { removeOldRuns, runName } from './old-runs.js';

const runs = mkdtempSync(join(tmpdir(), 'shootdown-runs-'));
afterAll(() => rmSync(runs, { recursive: true }));

const NO_PROCESS = 999_999_999;
let minutes = 0;

/** A run's folder, a minute later than the last one, with this file in it. */
function run(pid: number, file: string): string {
  const time = new Date(Date.UTC(2026, 10, 23, 0, ++minutes));
  const name = runName({ time, name: 'crash-e1000-6.1-none', pid, mark: 'abc123' });
  mkdirSync(join(runs, name));
  writeFileSync(join(runs, name, file), '');
  return name;
}

it('of the runs with a verdict and of those without, the last are kept; what is under way is left alone', () => {
  const many = (count: number, pid: number, file: string) =>
    Array.from({ length: count }, () => run(pid, file));
  const underWay = many(30, process.pid, 'guest_console.txt');
  const verdicts = many(45, process.pid, 'verdict.json');
  const killed = many(15, NO_PROCESS, 'guest_console.txt');
  const failed = many(15, process.pid, 'failure.txt');
  mkdirSync(join(runs, '20260101T000000-named-by-an-older-version-abcdef'));
  removeOldRuns(runs);
  expect(readdirSync(runs).sort()).toEqual(
    [...underWay, ...verdicts.slice(-40), ...killed.slice(-5), ...failed].sort(),
  );
  expect(verdicts[0]).toBe(`20261123T003100-crash-e1000-6.1-none-${process.pid}-abc123`);
});

it('nothing is to be removed before the first run', () => {
  removeOldRuns(join(runs, 'not', 'there'));
});
