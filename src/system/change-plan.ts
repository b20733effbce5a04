import { ShootdownError } from '../pci/error.js';
import { attempt } from './attempt.js';
import {
  beforeOf,
  type Change,
  type CommandChange,
  type Found,
  hasLine,
  isAs,
  keyOf,
  look,
  missingFolders,
  type PlacedChange,
  sha256Of,
  withLine,
  withoutLine,
} from './change.js';
import type { Before, ChangeEntry, CommandEntry, Part, PlacedEntry } from './state.js';
import type { System } from './system.js';

/** One thing that is done, in its order. */
export type Step =
  /** Brings a change about: the entry goes into the list of changes, then the file is written. */
  | {
      readonly action: 'put';
      readonly change: PlacedChange;
      readonly entry: PlacedEntry;
      /** What the change replaces. */
      readonly was: 'absent' | 'ours' | 'file' | 'link';
    }
  /** Only the list of changes learns of it: it is so already. */
  | { readonly action: 'note'; readonly entry: ChangeEntry }
  | { readonly action: 'take-back'; readonly entry: PlacedEntry; readonly to: TakenBack }
  | { readonly action: 'run'; readonly entry: CommandEntry }
  | { readonly action: 'run-undo'; readonly entry: CommandEntry };

/** How a change ends: */
export type TakenBack =
  | 'nothing' // it is not there
  | 'removed'
  | 'restored'
  | 'line-removed'
  | 'left'; // somebody changed it since

/**
 * What is to be done so that exactly these changes are there for a part of the installation: those that are, are left
 * out, and those of an earlier version that are not asked for any more are taken back. `leave`: keys of those that stay
 * as they are found. Throws `refused` for another file of ours that somebody has edited.
 */
export function planChanges(
  system: System,
  entries: readonly ChangeEntry[],
  part: Part,
  changes: readonly Change[],
  leave: ReadonlySet<string> = new Set(),
): readonly Step[] {
  const wanted = new Set(changes.map(keyOf));
  const obsolete = entries.filter((entry) => entry.parts.includes(part) && !wanted.has(keyOf(entry)));
  const known = new Map(entries.map((entry) => [keyOf(entry), entry]));
  const files = [
    ...planUndo(system, obsolete, [part]),
    ...changes.flatMap((change) =>
      change.kind === 'command' || leave.has(keyOf(change))
        ? []
        : planOne(system, known.get(keyOf(change)), part, change),
    ),
  ];
  const changed = files.some(({ action }) => action === 'put' || action === 'take-back');
  return [
    ...files.filter(({ action }) => action !== 'run-undo'),
    ...changes.flatMap((change) =>
      change.kind === 'command' ? planCommand(known.get(keyOf(change)), part, change, changed) : [],
    ),
    ...files.filter(({ action }) => action === 'run-undo'),
  ];
}

/** Brings a file that is in the list already up to date, for whoever needs it. */
export function planAmend(
  system: System,
  entries: readonly ChangeEntry[],
  change: PlacedChange,
): readonly Step[] {
  const known = entries.find((entry) => keyOf(entry) === keyOf(change));
  const [part] = known?.parts ?? [];
  return part === undefined ? [] : planOne(system, known, part, change);
}

/** What takes back all that only these parts need, the last change first. */
export function planUndo(
  system: System,
  entries: readonly ChangeEntry[],
  parts: readonly Part[],
): readonly Step[] {
  const steps: Step[] = [];
  const commands: Step[] = [];
  for (const entry of entries.toReversed()) {
    const rest = entry.parts.filter((part) => !parts.includes(part));
    if (rest.length === entry.parts.length) continue;
    if (rest.length > 0) steps.push({ action: 'note', entry: { ...entry, parts: rest } });
    else if (entry.kind !== 'command')
      steps.push({ action: 'take-back', entry, to: takenBack(system, entry) });
    else {
      const gone = entry.about !== null && !system.exists(entry.about);
      commands.unshift({ action: 'run-undo', entry: gone ? { ...entry, undo: null } : entry });
    }
  }
  return [...steps, ...commands];
}

/** Whether a step changes more than the list of changes. */
export function isVisible(step: Step): boolean {
  if (step.action === 'take-back') return step.to !== 'nothing';
  if (step.action === 'run-undo') return step.entry.undo !== null;
  return step.action !== 'note';
}

/** What becomes of a change when it is taken back now. */
export function takenBack(system: System, entry: PlacedEntry): TakenBack {
  const found = look(system, entry.path, entry.kind === 'line');
  if (entry.kind === 'line') {
    const there = found.kind === 'file' && hasLine(found.bytes, entry.line);
    if (!there) return 'nothing';
    const empties = withoutLine(found.bytes, entry.line, entry.ended).length === 0;
    return entry.before.kind === 'absent' && empties ? 'removed' : 'line-removed';
  }
  if (isAs(found, entry.before)) return 'nothing';
  if (found.kind !== 'absent' && !isOurs(found, entry)) return 'left';
  return entry.before.kind === 'absent' ? 'removed' : 'restored';
}

