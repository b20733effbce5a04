import { dirname } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { attempt, attemptAsync } from './attempt.js';
import {
  beforeOf,
  type CommandLine,
  type Found,
  isAs,
  keyOf,
  look,
  withLine,
  withoutLine,
} from './change.js';
import { type JournalFile, makeFolders, removeTemporaries } from './change-journal.js';
import { planUndo, type Step, takenBack } from './change-plan.js';
import { checkHookIsOut } from './hook-image.js';
import { isProgram, runOrThrow } from './run-command.js';
import type { Part, PlacedEntry } from './state.js';
import { realPath, type System } from './system.js';

/** What came of steps that were performed. */
export interface Performed {
  /** What could not be done, in one line each: another run will try again. */
  readonly problems: readonly string[];
  /** What was left alone on purpose, in one line each. */
  readonly notes: readonly string[];
  /** What is left for a system that is not running: to be run in it. */
  readonly toRun: readonly CommandLine[];
}

/** Told of each step before it is performed. */
export type OnStep = (step: Step) => void;

/**
 * Performs the steps of `planChanges`. If one fails and nothing of this part was there before, all is taken back, and
 * the error says so; otherwise it throws `incomplete`, and the next run, or taking the part back, mends it.
 */
export async function applyChanges(
  system: System,
  journal: JournalFile,
  part: Part,
  steps: readonly Step[],
  onStep: OnStep = () => {},
): Promise<Performed> {
  const fresh = !journal.entries.some(({ parts }) => parts.includes(part));
  const before = journal.entries.map((entry) => ({ ...entry }));
  try {
    return await performAll(system, journal, steps, onStep);
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    if (!fresh) throw incomplete(error);
    const problems = await rollBack(system, journal, part, before.length === 0);
    if (problems.length === 0)
      throw new ShootdownError(error.code, `${error.message}; all is as it was before`, { cause: error });
    throw incomplete(error, problems);
  }
}

/** Takes back what only these parts need; what cannot be taken back stays in the list and is said in `problems`. */
export async function undoChanges(
  system: System,
  journal: JournalFile,
  steps: readonly Step[],
  onStep: OnStep = () => {},
): Promise<Performed> {
  const problems: string[] = [];
  const notes: string[] = [];
  const toRun: CommandLine[] = [];
  // What fails is tried again the next time.
  for (const step of steps) if (step.action === 'run-undo') journal.put(step.entry);
  for (const step of steps) {
    const failed = await attemptAsync(async () => {
      onStep(step);
      if (step.action === 'put') put(system, journal, step);
      else await performUndo(system, journal, step, { notes, toRun }, checkHookIsOut);
    });
    if (failed) problems.push(failed.message);
    // On a full disk a file can still be removed; the list on disk is then longer than it need be.
    attempt(() => journal.save());
  }
  return { problems, notes, toRun };
}

async function rollBack(
  system: System,
  journal: JournalFile,
  part: Part,
  wasEmpty: boolean,
): Promise<readonly string[]> {
  // A program that failed may have done half its work.
  const steps = planUndo(system, journal.entries, [part]);
  const { problems } = await undoChanges(system, journal, steps);
  if (problems.length > 0 || !wasEmpty || journal.entries.length > 0) return problems;
  const failed = attempt(() => journal.end());
  return failed ? [failed.message] : [];
}

function incomplete(error: ShootdownError, problems: readonly string[] = []): ShootdownError {
  const all = [error.message, ...problems].join('; ');
  const message = `${all}; it is half done: mend that and run the same again, or shootdown uninstall all`;
  return new ShootdownError('incomplete', message, { cause: error });
}

async function performAll(
  system: System,
  journal: JournalFile,
  steps: readonly Step[],
  onStep: OnStep,
): Promise<Performed> {
  const notes: string[] = [];
  const toRun: CommandLine[] = [];
  // Saved with the first file: what has to be run again is not forgotten if this ends half-way.
  const known = new Set(journal.entries.map(keyOf));
  for (const step of steps)
    if (step.action === 'run' && known.has(keyOf(step.entry))) journal.put(step.entry);
  for (const step of steps) {
    onStep(step);
    switch (step.action) {
      case 'note':
        journal.put(step.entry);
        break;
      case 'put':
        put(system, journal, step);
        break;
      case 'run':
        journal.put(step.entry);
        journal.save();
        if (system.live) await runOrThrow(system, step.entry);
        else toRun.push(step.entry);
        journal.put({ ...step.entry, done: true });
        break;
      case 'take-back':
      case 'run-undo':
        await performUndo(system, journal, step, { notes, toRun });
        break;
    }
  }
  if (steps.length > 0) journal.save();
  return { problems: [], notes, toRun };
}

