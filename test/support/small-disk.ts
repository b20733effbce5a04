import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { CliResult } from './cli.js';

// A disk that is soon full, without filling anybody's: a small tmpfs in a mount namespace that only one command sees.

const SCRIPT = `
mount -t tmpfs -o size="$1" small "$2" || exit 125
folder=$2; shift 2
"$@"; status=$?
[ -z "$(ls -A "$folder")" ] || ls -A "$folder" >&2
exit $status
`;

/** Root may, elsewhere; a user can be root of a namespace of his own, where the system lets him. */
const HOW = process.getuid?.() === 0 ? ['--mount'] : ['--map-root-user', '--mount'];

/**
 * False only where the system lets nobody mount anything and that was allowed (SHOOTDOWN_ALLOW_MISSING=isolation, as for
 * the read-only /sys of root's tests); throws where it was not.
 */
export function haveSmallDisk(): boolean {
  if (spawnSync('unshare', [...HOW, 'mount', '-t', 'tmpfs', 'small', '/mnt']).status === 0) return true;
  if ((process.env['SHOOTDOWN_ALLOW_MISSING'] ?? '').split(/[\s,]+/).includes('isolation')) return false;
  throw new Error(
    'no tmpfs can be mounted for a test (unshare): SHOOTDOWN_ALLOW_MISSING=isolation allows that',
  );
}

/** Runs a command that sees a disk of this size at `folder`. What it leaves there is named at the end of stderr. */
export function onSmallDisk(
  size: string,
  folder: string,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CliResult> {
  mkdirSync(folder, { recursive: true });
  const args = [...HOW, 'sh', '-c', SCRIPT, 'sh', size, folder, ...command];
  const child = spawn('unshare', args, {
    env: { ...process.env, COLUMNS: '100', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}
