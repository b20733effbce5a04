import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FAILURE_FILE, VERDICT_FILE } from './run-folder.js';

/** Runs that came to a verdict, and runs that came to none: of each, the last are kept. */
const VERDICTS_KEPT = 40;
const FAILURES_KEPT = 20;

/** Name of a run's folder: sorts by time, and says which process writes to it. `mark` is one that no other run has. */
export function runName(what: { time: Date; name: string; pid: number; mark: string }): string {
  const time = what.time.toISOString().replace(/[-:]/g, '').replace(/\..*/, '');
  return `${time}-${what.name}-${what.pid}-${what.mark}`;
}

/** Removes older runs from the folder of them all, and none that may still be written to. */
export function removeOldRuns(runs: string): void {
  const paths = namesIn(runs).map((name) => join(runs, name));
  const has = (path: string, file: string) => existsSync(join(path, file));
  const verdicts = paths.filter((path) => has(path, VERDICT_FILE));
  const failures = paths.filter(
    (path) => !has(path, VERDICT_FILE) && (has(path, FAILURE_FILE) || !isWritten(path)),
  );
  for (const old of [...verdicts.slice(0, -VERDICTS_KEPT), ...failures.slice(0, -FAILURES_KEPT)])
    rmSync(old, { recursive: true, force: true });
}

/** The process that has made it is still there. */
function isWritten(path: string): boolean {
  const pid = /-(\d+)-[0-9a-f]+$/.exec(path)?.[1];
  return pid !== undefined && existsSync(`/proc/${pid}`);
}

/** Oldest first. */
function namesIn(runs: string): readonly string[] {
  try {
    return readdirSync(runs).sort();
  } catch {
    // The first run.
    return [];
  }
}