function put(
  system: System,
  journal: JournalFile,
  { change, entry: planned }: Extract<Step, { action: 'put' }>,
): void {
  const { path } = change;
  const found = look(system, path, change.kind === 'line');
  const entry = asFound(planned, found, journal);
  journal.put(entry);
  journal.save();
  if (isAs(found, entry.before)) journal.backUp(found);
  makeFolders(system, dirname(path));
  removeTemporaries(system, path);
  switch (change.kind) {
    case 'file': {
      if (found.kind === 'link') system.remove(path);
      system.write(path, Buffer.from(change.content), change.mode);
      const [newest] = entry.kind === 'file' ? entry.after : [];
      if (newest !== undefined) journal.put({ ...entry, after: [newest] } as PlacedEntry);
      break;
    }
    case 'line': {
      const old = found.kind === 'file' ? found : undefined;
      const { bytes } = withLine(old?.bytes ?? Buffer.alloc(0), change.line);
      system.write(path, bytes, old?.mode ?? 0o644, old);
      break;
    }
    case 'link':
      if (found.kind !== 'absent') system.remove(path);
      system.link(path, change.target);
      break;
  }
}

/** An older version of the change may have been taken back since the plan was made. */
function asFound(planned: PlacedEntry, found: Found, journal: JournalFile): PlacedEntry {
  const known = journal.entries.some((each) => keyOf(each) === keyOf(planned));
  if (known && planned.kind !== 'line') return planned;
  const before = beforeOf(found);
  if (planned.kind !== 'line') return { ...planned, before };
  return { ...planned, before, ended: found.kind === 'file' && withLine(found.bytes, planned.line).ended };
}

interface Said {
  readonly notes: string[];
  readonly toRun: CommandLine[];
}

async function performUndo(
  system: System,
  journal: JournalFile,
  step: Step,
  { notes, toRun }: Said,
  check: typeof checkHookIsOut = async () => {},
): Promise<void> {
  if (step.action === 'note') journal.put(step.entry);
  if (step.action === 'take-back') {
    const said = takeBack(system, journal, step.entry);
    if (said !== undefined) notes.push(said);
    journal.drop(step.entry);
  }
  if (step.action === 'run-undo') {
    const { undo } = step.entry;
    if (undo && !system.live) toRun.push(undo);
    // What is not installed any more has nothing that it would have to be told.
    if (undo && system.live)
      await check(system, undo, await runOrThrow(system, undo, isProgram(system, undo) ? [] : [127]));
    journal.drop(step.entry);
  }
}

/** What is to be said of a file that somebody changed since; it is left alone, and not ours any more. */
function takeBack(system: System, journal: JournalFile, entry: PlacedEntry): string | undefined {
  const { path, before } = entry;
  removeTemporaries(system, path);
  const found = look(system, path, entry.kind === 'line');
  const how = takenBack(system, entry);
  let said: string | undefined;
  if (how === 'left') {
    const kept =
      before.kind === 'file' && before.backup !== null
        ? `; as it was before: ${journal.keepBackup(before.backup)}`
        : '';
    said = `${path} was changed since shootdown wrote it and is left as it is${kept}`;
  }
  if (how === 'line-removed' && entry.kind === 'line' && found.kind === 'file')
    system.write(path, withoutLine(found.bytes, entry.line, entry.ended), found.mode, found);
  if (how === 'removed') system.remove(entry.kind === 'line' ? realPath(system, path) : path);
  if (how === 'restored') {
    // Read first: what cannot be restored is not removed.
    const bytes = before.kind === 'file' ? journal.backup(before) : undefined;
    if (found.kind === 'link' || (before.kind === 'link' && found.kind !== 'absent')) system.remove(path);
    if (before.kind === 'link') system.link(path, before.target);
    if (before.kind === 'file' && bytes) {
      makeFolders(system, dirname(path));
      system.write(path, bytes, before.mode, before);
    }
  }
  // One that others have put something into stays.
  for (const folder of entry.folders.toReversed()) system.removeFolder(folder);
  return said;
}
