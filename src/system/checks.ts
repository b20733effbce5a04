import { dirname } from 'node:path';
import { confidentialGuest } from '../image/confidential.js';
import { ShootdownError } from '../pci/error.js';
import { bootVersions, runningAndNewest } from './installed-kernels.js';
import { initrdToLoad } from './kdump.js';
import { readKdumpSettings } from './kdump-settings.js';
import { hookImages } from './parts.js';
import { PLACES_OF } from './places.js';
import { runningRelease } from './running-release.js';
import { type Generator, type Hook, type Install, kernelFiles, type Part } from './state.js';
import { hasProgram, readTextOf, realPath, type System } from './system.js';

/** Throws `refused`, `unsupported` or `not-found` with what is missing and what to do: before anything is changed. */
export function checkInstallable(system: System, part: Part, install: Install): void {
  if (system.live && system.exists('/proc/vmcore'))
    throw new ShootdownError(
      'refused',
      'this is a capture kernel: install on the system it saves the dump of',
    );
  if (part === 'hook') {
    const { hook } = install.parts;
    if (!hook) return;
    if (hook.when === 'crash') checkKdump(system);
    if (!system.live) return;
    if (hook.when === 'crash') checkLoadedImage(system, hook);
    checkHookRoom(system, hook);
    return;
  }
  if (part === 'kdump') {
    checkKdump(system);
    checkLastLine(system);
  } else if (!hasProgram(system, 'kexec'))
    throw new ShootdownError(
      'not-found',
      'kexec-tools is not installed: apt install kexec-tools, then again',
    );
  checkStubRuns(system);
  checkSignature(system, part, install);
  checkRoom(system);
}

/**
 * What makes the initramfs that the hook goes into. The one of kdump-tools is made by initramfs-tools wherever that is
 * there, also beside dracut. Throws `not-found` if there is neither.
 */
export function generatorFor(system: System, when: 'crash' | 'always'): Generator {
  const has = (name: string) => hasProgram(system, name);
  if (has(when === 'crash' ? 'mkinitramfs' : 'update-initramfs')) return 'initramfs-tools';
  if (has('dracut')) return 'dracut';
  if (has('mkinitramfs')) return 'initramfs-tools';
  throw new ShootdownError(
    'not-found',
    'neither initramfs-tools nor dracut is installed: the hook has no initramfs to go into',
  );
}

/** Why unsigned kernels cannot be loaded; `undefined` if they can. */
export function signatureNeeded(system: Pick<System, 'read'>): string | undefined {
  // Four bytes of attributes, then the value.
  if (system.read(PLACES_OF.secureBoot)?.[4] === 1) return 'Secure Boot is on';
  const lockdown = readTextOf(system, PLACES_OF.lockdown);
  const mode = /\[(\w+)\]/.exec(lockdown ?? '')?.[1];
  return mode === undefined || mode === 'none' ? undefined : `the kernel is locked down (${mode})`;
}

/** Ours is added behind it, and must not become a part of it. */
function checkLastLine(system: System): void {
  const { continued } = readKdumpSettings(system);
  if (!continued) return;
  const message = `${PLACES_OF.kdumpDefaults} ends in a backslash, which would make the line of shootdown part of its last one: take it out`;
  throw new ShootdownError('refused', message);
}

function checkKdump(system: System): void {
  if (!hasProgram(system, 'kdump-config') || !system.exists(PLACES_OF.kdumpDefaults))
    throw new ShootdownError(
      'not-found',
      'kdump-tools is not installed: apt install kdump-tools, then again',
    );
  if (!system.live) return;
  const cmdline = readTextOf(system, PLACES_OF.cmdline) ?? '';
  if (!/(^|\s)crashkernel=/.test(cmdline))
    throw new ShootdownError(
      'refused',
      'no crashkernel= on the kernel command line: kdump-tools has put it into the configuration of GRUB, so reboot, then again (cat /proc/cmdline)',
    );
  if (readTextOf(system, PLACES_OF.crashSize)?.trim() === '0')
    throw new ShootdownError(
      'refused',
      'the kernel reserved no memory for crashkernel=: ask for less or more of it in /etc/default/grub.d/kdump-tools.cfg, update-grub, reboot',
    );
}

