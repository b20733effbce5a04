import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { systemClock } from '../host/clock.js';
import { removeOldRuns, runName } from '../lab/old-runs.js';
import type { RunOptions } from '../lab/run.js';
import { RunFolder } from '../lab/run-folder.js';
import { Store } from '../lab/store.js';
import type { Io } from './io.js';

export interface LabOptions {
  readonly offline?: boolean;
  readonly accel?: 'tcg' | 'kvm';
  readonly keep?: boolean;
}

/** Bytes that mark one run's frames. */
const SEED_BYTES = 12;
/** Tells apart the folders of runs that start in the same second. */
const MARK_BYTES = 3;

export function accelOption(): Option {
  return new Option('--accel <name>', 'how QEMU runs the guest; kvm needs /dev/kvm')
    .choices(['tcg', 'kvm'])
    .default('tcg');
}

/** Where packages, kernels and runs are kept. */
export function labFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] ?? '.', '.cache'), 'shootdown', 'lab');
}

export function openStore(options: LabOptions, io: Io): Store {
  return new Store({
    folder: labFolder(io.env),
    clock: systemClock,
    offline: options.offline ?? false,
    progress: io.progress,
    signal: io.signal,
  });
}

/** What every run is given that only a command may take from its surroundings. */
export function runSurroundings(io: Io): Pick<RunOptions, 'clock' | 'seed' | 'shootdown' | 'signal'> {
  return {
    clock: systemClock,
    seed: randomBytes(SEED_BYTES),
    // This file ends up in the bundle: guests get the very command that runs here.
    shootdown: { node: process.execPath, bundle: fileURLToPath(import.meta.url) },
    signal: io.signal,
  };
}

/** A new folder for one run, called after the time, the run and this process. Of the older ones only the last are kept. */
export function newRunFolder(store: Store, name: string, keep: boolean): RunFolder {
  const runs = store.path('runs');
  if (!keep) removeOldRuns(runs);
  const mark = randomBytes(MARK_BYTES).toString('hex');
  return new RunFolder(join(runs, runName({ time: new Date(), name, pid: process.pid, mark })));
}
