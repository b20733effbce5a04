import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import type { Policy } from '../quiesce/policy.js';
import { attempt, attemptAsync } from './attempt.js';
import { applyChanges, type OnStep, type Performed } from './change-apply.js';
import { JournalFile } from './change-journal.js';
import { isVisible, planChanges, type Step } from './change-plan.js';
import { checkInstallable, generatorFor } from './checks.js';
import { hookIsIn } from './hook-image.js';
import { bootVersions } from './installed-kernels.js';
import { policyOf } from './installed-policy.js';
import { checkProgram, type Integration } from './integration.js';
import { crashKernel, crashKernelText, kdumpIsOn, reloadKdump } from './kdump.js';
import {
  type Refreshed,
  type RefreshOptions,
  refreshKernels,
  removeKernels,
  wrappedVersions,
} from './kernels.js';
import { changesFor, hookImages, remakeOlder } from './parts.js';
import { PLACES_OF } from './places.js';
import { runningRelease } from './running-release.js';
import { type Install, kdumpInitrd, kernelFiles, type Part, readInstall } from './state.js';
import type { System } from './system.js';

/** What `install` and `uninstall` work with. */
export interface Surroundings {
  readonly system: System;
  readonly integration: Integration;
  /** Whether this process may change the system. */
  readonly isRoot: boolean;
  readonly tool: string;
  /** The time now, in ISO 8601. */
  readonly now: string;
  readonly machine: () => Promise<{ readonly machine: Machine; readonly tscKhz: number | undefined }>;
}

/** What is asked for; what is not given stays as it was. */
export interface InstallRequest {
  readonly part: Part;
  readonly when?: 'crash' | 'always' | undefined;
  /** An absolute path. */
  readonly policy?: string | undefined;
  readonly sign?: { readonly key: string; readonly cert: string } | undefined;
}

/** What `install` will do, to be shown first. */
export interface InstallPlan {
  readonly part: Part;
  readonly install: Install;
  readonly policy: Policy;
  readonly steps: readonly Step[];
  /** What will become of the wrapped kernels. */
  readonly kernels: readonly Refreshed[];
  /** kdump-tools is to load its kernel anew. */
  readonly reload: boolean;
  readonly journal: JournalFile;
}

export interface InstallResult extends Performed {
  readonly kernels: readonly Refreshed[];
  /** What waits for a crash now, in words; `null` where nobody looked. */
  readonly loaded: string | null;
}

/** Nothing is to be done. */
export function isInPlace({ steps, kernels, reload }: InstallPlan): boolean {
  return !reload && !steps.some(isVisible) && kernels.every(({ status }) => status === 'fresh');
}

/** Looks whether the part can be installed and at what that takes. Throws one line with what to do if it cannot. */
export async function planInstall(around: Surroundings, request: InstallRequest): Promise<InstallPlan> {
  const { system, integration, tool } = around;
  const { part } = request;
  checkProgram(integration);
  const install = wanted(system, request);
  const policy = policyOf(system, install);
  checkInstallable(system, part, install);
  const journal = JournalFile.open(system, tool);
  const steps = planChanges(system, journal.entries, part, changesFor(system, part, install, integration));
  const kernels =
    part === 'hook' || !system.live
      ? []
      : await refreshKernels(system, { ...refreshOptions(around, install, policy), dryRun: true });
  checkRunning(system, kernels, 'nothing was changed');
  const changes = steps.some(isVisible) || kernels.some(({ status }) => status !== 'fresh');
  const { loaded } = crashKernel(system);
  // A hook that works in every kernel needs none that waits for a crash.
  const needed = part === 'kdump' || install.parts.hook?.when === 'crash';
  const asItShouldBe = part === 'kdump' ? loadedIsOurs(system) : loaded || !needed;
  const reload =
    system.live && part !== 'kexec' && (loaded || needed) && kdumpIsOn(system) && (changes || !asItShouldBe);
  return { part, install, policy, steps, kernels, reload, journal };
}

/** Does what was planned. Throws `incomplete` if it stays half done; what is only less than it should be is a problem. */
export async function performInstall(
  around: Surroundings,
  plan: InstallPlan,
  onStep: OnStep = () => {},
): Promise<InstallResult> {
  const { system } = around;
  const { part, install, policy, journal, steps } = plan;
  if (!around.isRoot)
    throw new ShootdownError('no-permission', 'install changes the system: run it as root (sudo)');
  const had = installedParts(journal);
  let kernels: readonly Refreshed[] = [];
  try {
    if (plan.kernels.some(({ status }) => status !== 'fresh'))
      kernels = await refreshKernels(system, refreshOptions(around, install, policy));
    checkRunning(system, kernels, 'all is as it was before');
    const { notes, toRun } = await applyChanges(system, journal, part, steps, onStep);
    const problems = kernels.flatMap(({ version, message }) => (message ? [`${version}: ${message}`] : []));
    if (part === 'hook') problems.push(...(await checkInitramfs(system, plan)));
    const loaded = plan.reload ? await loadAnew(system, problems) : null;
    const more = [...notThere(around), ...notLoaded(system, plan), ...older(system, plan)];
    return { kernels, problems, notes: [...notes, ...more], toRun, loaded };
  } catch (error) {
    // Those that no part needs would stay for ever.
    if (!had.includes('kdump') && !had.includes('kexec') && !installedParts(journal).includes(part))
      forgetKernels(system);
    throw error;
  }
}

