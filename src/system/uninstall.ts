import { dirname } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { attempt } from './attempt.js';
import { keyOf } from './change.js';
import { type OnStep, type Performed, undoChanges } from './change-apply.js';
import type { JournalFile } from './change-journal.js';
import { commandEntry, isVisible, planAmend, planUndo, type Step } from './change-plan.js';
import { openOrRecover } from './change-recover.js';
import { installedParts, type Surroundings } from './install.js';
import { crashKernel, crashKernelText, kdumpIsOn, reloadKdump } from './kdump.js';
import { type Refreshed, removeKernels, wrappedVersions } from './kernels.js';
import { installChange, remakeAll } from './parts.js';
import { PLACES_OF } from './places.js';
import { removeSigningFiles } from './sign.js';
import { type ChangeEntry, type Part, readInstallIfSound } from './state.js';
import type { System } from './system.js';

/** What `uninstall` will do, to be shown first. */
export interface UninstallPlan {
  readonly parts: readonly Part[];
  /** What stays installed. */
  readonly rest: readonly Part[];
  readonly steps: readonly Step[];
  /** Versions of wrapped kernels that go. */
  readonly kernels: readonly string[];
  readonly hookTable: boolean;
  /** kdump-tools is to load its kernel anew. */
  readonly reload: boolean;
  readonly notes: readonly string[];
  readonly journal: JournalFile;
}

export interface UninstallResult extends Performed {
  readonly kernels: readonly Refreshed[];
  readonly loaded: string | null;
}

/** Nothing is to be done. */
export function nothingToUndo({ steps, kernels, hookTable }: UninstallPlan): boolean {
  return !steps.some(isVisible) && kernels.length === 0 && !hookTable;
}

/** Looks at what there is to take back, also where lists and files of ours were lost. */
export function planUninstall(around: Surroundings, parts: readonly Part[]): UninstallPlan {
  const { system } = around;
  const { journal, notes } = openOrRecover(around);
  const rest = installedParts(journal).filter((part) => !parts.includes(part));
  const undo = [...planUndo(system, journal.entries, parts), ...remakes(system, journal.entries, parts)];
  const steps = [...undo, ...amendInstall(system, journal.entries, parts, rest)];
  const reload =
    system.live &&
    undo.some(isVisible) &&
    (parts.includes('kdump') || parts.includes('hook')) &&
    crashKernel(system).loaded &&
    kdumpIsOn(system);
  return {
    parts,
    rest,
    steps,
    kernels: keepsKernels(rest) ? [] : wrappedVersions(system),
    hookTable: !rest.includes('hook') && system.exists(PLACES_OF.hookTable),
    reload,
    notes,
    journal,
  };
}

/** Takes back what was planned, as far as that is possible; what is left to do is in `problems`. */
export async function performUninstall(
  { system, isRoot }: Surroundings,
  plan: UninstallPlan,
  onStep: OnStep = () => {},
): Promise<UninstallResult> {
  if (!isRoot)
    throw new ShootdownError('no-permission', 'uninstall changes the system: run it as root (sudo)');
  const { journal } = plan;
  const undone = await undoChanges(system, journal, plan.steps, onStep);
  const problems = [...undone.problems];
  const tryTo = <T>(action: () => T): T | undefined => {
    const result = attempt(action);
    if (!(result instanceof ShootdownError)) return result;
    problems.push(result.message);
    return undefined;
  };
  const kernels = tryTo(() => removeKernels(system, plan.kernels)) ?? [];
  if (plan.hookTable) tryTo(() => system.remove(PLACES_OF.hookTable));
  if (!keepsKernels(plan.rest)) {
    tryTo(() => removeSigningFiles(system));
    tryTo(() => system.removeFolder(PLACES_OF.kernels));
  }
  if (journal.entries.length === 0) {
    tryTo(() => journal.end());
    tryTo(() => system.removeFolder(dirname(PLACES_OF.install)));
  } else tryTo(() => journal.save());
  let loaded: string | null = null;
  if (plan.reload && remakeFailed(plan)) {
    problems.push('what is loaded for a crash was left as it is, since its initramfs could not be made anew');
    loaded = crashKernelText(crashKernel(system));
  } else if (plan.reload) {
    const { now, problems: some } = await reloadKdump(system);
    problems.push(...some);
    loaded = crashKernelText(now);
  }
  return { kernels, problems, notes: [...plan.notes, ...undone.notes], toRun: undone.toRun, loaded };
}

/** What was run to its end is not in the list any more. */
function remakeFailed({ steps, journal }: UninstallPlan): boolean {
  const left = new Set(journal.entries.map(keyOf));
  return steps.some(
    ({ action, entry }) => action === 'run-undo' && isInitramfsMaker(entry) && left.has(keyOf(entry)),
  );
}

const isInitramfsMaker = (entry: ChangeEntry) => entry.kind === 'command' && entry.command !== 'systemctl';

/** Beyond what the list has: of kernels that came after the hook. */
function remakes(system: System, entries: readonly ChangeEntry[], parts: readonly Part[]): readonly Step[] {
  const hook = readInstallIfSound(system)?.parts.hook;
  const installed = entries.some((entry) => entry.kind !== 'command' && entry.parts.includes('hook'));
  if (!parts.includes('hook') || !hook || !installed) return [];
  const known = new Set(entries.map(keyOf));
  return remakeAll(system, hook)
    .filter((change) => !known.has(keyOf(change)))
    .map((change) => ({ action: 'run-undo', entry: commandEntry(change, 'hook') }));
}

const keepsKernels = (rest: readonly Part[]) => rest.includes('kdump') || rest.includes('kexec');

/** What stays installed is noted without what goes. */
function amendInstall(
  system: System,
  entries: readonly ChangeEntry[],
  gone: readonly Part[],
  rest: readonly Part[],
): readonly Step[] {
  const install = readInstallIfSound(system);
  if (rest.length === 0 || !install) return [];
  const parts = Object.fromEntries(
    Object.entries(install.parts).filter(([part]) => rest.some((each) => each === part)),
  );
  const stay = entries.map((entry) => ({
    ...entry,
    parts: entry.parts.filter((part) => !gone.includes(part)),
  }));
  return planAmend(system, stay, installChange({ ...install, parts }));
}
