import { attemptAsync } from './attempt.js';
import { readKdumpSettings } from './kdump-settings.js';
import { PLACES_OF } from './places.js';
import { failureText, runOrThrow } from './run-command.js';
import { runningRelease } from './running-release.js';
import { kernelFiles, readInstall } from './state.js';
import { hasProgram, isNewer, programPath, readTextOf, realPath, type System } from './system.js';

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
export function kexecCommandPath(system: Pick<System, 'read'>): string {
  return `${readKdumpSettings(system).coredir}/kexec_cmd`;
}

const LINKS = { kernel: `${PLACES_OF.kdumpState}/vmlinuz`, initrd: `${PLACES_OF.kdumpState}/initrd.img` };

/**
 * What kdump-tools loads next beside the running kernel, links of its own followed to what it will make of them; `null`
 * where it is told of a kernel and of no initrd, for which it looks for none; `undefined` where a script in its settings
 * computes it. As `locate_kdump_kernel` and `kdump_load` in kdump-config 1.8.1.
 */
export function initrdToLoad(
  system: Pick<System, 'read' | 'root' | 'locate'>,
  running: string,
): string | null | undefined {
  const { kernel, initrd } = readKdumpSettings(system);
  // Told of no kernel, it takes both from /boot.
  if (kernel === '') return `${PLACES_OF.boot}/initrd.img-${running}`;
  if (isComputed(initrd) || (initrd === '' && isComputed(kernel))) return undefined;
  return initrd === '' ? null : initrdOf(system, initrd, running);
}

/**
 * What is loaded beside the kernel that waits for a crash; `null` where that was loaded alone, `undefined` where
 * kdump-tools noted nothing.
 */