export function installedParts(journal: JournalFile): readonly Part[] {
  return [...new Set(journal.entries.flatMap(({ parts }) => parts))];
}

async function loadAnew(system: System, problems: string[]): Promise<string> {
  const { now, problems: some } = await reloadKdump(system);
  problems.push(...some);
  return crashKernelText(now);
}

/** In a system that lies in a folder the same program has to be in the same place. */
function notThere({ system, integration }: Surroundings): readonly string[] {
  if (system.live) return [];
  const missing = [...integration.program, integration.lib].filter((path) => !system.exists(path));
  return missing.map((path) => `${path} is not in ${system.root}: shootdown has to be installed there, too`);
}

/** What is in place is of no use as long as nothing waits for a crash. */
function notLoaded(system: System, { part, reload, install }: InstallPlan): readonly string[] {
  const needed = part === 'kdump' || (part === 'hook' && install.parts.hook?.when === 'crash');
  if (!system.live || !needed || reload || crashKernel(system).loaded) return [];
  const why = kdumpIsOn(system) ? '' : `: USE_KDUMP is off in ${PLACES_OF.kdumpDefaults}`;
  return [`no kernel is loaded for a crash, so no dump would be saved${why}`];
}

/** Making an initramfs takes minutes, so those of kernels that may never boot again are left. */
function older(system: System, { part, install: { parts } }: InstallPlan): readonly string[] {
  if (part !== 'hook' || !parts.hook) return [];
  const commands = remakeOlder(system, parts.hook).map(({ command, args }) => [command, ...args].join(' '));
  return commands.length === 0 ? [] : [`older kernels get the hook by: ${commands.join('; ')}`];
}

function forgetKernels(system: System): void {
  attempt(() => {
    removeKernels(system, wrappedVersions(system));
    system.removeFolder(PLACES_OF.state);
  });
}

function refreshOptions(
  { machine, tool, now }: Surroundings,
  install: Install,
  policy: Policy,
): RefreshOptions {
  return { install, policy, machine, tool, now };
}

function wanted(system: System, { part, when, policy, sign }: InstallRequest): Install {
  const before = readInstall(system);
  const then = when ?? before?.parts.hook?.when ?? 'crash';
  return {
    schema: 'shootdown.install/1',
    parts: {
      ...before?.parts,
      [part]: part === 'hook' ? { when: then, generator: generatorFor(system, then) } : {},
    },
    policy: policy ?? before?.policy ?? null,
    sign: sign ?? before?.sign ?? null,
  };
}

/** Other kernels may do without; the one that runs is the one that is asked for. */
function checkRunning(system: System, kernels: readonly Refreshed[], state: string): void {
  const running = runningRelease(system);
  const failed = kernels.find(({ version, status }) => status === 'failed' && version === running);
  if (failed) throw new ShootdownError('refused', `${failed.message}; ${state}`);
}

function loadedIsOurs(system: System): boolean {
  const running = runningRelease(system);
  const { loaded, kernel } = crashKernel(system);
  return loaded && kernel === kernelFiles(running).wrapped;
}

/** A hook of an initramfs never fails, so one looks at what came of it. */
async function checkInitramfs(system: System, { install, steps }: InstallPlan): Promise<readonly string[]> {
  const hook = install.parts.hook;
  const made = steps.some(({ action }) => action === 'run');
  const running = runningRelease(system);
  if (!hook || !made || !system.live || !bootVersions(system).includes(running)) return [];
  const images = hookImages(system, hook, running).filter((path) => system.exists(path));
  const problems = images.length === 0 ? [`no initramfs of ${running} was made`] : [];
  for (const image of images) {
    const isDracuts = hook.generator === 'dracut' && image !== kdumpInitrd(running);
    const isIn = await attemptAsync(() => hookIsIn(system, image, isDracuts ? 'dracut' : 'initramfs-tools'));
    if (isIn instanceof ShootdownError) problems.push(isIn.message);
    else if (!isIn)
      problems.push(`the hook is not in ${image}: see what its making said, then install again`);
  }
  return problems;
}
