import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const SHOOTDOWN = fileURLToPath(new URL('../../dist/shootdown.mjs', import.meta.url));

export interface CliResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the bundle to its end. */
export function shootdown(args: readonly string[], env: NodeJS.ProcessEnv = {}): CliResult {
  return run(process.execPath, [SHOOTDOWN, ...args], env);
}

export function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): CliResult {
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, COLUMNS: '100', ...env },
    maxBuffer: 256 * 1024 * 1024,
    timeout: 120_000,
  });
  return { status, signal, stdout, stderr };
}

/** True if `command` is there. If it is not and nobody allowed that (SHOOTDOWN_ALLOW_MISSING), throws. */
export function hasCommand(command: string, pkg: string): boolean {
  if (spawnSync('which', [command]).status === 0) return true;
  if ((process.env['SHOOTDOWN_ALLOW_MISSING'] ?? '').split(/[\s,]+/).includes(pkg)) return false;
  throw new Error(`${command} is missing: install ${pkg}, or allow that with SHOOTDOWN_ALLOW_MISSING=${pkg}`);
}
