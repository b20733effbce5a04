import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock as clock } from '../../src/host/clock.js';
import type { GuestParts } from '../../src/lab/initramfs.js';
import { preparedParts } from '../../src/lab/prepare.js';
import type { KexecLoad, LabPolicy } from '../../src/lab/scenario.js';
import { Store } from '../../src/lab/store.js';
import type { LabVerdict } from '../../src/lab/verdict.js';
import { type CliResult, SHOOTDOWN } from './cli.js';

/** False only where somebody allowed that the guests are not run (SHOOTDOWN_ALLOW_MISSING=lab or qemu-system-x86). */
export function labWanted(): boolean {
  const allowed = (process.env['SHOOTDOWN_ALLOW_MISSING'] ?? '').split(/[\s,]+/);
  return !allowed.includes('lab') && !allowed.includes('qemu-system-x86');
}

/** True where guests that take long are wanted, too (SHOOTDOWN_LAB=all); without it those tests are skipped by name. */
export const ALL_GUESTS = process.env['SHOOTDOWN_LAB'] === 'all';

/** What a skipped test says of that in its title. */
export function onlyIfAll(wanted: boolean): string {
  return wanted ? '' : ' (only with SHOOTDOWN_LAB=all)';
}

/** A kernel and the programs for its guests, prepared if they are not yet. */
export async function labParts(series: string): Promise<GuestParts> {
  const prepared = await shootdownAsync(['lab', 'prepare', '--kernel', series, '--json'], {}, RUN_TIMEOUT_MS);
  if (prepared.status !== 0) throw new Error(`lab prepare --kernel ${series}: ${prepared.stderr}`);
  const { folder } = JSON.parse(prepared.stdout) as { folder: string };
  return preparedParts(new Store({ folder, clock, offline: true, progress: () => () => {} }), series);
}

/** Until a command that hangs is interrupted: less than the tests that wait for one are given. */
const COMMAND_TIMEOUT_MS = 170_000;
/** The same for a run. A step of it that hangs is given up by the lab itself, and sooner. */
export const RUN_TIMEOUT_MS = 300_000;
/** For ending in good order. */
const GRACE_MS = 20_000;
const TAIL_LINES = 12;

const running = new Set<ChildProcess>();
let over = false;

/** Ends what is still running, and starts nothing more: for tests that wait for only some of what they have started. */
export async function endCommands(): Promise<void> {
  over = true;
  await Promise.all(
    [...running].map(async (child) => {
      const closed = once(child, 'close');
      child.kill('SIGINT');
      await closed;
    }),
  );
}

/** Runs the bundle without holding up this process: two guests run side by side. Interrupts it after `timeoutMs`. */
export function shootdownAsync(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  timeoutMs = COMMAND_TIMEOUT_MS,
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    if (over) throw new Error('the tests are over');
    const child = spawn(process.execPath, [SHOOTDOWN, ...args], {
      env: { ...process.env, COLUMNS: '100', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const timers = [
      setTimeout(() => {
        stderr += `not done within ${timeoutMs / 1000} s, and interrupted\n`;
        child.kill('SIGINT');
      }, timeoutMs),
      setTimeout(() => child.kill('SIGKILL'), timeoutMs + GRACE_MS),
    ];
    child.on('error', reject);
    child.on('close', (status, signal) => {
      running.delete(child);
      timers.forEach(clearTimeout);
      resolve({ status, signal, stdout, stderr });
    });
  });
}

/** One scenario's verdict; a run that came to none, or hangs, rejects with what it and its guest's console said. */
export async function labRun(
  scenario: string,
  kernel: string,
  policy: LabPolicy,
  load: KexecLoad = 'file',
  timeoutMs = RUN_TIMEOUT_MS,
): Promise<LabVerdict> {
  const args = ['lab', 'run', scenario, '--kernel', kernel, '--policy', policy];
  args.push('--load', load, '--offline', '--json');
  const { status, stdout, stderr } = await shootdownAsync(args, {}, timeoutMs);
  if (status === 0 || status === 2) return JSON.parse(stdout) as LabVerdict;
  throw new Error(`shootdown ${args.join(' ')}: status ${status}: ${stderr}${consoleTail(stderr)}`);
}

/** Of the run whose folder was named on standard error. */
function consoleTail(stderr: string): string {
  const folder = /^run: (.+)$/m.exec(stderr)?.[1];
  if (folder === undefined) return '';
  try {
    const console = readFileSync(join(folder, 'guest_console.txt'), 'latin1').replaceAll('\r', '');
    return `the console's last lines:\n${console.trimEnd().split('\n').slice(-TAIL_LINES).join('\n')}`;
  } catch {
    return 'the guest has said nothing';
  }
}
