import { ShootdownError } from '../pci/error.js';
import { attempt } from './attempt.js';
import type { CommandLine } from './change.js';
import { PLACES_OF } from './places.js';
import { kdumpInitrd } from './state.js';
import { programPath, type RunResult, type System } from './system.js';

/** An initramfs takes minutes on a slow machine. */
const COMMAND_MS = 900_000;

/** Runs a program to its end. Throws `io` with what it said if its status is neither 0 nor one of `fine`. */
export async function runOrThrow(
  system: System,
  { command, args }: CommandLine,
  fine: readonly number[] = [],
): Promise<RunResult> {
  const run = () => system.run(command, args, { timeoutMs: COMMAND_MS });
  const line = [command, ...args].join(' ');
  const result = await (command === PLACES_OF.kdumpHook
    ? keepingInitrd(system, args[0] ?? '', line, run)
    : run());
  if (result.status === 0 || fine.includes(result.status)) return result;
  throw new ShootdownError('io', `${line}: ${failureText(result)}`);
}

/** Whether there is such a program. Status 127 is no proof that there is none: a script that lacks one ends so, too. */
export function isProgram(system: Pick<System, 'exists'>, { command }: CommandLine): boolean {
  return command.startsWith('/') ? system.exists(command) : programPath(system, command) !== undefined;
}

/** Why a program failed: the end of what it said. */
export function failureText(result: RunResult): string {
  const said = saidBy(result);
  if (result.status === 127 && (said === '' || /^spawn .* ENOENT$/.test(said))) return 'it is not installed';
  return said === '' ? `status ${result.status}` : said;
}

/** The end of what a program said, in one line; empty if it said nothing. */
export function saidBy({ stdout, stderr }: RunResult): string {
  const text = stderr.trim() === '' ? stdout : stderr;
  return text.trim().split('\n').slice(-3).join('; ');
}

/** kdump-tools removes an initrd before it makes it anew; if that fails, the one of before is put back. */
async function keepingInitrd(
  system: System,
  version: string,
  line: string,
  run: () => Promise<RunResult>,
): Promise<RunResult> {
  const initrd = kdumpInitrd(version);
  const aside = `${PLACES_OF.kdumpState}/.initrd.img-${version}.shootdown`;
  const isKept = attempt(() => setAside(system, initrd, aside)) === true;
  const result = await run();
  if (!isKept) return result;
  const isLost = !system.exists(initrd);
  if (result.status !== 0 || isLost) {
    system.rename(aside, initrd);
    if (result.status === 0) throw new ShootdownError('io', `${line}: it made no ${initrd}`);
    return result;
  }
  attempt(() => system.remove(aside));
  return result;
}

/** Without a second copy, since there may be no room for one. Where it cannot be done the program runs as it would. */
function setAside(system: System, path: string, aside: string): boolean {
  // One that ended half-way has left the only one there is.
  if (!system.exists(path) && system.exists(aside)) system.rename(aside, path);
  system.remove(aside);
  if (system.exists(path)) system.hardLink(path, aside);
  return system.exists(aside);
}