/** What became of what `install` put somewhere; `gone` is also another kind of thing in its place. */
export function entryState(system: System, entry: PlacedEntry): 'fine' | 'gone' | 'changed' {
  const found = attempt(() => look(system, entry.path, entry.kind === 'line'));
  if (found instanceof ShootdownError) {
    if (found.code === 'no-permission') throw found;
    return 'gone';
  }
  if (entry.kind === 'line')
    return found.kind === 'file' && hasLine(found.bytes, entry.line) ? 'fine' : 'gone';
  if (isOurs(found, entry)) return 'fine';
  return entry.kind === 'file' && found.kind === 'file' ? 'changed' : 'gone';
}

function isOurs(found: Found, entry: PlacedEntry): boolean {
  if (entry.kind === 'link') return found.kind === 'link' && found.target === entry.target;
  if (entry.kind === 'line') return true;
  return found.kind === 'file' && (entry.generated || entry.after.includes(found.sha256));
}

function planOne(
  system: System,
  known: ChangeEntry | undefined,
  part: Part,
  change: PlacedChange,
): readonly Step[] {
  const old = known?.kind === change.kind ? known : undefined;
  const parts = old ? [...new Set([...old.parts, part])] : [part];
  const found = look(system, change.path, change.kind === 'line');
  if (isInPlace(found, change)) {
    const entry = old ? { ...old, parts } : entryFor(adopted(found, change), change, parts, [], false);
    return old?.parts.includes(part) ? [] : [{ action: 'note', entry }];
  }
  if (change.kind === 'line') {
    const before = beforeOf(found);
    const ended = found.kind === 'file' && withLine(found.bytes, change.line).ended;
    const folders = [...(old?.folders ?? []), ...missingFolders(system, change.path)];
    const entry = entryFor(before, change, parts, folders, ended);
    return [{ action: 'put', change, entry, was: found.kind === 'absent' ? 'absent' : 'file' }];
  }
  const ours =
    old !== undefined && (isOurs(found, old) || found.kind === 'absent' || isAs(found, old.before));
  if (old && !ours) {
    const message = `${change.path} was changed after shootdown wrote it: move it away, then install again`;
    throw new ShootdownError('refused', message);
  }
  const folders = [...(old?.folders ?? []), ...missingFolders(system, change.path)];
  const entry = entryFor(old?.before ?? beforeOf(found), change, parts, folders, false);
  // Until the new one is there, the old one is ours, too.
  if (entry.kind === 'file' && old?.kind === 'file')
    entry.after = [...new Set([...entry.after, ...old.after])].slice(0, 8);
  const was = found.kind === 'absent' ? 'absent' : old && isOurs(found, old) ? 'ours' : found.kind;
  return [{ action: 'put', change, entry, was }];
}

function isInPlace(found: Found, change: PlacedChange): boolean {
  switch (change.kind) {
    case 'file':
      return found.kind === 'file' && found.sha256 === sha256Of(change.content) && found.mode === change.mode;
    case 'line':
      return found.kind === 'file' && hasLine(found.bytes, change.line);
    case 'link':
      return found.kind === 'link' && found.target === change.target;
  }
}

/** What is as we would have made it, was made by us: the list of changes was lost. */
function adopted(found: Found, change: PlacedChange): Before {
  if (change.kind !== 'line' || found.kind !== 'file') return { kind: 'absent' };
  const { mode, uid, gid } = found;
  const sha256 = sha256Of(withoutLine(found.bytes, change.line, false));
  return { kind: 'file', sha256, mode, uid, gid, backup: null };
}

function entryFor(
  before: Before,
  change: PlacedChange,
  parts: Part[],
  folders: string[],
  ended: boolean,
): PlacedEntry {
  const placed = { parts, path: change.path, before, folders: [...new Set(folders)] };
  switch (change.kind) {
    case 'file': {
      const { mode, content, generated = false } = change;
      return { kind: 'file', ...placed, after: [sha256Of(content)], mode, generated };
    }
    case 'line':
      return { kind: 'line', ...placed, line: change.line, ended };
    case 'link':
      return { kind: 'link', ...placed, target: change.target };
  }
}

function planCommand(
  known: ChangeEntry | undefined,
  part: Part,
  change: CommandChange,
  changed: boolean,
): readonly Step[] {
  const old = known?.kind === 'command' ? known : undefined;
  const parts = old ? [...new Set([...old.parts, part])] : [part];
  const entry: CommandEntry = { ...commandEntry(change, part), parts, done: old?.done ?? false };
  if (changed || !old?.done) return [{ action: 'run', entry: { ...entry, done: false } }];
  return old.parts.includes(part) ? [] : [{ action: 'note', entry }];
}

/** As it stands in the list of changes once it has been run. */
export function commandEntry(change: CommandChange, part: Part): CommandEntry {
  const { command, args, why, undo, about = null } = change;
  return {
    kind: 'command',
    parts: [part],
    command,
    args: [...args],
    why,
    undo: undo ? { command: undo.command, args: [...undo.args] } : null,
    about,
    done: true,
  };
}