/** The hook works in the capture kernel only if it is in the initramfs that kdump loads. */
function checkLoadedImage(system: System, hook: Hook): void {
  const running = runningRelease(system);
  const image = initrdToLoad(system, running);
  const ours = hookImages(system, hook, running);
  if (image === undefined || (image !== null && ours.includes(image))) return;
  const loads = image ?? `no initramfs (KDUMP_INITRD is empty in ${PLACES_OF.kdumpDefaults})`;
  throw new ShootdownError(
    'refused',
    `kdump loads ${loads}, and the hook goes into ${ours.join(', ')}: ${loadsOtherAdvice(hook, image)}`,
  );
}

/** How to have kdump load what the hook goes into, instead of this initramfs or of none. */
export function loadsOtherAdvice({ generator, when }: Hook, image: string | null): string {
  if (generator === 'dracut')
    return `leave KDUMP_KERNEL and KDUMP_INITRD empty in ${PLACES_OF.kdumpDefaults}`;
  const [kernel, initrd] = [`${PLACES_OF.kdumpState}/vmlinuz`, `${PLACES_OF.kdumpState}/initrd.img`];
  const settings = `set KDUMP_KERNEL=${kernel} and KDUMP_INITRD=${initrd} in ${PLACES_OF.kdumpDefaults}`;
  return when === 'always' || image === null
    ? settings
    : `${settings}; or shootdown install hook --when always`;
}

/** An initramfs is made anew beside the old one, which is needed if that fails. */
function checkHookRoom(system: System, hook: Hook): void {
  const images = runningAndNewest(system).flatMap((version) => hookImages(system, hook, version));
  for (const image of images.filter((path) => system.exists(path))) {
    const folder = dirname(image);
    const free = system.freeBytes(folder);
    const needed = sizeOf(system, image) + (16 << 20);
    if (free !== undefined && free < needed)
      throw new ShootdownError(
        'refused',
        `${folder} has ${mib(free)} MiB left, and making ${image} anew needs ${mib(needed)} MiB: free some, or remove old kernels`,
      );
  }
}

function checkStubRuns(system: System): void {
  const guest = system.live ? confidentialGuest(readTextOf(system, PLACES_OF.cpuinfo) ?? '') : undefined;
  if (guest === undefined) return;
  throw new ShootdownError(
    'unsupported',
    `this machine is an ${guest} guest, where nothing can run between the kernels: shootdown install hook works here`,
  );
}

function checkSignature(system: System, part: Part, { sign }: Install): void {
  if (sign) {
    for (const path of [sign.key, sign.cert])
      if (!system.exists(path)) throw new ShootdownError('not-found', `${path}: no such file`);
    if (system.live && !hasProgram(system, 'sbsign'))
      throw new ShootdownError('not-found', 'sbsign is not installed: apt install sbsigntool, then again');
    return;
  }
  const why = system.live ? signatureNeeded(system) : undefined;
  if (why === undefined) return;
  const other =
    part === 'kdump'
      ? '; or keep the signed kernel: shootdown install hook'
      : '; or shootdown apply before a jump';
  throw new ShootdownError(
    'refused',
    `${why}, and a wrapped kernel needs a signature: give --sign-key and --sign-cert${other}`,
  );
}

/** A wrapped kernel is as large as its original; no disk is filled to the brim. */
function checkRoom(system: System): void {
  const needed = bootVersions(system)
    .map(kernelFiles)
    .filter(({ wrapped }) => !system.exists(wrapped))
    .reduce((sum, { original }) => sum + sizeOf(system, original) + (1 << 20), 0);
  const free = system.freeBytes('/var/lib');
  if (free === undefined || free >= needed) return;
  throw new ShootdownError(
    'refused',
    `/var/lib has ${mib(free)} MiB left, and the wrapped kernels need ${mib(needed)}: free some, or remove old kernels`,
  );
}

const mib = (bytes: number) => Math.ceil(bytes / (1 << 20));

function sizeOf(system: System, path: string): number {
  return system.entry(realPath(system, path))?.size ?? 0;
}