export function loadedInitrd(
  system: Pick<System, 'read' | 'root' | 'locate'>,
  running: string,
): string | null | undefined {
  const command = readTextOf(system, kexecCommandPath(system))?.trim() ?? '';
  if (command === '') return undefined;
  const path = /\s--(?:initrd|ramdisk)[=\s]["']?([^\s"']+)/.exec(command)?.[1];
  return path === undefined ? null : initrdOf(system, path, running);
}

const isComputed = (value: string) => /[$`]/.test(value);

function initrdOf(system: Pick<System, 'root' | 'locate'>, path: string, running: string): string {
  if (path === LINKS.initrd) return `${LINKS.initrd}-${running}`;
  return path.startsWith('/') ? realPath(system, path) : path;
}

/**
 * The wrapped kernel that our line has kdump-tools load now, by its own script, which only reads; `undefined` where it
 * names none: then the plain one is loaded.
 */
export async function wrappedToLoad(system: System): Promise<string | undefined> {
  const { lib } = readKdumpSettings(system);
  if (lib === null) return undefined;
  const options = { timeoutMs: 20_000, env: { SHOOTDOWN_PLAIN: '0' } };
  const { status, stdout } = await system.run(`${lib}/kdump-kernel`, [], options);
  return status === 0 ? /^KDUMP_KERNEL=(.+)$/m.exec(stdout)?.[1] : undefined;
}

/**
 * Has kdump-tools load its kernel anew where what waits for a crash is not, or not any more, what it would load, or where
 * nothing does and a part of the installation is of no use without. `undefined` where there was no need.
 */
export async function reloadIfBehind(
  system: System,
): Promise<{ readonly loaded: string; readonly problems: readonly string[] } | undefined> {
  if (!kdumpIsOn(system)) return undefined;
  const { loaded } = crashKernel(system);
  if (loaded ? !(await isBehind(system)) : !needsCrashKernel(system)) return undefined;
  const hindrance = loaded ? undefined : await whyNotStarted(system);
  if (hindrance !== undefined) return { loaded: crashKernelText(crashKernel(system)), problems: [hindrance] };
  const { now, problems } = await reloadKdump(system);
  return { loaded: crashKernelText(now), problems };
}

/** A hook that works in every kernel needs none that waits for a crash. */
function needsCrashKernel(system: Pick<System, 'read'>): boolean {
  const { kdump, hook } = readInstall(system)?.parts ?? {};
  return kdump !== undefined || hook?.when === 'crash';
}

/**
 * Why nothing is loaded by us where nothing is: kdump-tools.service is about to do it, or somebody stopped or disabled it,
 * which nobody undoes behind their back. Once started it is active whatever became of the loading.
 */
async function whyNotStarted(system: System): Promise<string | undefined> {
  const { stdout } = await system.run('systemctl', ['is-active', KDUMP_UNIT], { timeoutMs: 20_000 });
  const none = `no kernel is loaded for a crash, and ${KDUMP_UNIT}`;
  switch (stdout.trim()) {
    case 'inactive':
      return `${none} is not started: systemctl start kdump-tools`;
    case 'activating':
    case 'reloading':
    case 'deactivating':
      return `${none} is just being started or stopped: shootdown doctor says what came of it`;
    default:
      return undefined;
  }
}

const KDUMP_UNIT = 'kdump-tools.service';

/** Where our line names no kernel, one of ours that is loaded already is left: it is worth more than the plain one. */
async function isBehind(system: System): Promise<boolean> {
  const wrapped = await wrappedToLoad(system);
  if (wrapped !== undefined && crashKernel(system).kernel !== wrapped) return true;
  const initrd = initrdToLoad(system, runningRelease(system));
  const noted = kexecCommandPath(system);
  const isNew = (path: string) => isNewer(system, path, noted);
  return [wrapped, initrd].some((path) => path && isNew(path)) || initrdToMake(system) !== undefined;
}

const SYSCTLS = '/etc/kdump/sysctl.conf';
/** Those that its initrd was made with. */
const sysctlsOf = (release: string) => `${PLACES_OF.kdumpState}/latest_sysctls-${release}`;

/**
 * The release whose initrd kdump-tools would make before it loads it: it is missing, or was made with other sysctls.
 * `undefined` where it finds it as it wants it, and where nothing that is done first would help (`remakesAlways`). As
 * `check_sysctl_change` and `kdump_create_symlinks` in kdump-config 1.8.1, which look at no other settings.
 */
export function initrdToMake(system: Pick<System, 'read' | 'exists'>): string | undefined {
  const release = runningRelease(system);
  if (!makesInitrds(system, release)) return undefined;
  const now = system.read(SYSCTLS);
  const changed = now !== undefined && !system.read(sysctlsOf(release))?.equals(now);
  return changed || !system.exists(`${LINKS.initrd}-${release}`) ? release : undefined;
}

function makesInitrds(system: Pick<System, 'exists'>, release: string): boolean {
  // The script that makes it leaves at once where initramfs-tools is not there.
  if (!system.exists(PLACES_OF.kdumpHook) || !hasProgram(system, 'mkinitramfs')) return false;
  const { original } = kernelFiles(release);
  return system.exists(original) || system.exists(uncompressed(original));
}

/**
 * Without that file `check_sysctl_change` takes its initrd for outdated at each load: it is removed and, where that can be
 * done, made anew, with nothing loaded. Older versions have neither.
 */
function remakesAlways(system: System): boolean {
  if (system.exists(SYSCTLS)) return false;
  const script = programPath(system, 'kdump-config');
  if (script === undefined || !readTextOf(system, script)?.includes('check_sysctl_change')) return false;
  const release = runningRelease(system);
  return makesInitrds(system, release) || initrdToLoad(system, release) === `${LINKS.initrd}-${release}`;
}

const uncompressed = (original: string) => original.replace('vmlinuz-', 'vmlinux-');

/**
 * Makes what kdump-tools would make between letting one kernel go and loading the next: an initrd takes minutes. Throws
 * `io`; then the old one is still there.
 */
async function makeInitrdFirst(system: System): Promise<void> {
  const release = initrdToMake(system);
  if (release === undefined) return;
  await runOrThrow(system, { command: PLACES_OF.kdumpHook, args: [release] });
  const sysctls = system.read(SYSCTLS);
  if (sysctls) system.write(sysctlsOf(release), sysctls, 0o644);
}

/** What of the kernel and initrd that would be loaded is not there; `undefined` if nothing is missing. */
function missingToLoad(system: System): string | undefined {
  const running = runningRelease(system);
  const { kernel } = readKdumpSettings(system);
  const { original } = kernelFiles(running);
  const byHand = kernel !== '' && kernel !== LINKS.kernel;
  // Else it is made anew for the kernel that runs, and so is the initrd.
  const kernels = byHand ? [kernel] : [original, uncompressed(original)];
  if (!isComputed(kernel) && !kernels.some((path) => system.exists(path))) return kernels[0];
  const initrd = initrdToLoad(system, running);
  return !initrd || system.exists(initrd) ? undefined : initrd;
}

/** In words, for people. */
export function crashKernelText({ loaded, kernel }: CrashKernel): string {
  if (!loaded) return 'no kernel is loaded for a crash: no dump would be saved';
  return `loaded for a crash: ${kernel ?? 'a kernel (kdump-config show)'}`;
}

/** kdump-tools is installed and not switched off. */
export function kdumpIsOn(system: Pick<System, 'read' | 'exists'>): boolean {
  return hasProgram(system, 'kdump-config') && readKdumpSettings(system).on;
}

/**
 * Has kdump-tools load its kernel anew, and the plain one if that fails. What is loaded is let go last: once its initrd is
 * made and all that is to be loaded is there. From then on no kernel waits for a crash until the next is loaded, for
 * about as long as `kdump-config load` takes: it refuses to load over one, and Linux itself frees the old one first.
 * Returns what is loaded now, and what went wrong in one line each.
 */
export async function reloadKdump(
  system: System,
): Promise<{ readonly now: CrashKernel; readonly problems: readonly string[] }> {
  const wasLoaded = crashKernel(system).loaded;
  const hindrance = wasLoaded ? await whyNotLetGo(system) : undefined;
  if (hindrance !== undefined) return { now: crashKernel(system), problems: [hindrance] };
  const unloaded = await system.run('kdump-config', ['unload'], { timeoutMs: LOAD_MS });
  // With nothing loaded it fails, and that is as well.
  if (wasLoaded && crashKernel(system).loaded) {
    const text = `kdump-config unload: ${failureText(unloaded)}; what is loaded for a crash stays`;
    return { now: crashKernel(system), problems: [text] };
  }
  const result = await system.run('kdump-config', ['load'], { timeoutMs: LOAD_MS });
  if (crashKernel(system).loaded) return { now: crashKernel(system), problems: [] };
  const problems = [`kdump-config load: ${failureText(result)}`];
  const plain = { timeoutMs: LOAD_MS, env: { SHOOTDOWN_PLAIN: '1' } };
  await system.run('kdump-config', ['load'], plain);
  return { now: crashKernel(system), problems };
}

/** In one line; `undefined` if the next kernel can be loaded right after. */
async function whyNotLetGo(system: System): Promise<string | undefined> {
  if (remakesAlways(system))
    return `${SYSCTLS} is missing, without which kdump-config makes its initramfs anew at each load, so what is loaded for a crash stays: put it back (it may be empty), then shootdown refresh --reload`;
  const failed = await attemptAsync(() => makeInitrdFirst(system));
  if (failed) return `${failed.message}; what is loaded for a crash stays`;
  const missing = missingToLoad(system);
  if (missing === undefined) return undefined;
  const version = missing.startsWith(LINKS.initrd) ? missing.slice(LINKS.initrd.length + 1) : '';
  const mend = version === '' ? 'mend that' : `${PLACES_OF.kdumpHook} ${version} makes it`;
  return `${missing} is missing, so what is loaded for a crash stays: ${mend}, then systemctl restart kdump-tools`;
}
