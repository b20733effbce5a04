import { spawn } from 'node:child_process';
import { ShootdownError } from '../pci/error.js';

export interface CommandOptions {
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  /** Until it is killed. Default 300000. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 300_000;
const FROM_DEBIAN =
  "the lab takes its kernels from Debian's packages: run lab prepare on Debian; what it leaves in ~/.cache/shootdown/lab works elsewhere with --offline";

/** What to do about a program that is not there. */
const ADVICE: Readonly<Record<string, string>> = {
  'apt-cache': FROM_DEBIAN,
  'apt-get': FROM_DEBIAN,
  'dpkg-deb': 'install the package dpkg',
};

/**
 * Runs a program of this machine to its end and gives what it printed; bytes, since some of it is binary. Rejects
 * with `not-found` if there is no such program, with `timeout` if it does not end, with `io` and the end of what it
 * said if it failed.
 */
export async function command(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Buffer> {
  const { cwd, signal, timeoutMs = TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
      timeout: timeoutMs,
      // It is not asked twice: what it was making lies in a temporary folder.
      killSignal: 'SIGKILL',
      ...(cwd === undefined ? {} : { cwd }),
      ...(signal === undefined ? {} : { signal }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
    child.on('error', (cause: NodeJS.ErrnoException) => {
      if (signal?.aborted) reject(new ShootdownError('refused', `${program}: stopped`, { cause }));
      else reject(notStarted(program, cause));
    });
    child.on('exit', () => {
      if (!child.killed || signal?.aborted) return;
      // Its own children may hold the pipes open for as long as they like.
      child.stdout.destroy();
      child.stderr.destroy();
      const message = `${program} ${args.join(' ')}: not done within ${timeoutMs / 1000} s`;
      reject(new ShootdownError('timeout', message));
    });
    child.on('close', (status, endedBy) => {
      if (status === 0) {
        resolve(Buffer.concat(out));
        return;
      }
      const said = Buffer.concat(err).toString('utf8').trim().split('\n').slice(-3).join('; ');
      const how = endedBy === null ? `status ${status}` : endedBy;
      const message = `${program} ${args.join(' ')}: ${said === '' ? how : said}`;
      reject(new ShootdownError('io', message));
    });
  });
}

function notStarted(program: string, cause: NodeJS.ErrnoException): ShootdownError {
  if (cause.code !== 'ENOENT') return new ShootdownError('io', `${program}: ${cause.message}`, { cause });
  const advice = ADVICE[program];
  const message = `${program} is not installed${advice === undefined ? '' : `: ${advice}`}`;
  return new ShootdownError('not-found', message, { cause });
}
