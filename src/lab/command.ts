import { spawn } from 'node:child_process';
import { ShootdownError } from '../pci/error.js';

export interface CommandOptions {
  readonly cwd?: string;
  readonly signal?: AbortSignal;
}

/**
 * Runs a program of this machine to its end and gives what it printed; bytes, since some of it is binary. Rejects
 * with `not-found` if there is no such program, with `io` and the end of what it said if it failed.
 */
export async function command(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
      ...options,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
    child.on('error', (cause: NodeJS.ErrnoException) => {
      if (options.signal?.aborted) reject(new ShootdownError('refused', `${program}: stopped`, { cause }));
      else if (cause.code === 'ENOENT')
        reject(new ShootdownError('not-found', `${program} is not installed`, { cause }));
      else reject(new ShootdownError('io', `${program}: ${cause.message}`, { cause }));
    });
    child.on('close', (status, signal) => {
      if (status === 0) {
        resolve(Buffer.concat(out));
        return;
      }
      const said = Buffer.concat(err).toString('utf8').trim().split('\n').slice(-3).join('; ');
      const how = signal === null ? `status ${status}` : signal;
      const message = `${program} ${args.join(' ')}: ${said === '' ? how : said}`;
      reject(new ShootdownError('io', message));
    });
  });
}
