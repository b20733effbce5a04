import { dirname } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { attempt } from './attempt.js';
import { type Change, keyOf } from './change.js';
import { type OnStep, type Performed, undoChanges } from './change-apply.js';
import { JournalFile } from './change-journal.js';
import { commandEntry, isVisible, planAmend, planChanges, planUndo, type Step } from './change-plan.js';
import { installedParts, type Surroundings } from './install.js';
import { crashKernel, crashKernelText, kdumpIsOn, reloadKdump } from './kdump.js';
import { KDUMP_LINE } from './kdump-settings.js';
import { type Refreshed, removeKernels, wrappedVersions } from './kernels.js';
import { changesFor, installChange, remakeAll } from './parts.js';
import { PLACES_OF } from './places.js';
import { removeSigningFiles } from './sign.js';
import {
  type ChangeEntry,
  GENERATORS,
  type Install,
  PARTS,
  type Part,
  readChanges,
  readInstall,
} from './state.js';
import { readTextOf, type System } from './system.js';

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
  const { journal, notes } = openJournal(around);
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
  const hook = installOf(system)?.parts.hook;
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
  const install = installOf(system);
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

function installOf(system: System): Install | undefined {
  const install = attempt(() => readInstall(system));
  return install instanceof ShootdownError ? undefined : install;
}

function openJournal(around: Surroundings): { journal: JournalFile; notes: readonly string[] } {
  const { system, tool } = around;
  try {
    if (readChanges(system)) return { journal: JournalFile.open(system, tool), notes: [] };
  } catch (error) {
    if (!(error instanceof ShootdownError) || error.code !== 'bad-input') throw error;
  }
  const { entries, notes } = recover(around);
  const lost = `the list of changes (${PLACES_OF.changes}) is lost or damaged: taken back is what is as this version makes it`;
  return {
    journal: JournalFile.recovered(system, tool, entries),
    notes: entries.length === 0 ? notes : [lost, ...notes],
  };
}

/** What is there just as `install` would make it; other files in those places are named. */
function recover(around: Surroundings): { entries: readonly ChangeEntry[]; notes: readonly string[] } {
  const { system } = around;
  const install: Install = installOf(system) ?? {
    schema: 'shootdown.install/1',
    parts: {},
    policy: null,
    sign: null,
  };
  const entries = new Map<string, ChangeEntry>();
  const notes = new Set<string>();
  for (const part of PARTS) {
    for (const generator of GENERATORS) {
      const hook = { when: install.parts.hook?.when ?? 'crash', generator };
      const changes = ofPart(around, part, { ...install, parts: { ...install.parts, hook } }, notes);
      const files = changes.filter((change) => change.kind !== 'command' && !isGenerated(change));
      const steps = planChanges(system, [], part, files);
      for (const step of steps) {
        if (step.action === 'note') add(step.entry, part);
        if (step.action === 'put' && step.was !== 'absent' && step.change.kind === 'file')
          notes.add(`${step.change.path} is not as this version writes it and is left: look, and remove it`);
      }
      if (!steps.some(({ action }) => action === 'note')) continue;
      for (const change of changes) if (change.kind === 'command') add(commandEntry(change, part), part);
    }
  }
  for (const entry of [...linesOfOurs(system), ...installFile(system)]) entries.set(keyOf(entry), entry);
  return { entries: [...entries.values()], notes: [...notes] };

  function add(entry: ChangeEntry, part: Part): void {
    const parts = [...new Set([...(entries.get(keyOf(entry))?.parts ?? []), part])];
    const folders = entry.kind === 'command' ? [] : foldersOfOurs(entry.path);
    entries.set(keyOf(entry), entry.kind === 'command' ? { ...entry, parts } : { ...entry, parts, folders });
  }
}

/** The package may be gone for its greater part; what is left is told from what it has. */
function ofPart(
  { system, integration }: Surroundings,
  part: Part,
  install: Install,
  notes: Set<string>,
): readonly Change[] {
  const changes = attempt(() => changesFor(system, part, install, integration));
  if (!(changes instanceof ShootdownError)) return changes;
  notes.add(changes.message);
  return [];
}

/** Folders that are there for such files alone; they go if they are empty. */
function foldersOfOurs(path: string): string[] {
  const folder = dirname(path);
  return /\.(d|wants)$|\/95shootdown$/.test(folder) && !folder.startsWith('/etc/kernel/') ? [folder] : [];
}

function isGenerated(change: Change): boolean {
  return change.kind === 'file' && change.generated === true;
}

/** Lines in the file of kdump-tools, wherever the program was when they were added. */
function linesOfOurs(system: System): readonly ChangeEntry[] {
  const text = readTextOf(system, PLACES_OF.kdumpDefaults) ?? '';
  return text
    .split('\n')
    .filter((line) => KDUMP_LINE.test(line))
    .map((line) => ({
      kind: 'line',
      parts: ['kdump'],
      path: PLACES_OF.kdumpDefaults,
      // It is never ours altogether.
      before: { kind: 'link', target: '' },
      folders: [],
      line,
      ended: false,
    }));
}

function installFile(system: System): readonly ChangeEntry[] {
  if (!system.exists(PLACES_OF.install)) return [];
  return [
    {
      kind: 'file',
      parts: [...PARTS],
      path: PLACES_OF.install,
      before: { kind: 'absent' },
      folders: ['/etc/shootdown'],
      after: ['0'.repeat(64)],
      mode: 0o644,
      generated: true,
    },
  ];
}
