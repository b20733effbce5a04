import { basename, dirname } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { backupPath, type Found, keyOf, sha256Of } from './change.js';
import { PLACES_OF } from './places.js';
import { type Before, type ChangeEntry, readChanges, stateText } from './state.js';
import type { System } from './system.js';

/**
 * The list of what was changed, kept on disk one step ahead: whatever ends the program, what is on disk is either as it
 * was or as the list says. Losing the last save of a removal does no harm: what is gone already is found gone.
 */
export class JournalFile {
  readonly #system: System;
  readonly #tool: string;
  readonly #kept = new Set<string>();
  #entries: ChangeEntry[];

  private constructor(system: System, tool: string, entries: readonly ChangeEntry[]) {
    this.#system = system;
    this.#tool = tool;
    this.#entries = [...entries];
  }

  /** Throws `bad-input` for a list that cannot be read. */
  static open(system: System, tool: string): JournalFile {
    return new JournalFile(system, tool, readChanges(system)?.entries ?? []);
  }

  /** For a list that was lost: of these changes it is known that they are there. */
  static recovered(system: System, tool: string, entries: readonly ChangeEntry[]): JournalFile {
    return new JournalFile(system, tool, entries);
  }

  get entries(): readonly ChangeEntry[] {
    return this.#entries;
  }

  /** Notes a change in the place of an earlier version of it, or as the last one. */
  put(entry: ChangeEntry): void {
    const at = this.#entries.findIndex((each) => keyOf(each) === keyOf(entry));
    if (at < 0) this.#entries.push(entry);
    else this.#entries[at] = entry;
  }

  /** Its folders, as far as they are needed still, become those of another change that lies in them. */
  drop(entry: ChangeEntry): void {
    this.#entries = this.#entries.filter((each) => keyOf(each) !== keyOf(entry));
    if (entry.kind === 'command') return;
    for (const folder of entry.folders) {
      const heir = this.#entries.find(
        (each) => each.kind !== 'command' && each.path.startsWith(`${folder}/`),
      );
      if (heir && heir.kind !== 'command' && !heir.folders.includes(folder))
        heir.folders = [...heir.folders, folder].sort((a, b) => a.length - b.length);
    }
  }

  save(): void {
    makeFolders(this.#system, PLACES_OF.state);
    removeTemporaries(this.#system, PLACES_OF.changes);
    const journal = { schema: 'shootdown.changes/1' as const, tool: this.#tool, entries: this.#entries };
    this.#system.write(PLACES_OF.changes, Buffer.from(stateText(journal)), 0o644);
  }

  /** Puts a file aside as it is, under the hash of its content. */
  backUp(found: Found): void {
    if (found.kind !== 'file') return;
    const path = backupPath(found.sha256);
    if (this.#readBackup(path, found.sha256)) return;
    makeFolders(this.#system, PLACES_OF.backup);
    this.#system.write(path, found.bytes, 0o600);
  }

  /** The file as it was. Throws `io` if it was lost. */
  backup(before: Extract<Before, { kind: 'file' }>): Buffer {
    const bytes = before.backup === null ? undefined : this.#readBackup(before.backup, before.sha256);
    if (bytes) return bytes;
    throw new ShootdownError('io', `the backup ${before.backup ?? ''} is gone or damaged`);
  }

  /** It outlives the list: somebody may want it back. Returns its path. */
  keepBackup(path: string): string {
    this.#kept.add(path);
    return path;
  }

  #readBackup(path: string, sha256: string): Buffer | undefined {
    const bytes = this.#system.read(path);
    return bytes && sha256Of(bytes) === sha256 ? bytes : undefined;
  }

  /** Removes the list and what was put aside, once nothing of it is needed any more. */
  end(): void {
    const system = this.#system;
    // Without a list they are those that were kept.
    const backups = system.exists(PLACES_OF.changes) ? system.list(PLACES_OF.backup) : [];
    for (const name of backups) {
      const path = `${PLACES_OF.backup}/${name}`;
      if (!this.#kept.has(path)) system.remove(path);
    }
    system.removeFolder(PLACES_OF.backup);
    removeTemporaries(system, PLACES_OF.changes);
    system.remove(PLACES_OF.changes);
    system.removeFolder(PLACES_OF.state);
  }
}

/** Makes a folder and those above it. */
export function makeFolders(system: System, path: string): void {
  if (system.exists(path)) return;
  const above = dirname(path);
  if (above !== path) makeFolders(system, above);
  system.makeFolder(path);
}

/** What a program that was killed while it wrote this file left beside it; nobody else writes it now. */
export function removeTemporaries(system: System, path: string): void {
  const start = `.${basename(path)}.`;
  const folder = dirname(path);
  for (const name of system.list(folder)) {
    if (name.startsWith(start) && /^\d+\.tmp$/.test(name.slice(start.length)))
      system.remove(`${folder}/${name}`);
  }
}
