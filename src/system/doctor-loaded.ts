import { type Check, note, ok, problem, type Said, warning } from './doctor-check.js';
import type { DoctorView } from './doctor-view.js';
import { wrappedToLoad } from './kdump.js';
import { PLACES_OF } from './places.js';
import { kernelFiles } from './state.js';
import { realPath } from './system.js';

/**
 * Loads what is out of date, and lets the old one go only when all for the next is there. Both ways load the plain kernel
 * if the wrapped one cannot be loaded; kdump-config by hand loads nothing then.
 */
export const RELOAD = 'shootdown refresh --reload';
/** After a change of settings. */
export const RESTART = 'systemctl restart kdump-tools';

/** What waits for a crash, and whether it is what should. */
export const LOADED_CHECKS: readonly Check[] = [
  { id: 'kdump.line', look: lookAtLine },
  { id: 'kdump.loaded', live: true, look: lookWhetherLoaded },
  { id: 'kdump.kernel', live: true, look: lookAtKernel },
  { id: 'kdump.words', live: true, look: lookAtWords },
  { id: 'kdump.target', live: true, look: lookAtTarget },
];

/** The line in the file of kdump-tools, and what is set by hand beside it. */
function lookAtLine(view: DoctorView): readonly Said[] {
  if (!view.has('kdump') || !view.hasKdumpTools) return [];
  const file = PLACES_OF.kdumpDefaults;
  const { lib, overridden, continued, kernel } = view.settings;
  if (lib === null)
    return [
      problem(
        `the line of shootdown is not in ${file}: the plain kernel is loaded`,
        'shootdown install kdump',
      ),
    ];
  if (continued)
    return [
      problem(
        `the line before that of shootdown in ${file} ends in a backslash: the two are one`,
        `take it out, then ${RESTART}`,
      ),
    ];
  if (overridden)
    return [
      problem(`KDUMP_KERNEL is set behind the line of shootdown in ${file}`, `take it out, then ${RESTART}`),
    ];
  if (!isByHand(view, kernel)) return [ok(`the line of shootdown is in ${file}`)];
  return [
    warning(
      `KDUMP_KERNEL was set by hand to ${kernel}: shootdown leaves it so, and it is not looked after`,
      `take it out of ${file}, then ${RESTART}`,
    ),
  ];
}

/** As `kdump-kernel` decides it. */
function isByHand({ system, running }: DoctorView, kernel: string): boolean {
  if (kernel === '' || kernel === `${PLACES_OF.kdumpState}/vmlinuz`) return false;
  if (!kernel.startsWith('/') || running === undefined) return true;
  return realPath(system, kernel) !== realPath(system, kernelFiles(running).original);
}

function lookWhetherLoaded(view: DoctorView): readonly Said[] {
  if (view.isLoaded) return [ok('a kernel is loaded for a crash')];
  if (!view.needsKdump && !view.hasKdumpTools) return [];
  const severe = view.needsKdump ? problem : warning;
  return [
    severe(
      'no kernel is loaded for a crash: no dump would be saved',
      'systemctl restart kdump-tools; if it stays so: journalctl -u kdump-tools',
    ),
  ];
}

async function lookAtKernel(view: DoctorView): Promise<readonly Said[]> {
  if (!view.isLoaded) return [];
  const kernel = view.loadedKernel;
  if (kernel === undefined)
    return [
      warning(
        `which kernel is loaded for a crash is not known: ${view.kexecCommandPath} is not there`,
        view.hasKdumpTools ? RESTART : 'load it with kdump-tools, or see what loaded it',
      ),
    ];
  const stale = view.isNewer(kernel, view.kexecCommandPath);
  const late = `${kernel} is newer than what is loaded of it for a crash`;
  if (!view.has('kdump'))
    return [stale && isWrapped(view, kernel) ? warning(late, RESTART) : withoutUs(view, kernel)];
  const wanted = await wantedKernel(view);
  if (wanted === undefined)
    return [
      problem(
        `the plain kernel is what kdump-tools loads (now loaded: ${kernel}): no wrapped one can be trusted`,
        RELOAD,
      ),
    ];
  if (kernel !== wanted)
    return [
      problem(
        `loaded for a crash is ${kernel}, and not ${wanted}`,
        `${RELOAD}; if it stays so: journalctl -u kdump-tools`,
      ),
    ];
  return [stale ? warning(late, RELOAD) : ok(`loaded for a crash: ${kernel}`)];
}

function withoutUs(view: DoctorView, kernel: string): Said {
  if (isWrapped(view, kernel)) return ok(`loaded for a crash: ${kernel}, which is wrapped`);
  if (view.has('hook')) return ok(`loaded for a crash: ${kernel}; the hook works in its initramfs`);
  const text = `loaded for a crash: ${kernel}, which is not wrapped: what is live at a crash stays live`;
  const advice = 'shootdown install kdump, or shootdown install hook';
  // Who installed another part may have meant it.
  return view.install ? note(text, advice) : warning(text, advice);
}

/** The kernel at this path has the stub in it. */
export function isWrapped(view: DoctorView, kernel: string): boolean {
  return kernel.startsWith('/') && Boolean(view.image(kernel)?.wrapped);
}

/** What our line would have kdump-tools load now. Throws `no-permission` for who cannot read kernels. */
async function wantedKernel({ system, running }: DoctorView): Promise<string | undefined> {
  if (running === undefined) return undefined;
  const { original, wrapped } = kernelFiles(running);
  for (const path of [original, wrapped]) system.read(path);
  return wrappedToLoad(system);
}

/** The word for the stub and for the hook on the capture kernel's command line, be it empty; the last counts. */
export function loadedWord({ kexecCommand }: DoctorView): string | undefined {
  return [...(kexecCommand ?? '').matchAll(/[\s"'=]shootdown=([^\s"']*)/g)].at(-1)?.[1];
}

/** Stub and hook take any word but `on` and `off` for `observe`: what was meant is not known. */
export const mayAct = (word: string | undefined): boolean => word === undefined || word === 'on';

function lookAtWords(view: DoctorView): readonly Said[] {
  if (!view.isLoaded || !(view.has('kdump') || view.has('hook'))) return [];
  const word = loadedWord(view);
  if (mayAct(word)) return [];
  const advice = `take it off KDUMP_CMDLINE_APPEND (${PLACES_OF.kdumpDefaults}) or this kernel's command line, then ${RESTART}`;
  return [
    warning(`the capture kernel has shootdown=${word} on its command line: nothing is stopped`, advice),
  ];
}

/** Which unit saves the dump in the capture kernel: ours that saves the record comes with it. */
function lookAtTarget(view: DoctorView): readonly Said[] {
  if (!view.isLoaded || !(view.has('kdump') || view.has('hook'))) return [];
  const command = view.kexecCommand ?? '';
  if (!/--command-line=/.test(command) || /[\s"'=]systemd\.unit=kdump-tools-dump\.service/.test(command))
    return [];
  return [
    note(
      'the capture kernel is not told to start kdump-tools-dump.service: it boots as far as it can, and without install kdump the record of shootdown is not saved',
      `put systemd.unit=kdump-tools-dump.service back into KDUMP_CMDLINE_APPEND (${PLACES_OF.kdumpDefaults}), then ${RESTART}`,
    ),
  ];
}
