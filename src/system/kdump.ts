import { failureText } from './change-apply.js';
import { parseKdumpSettings } from './kdump-settings.js';
import type { Refreshed } from './kernels.js';
import { PLACES_OF } from './places.js';
import { kernelFiles } from './state.js';
import { hasProgram, readTextOf, realPath, type System } from './system.js';

/** It may have to make an initramfs first. */
const LOAD_MS = 900_000;

/** What waits for a crash. */
export interface CrashKernel {
  readonly loaded: boolean;
  /** Its file as kdump-tools noted it; `null` where that is not known. */
  readonly kernel: string | null;
}

export function crashKernel(system: Pick<System, 'read'>): CrashKernel {
  const loaded = readTextOf(system, PLACES_OF.crashLoaded)?.trim() === '1';
  const command = loaded ? readTextOf(system, kexecCommandPath(system))?.trim() : undefined;
  return { loaded, kernel: command?.split(/\s+/).at(-1) || null };
}

/** Where kdump-tools notes how it loaded the kernel: beside the dumps. */
function kexecCommandPath(system: Pick<System, 'read'>): string {
  return `${settingsOf(system).coredir}/kexec_cmd`;
}

function settingsOf(system: Pick<System, 'read'>) {
  return parseKdumpSettings(readTextOf(system, PLACES_OF.kdumpDefaults) ?? '');
}

const LINKS = { kernel: `${PLACES_OF.kdumpState}/vmlinuz`, initrd: `${PLACES_OF.kdumpState}/initrd.img` };

/**
 * What kdump-tools loads next beside the running kernel, links of its own followed to what it will make of them;
 * `undefined` where a script in its settings computes it.
 */
export function initrdToLoad(
  system: Pick<System, 'read' | 'root' | 'locate'>,
  running: string,
): string | undefined {
  const { kernel, initrd } = settingsOf(system);
  if (isComputed(initrd) && kernel !== '') return undefined;
  // Told of no kernel, it takes both from /boot.
  if (kernel === '') return `${PLACES_OF.boot}/initrd.img-${running}`;
  return initrdOf(system, initrd === '' ? LINKS.initrd : initrd, running);
}

/** What is loaded beside the kernel that waits for a crash; `undefined` where kdump-tools noted none. */
export function loadedInitrd(
  system: Pick<System, 'read' | 'root' | 'locate'>,
  running: string,
): string | undefined {
  const command = readTextOf(system, kexecCommandPath(system)) ?? '';
  const path = /\s--initrd=["']?([^\s"']+)/.exec(command)?.[1];
  return path === undefined ? undefined : initrdOf(system, path, running);
}

const isComputed = (value: string) => /[$`]/.test(value);

function initrdOf(system: Pick<System, 'root' | 'locate'>, path: string, running: string): string {
  if (path === LINKS.initrd) return `${LINKS.initrd}-${running}`;
  return path.startsWith('/') ? realPath(system, path) : path;
}

/**
 * After a refresh: has kdump-tools load the running kernel anew where its wrapped twin changed under what waits for a
 * crash. `undefined` where there was no need.
 */
export async function reloadChanged(
  system: System,
  refreshed: readonly Refreshed[],
): Promise<{ readonly loaded: string; readonly problems: readonly string[] } | undefined> {
  const running = readTextOf(system, PLACES_OF.release)?.trim();
  const changed = refreshed.some(({ version, status }) => version === running && status === 'wrapped');
  const loadsOurs = settingsOf(system).lib !== null;
  if (!changed || !loadsOurs || !crashKernel(system).loaded || !kdumpIsOn(system)) return undefined;
  const { now, problems } = await reloadKdump(system);
  return { loaded: crashKernelText(now), problems };
}

/** What of the kernel and initrd that would be loaded is not there; `undefined` if nothing is missing. */
function missingToLoad(system: System): string | undefined {
  const running = readTextOf(system, PLACES_OF.release)?.trim() ?? '';
  const { kernel } = settingsOf(system);
  const { original } = kernelFiles(running);
  const byHand = kernel !== '' && kernel !== LINKS.kernel;
  // Else it is made anew for the kernel that runs, and so is the initrd.
  const kernels = byHand ? [kernel] : [original, original.replace('vmlinuz-', 'vmlinux-')];
  if (!isComputed(kernel) && !kernels.some((path) => system.exists(path))) return kernels[0];
  const initrd = initrdToLoad(system, running);
  return initrd === undefined || system.exists(initrd) ? undefined : initrd;
}

/** In words, for people. */
export function crashKernelText({ loaded, kernel }: CrashKernel): string {
  if (!loaded) return 'no kernel is loaded for a crash: no dump would be saved';
  return `loaded for a crash: ${kernel ?? 'a kernel (kdump-config show)'}`;
}

/** kdump-tools is installed and not switched off. */
export function kdumpIsOn(system: Pick<System, 'read' | 'exists'>): boolean {
  if (!hasProgram(system, 'kdump-config')) return false;
  const settings = readTextOf(system, PLACES_OF.kdumpDefaults) ?? '';
  const value = [...settings.matchAll(/^[ \t]*USE_KDUMP=["']?(\w*)/gm)].at(-1)?.[1];
  return value !== undefined && value !== '0' && value !== '';
}

/**
 * Has kdump-tools load its kernel anew, and the plain one if that fails. What is loaded is let go only where what is to
 * be loaded is there. Returns what is loaded now, and what went wrong in one line each.
 */
export async function reloadKdump(
  system: System,
): Promise<{ readonly now: CrashKernel; readonly problems: readonly string[] }> {
  const missing = missingToLoad(system);
  if (missing !== undefined && crashKernel(system).loaded) {
    const version = missing.startsWith(LINKS.initrd) ? missing.slice(LINKS.initrd.length + 1) : '';
    const mend = version === '' ? 'mend that' : `${PLACES_OF.kdumpHook} ${version} makes it`;
    const text = `${missing} is missing, so what is loaded for a crash stays`;
    return { now: crashKernel(system), problems: [`${text}: ${mend}, then systemctl restart kdump-tools`] };
  }
  // With nothing loaded it fails, and that is as well.
  await system.run('kdump-config', ['unload'], { timeoutMs: LOAD_MS });
  const result = await system.run('kdump-config', ['load'], { timeoutMs: LOAD_MS });
  if (crashKernel(system).loaded) return { now: crashKernel(system), problems: [] };
  const problems = [`kdump-config load: ${failureText(result)}`];
  const plain = { timeoutMs: LOAD_MS, env: { SHOOTDOWN_PLAIN: '1' } };
  await system.run('kdump-config', ['load'], plain);
  return { now: crashKernel(system), problems };
}
