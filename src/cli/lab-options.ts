import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../host/clock.js';
import type { RunOptions } from '../lab/run.js';
import { Store } from '../lab/store.js';
import type { Io } from './io.js';

export interface LabOptions {
  readonly offline?: boolean;
  readonly accel?: 'tcg' | 'kvm';
  readonly keep?: boolean;
}

const RUNS_KEPT = 40;
/** Bytes that mark one run's frames. */
const SEED_BYTES = 12;

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

/** A new folder for one run. Names sort by time; of the older ones only the last are kept. */
export function newRunFolder(store: Store, name: string, keep: boolean): string {
  const runs = store.path('runs');
  if (!keep)
    for (const old of endedRuns(runs).slice(0, -RUNS_KEPT)) rmSync(old, { recursive: true, force: true });
  const time = new Date().toISOString().replace(/[-:]/g, '').replace(/\..*/, '');
  return join(runs, `${time}-${name}-${randomBytes(3).toString('hex')}`);
}

/** Those with a verdict, oldest first: a run beside this one may still be writing to its folder. */
function endedRuns(runs: string): string[] {
  let names: string[] = [];
  try {
    names = readdirSync(runs).sort();
  } catch {
    // The first run.
  }
  return names.map((name) => join(runs, name)).filter((path) => existsSync(join(path, 'verdict.json')));
}

/** For an option that counts. */
export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on.');
  return value;
}
