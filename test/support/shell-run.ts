import { spawnSync } from 'node:child_process';
import {
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
const TEMPORARY = realpathSync(tmpdir());

/** The scripts that are installed, as they lie in the project. */
export const INTEGRATIONS = join(import.meta.dirname, '../../integrations');

/** What may stand for /bin/sh in an initramfs, as far as this machine has it. */
export const SHELLS: readonly (readonly string[])[] = [
  ['dash'],
  ['busybox', 'ash'],
  ['bash', '--posix'],
].filter(
  ([command = '']) => spawnSync(command, [command === 'busybox' ? 'true' : '--version']).status !== null,
);

export interface ShellRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ShellOptions {
  readonly shell?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a script as somebody who may write nothing but what lies in `folder`, which must be a temporary one: these
 * scripts are made to write to the PCI devices of the machine that they run on.
 */
export function runScript(
  folder: string,
  script: string,
  args: readonly string[],
  options: ShellOptions = {},
): ShellRun {
  const real = realpathSync(folder);
  if (!real.startsWith(TEMPORARY + sep)) throw new Error(`${folder} is not a temporary folder`);
  const { shell = ['sh'], env = {} } = options;
  const drop = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--bounding-set=-all', '--'];
  if (isRoot) giveAway(real);
  const command = [...(isRoot ? ['setpriv', ...drop] : []), ...shell, script, ...args];
  const run = spawnSync(command[0] ?? '', command.slice(1), {
    cwd: real,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], LC_ALL: 'C', ...env },
    timeout: 60_000,
  });
  if (run.error) throw run.error;
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}

/** Without following links, which could lead out. */
function giveAway(path: string): void {
  lchownSync(path, NOBODY, NOBODY);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) giveAway(below);
    else lchownSync(below, NOBODY, NOBODY);
  }
}

/** A temporary folder for `action`, removed afterwards, also when that is a promise. */
export function withFolder<T>(action: (folder: string) => T): T {
  const folder = mkdtempSync(join(TEMPORARY, 'shootdown-sh-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  let result: T;
  try {
    result = action(folder);
  } catch (error) {
    remove();
    throw error;
  }
  if (result instanceof Promise) return result.finally(remove) as T;
  remove();
  return result;
}

/** Writes files by their paths below a folder; what ends in a newline of a script is made executable by `mode`. */
export function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  mode = 0o644,
): void {
  for (const [path, content] of Object.entries(files)) {
    const full = join(folder, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content, { mode });
  }
}

/** Programs that stand before the real ones in PATH: name to the text of a script. */
export function stubs(folder: string, programs: Readonly<Record<string, string>>): { PATH: string } {
  const files = Object.entries(programs).map(([name, text]) => [`stubs/${name}`, `#!/bin/sh\n${text}\n`]);
  writeFiles(folder, Object.fromEntries(files), 0o755);
  return { PATH: `${join(folder, 'stubs')}:${process.env['PATH']}` };
}
