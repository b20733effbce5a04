import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { PLACES_OF } from './places.js';
import type { Before, ChangeEntry } from './state.js';
import { type Entry, realPath, type System } from './system.js';

export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

/** Something that is to be so on a system. */
export type Change =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly content: string;
      readonly mode: number;
      readonly why: string;
      /** Not written for people to edit: replaced and removed whatever is in it. */
      readonly generated?: boolean;
    }
  /** One more line at the end of a file that is somebody else's. */
  | { readonly kind: 'line'; readonly path: string; readonly line: string; readonly why: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string; readonly why: string }
  /** Run after the files have changed, and `undo` after that was taken back. */
  | ({
      readonly kind: 'command';
      readonly why: string;
      readonly undo?: CommandLine;
      /** What it is about: once that file is gone, there is nothing to undo. */
      readonly about?: string;
    } & CommandLine);
export type CommandChange = Extract<Change, { kind: 'command' }>;
export type PlacedChange = Exclude<Change, CommandChange>;

/** What tells one change from another: two with the same are versions of one. */
export function keyOf(change: Change | ChangeEntry): string {
  switch (change.kind) {
    case 'command':
      return JSON.stringify(['command', change.command, ...change.args]);
    case 'line':
      return JSON.stringify(['line', change.path, change.line]);
    case 'file':
    case 'link':
      return JSON.stringify([change.kind, change.path]);
  }
}

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What lies at a path now. */
export type Found =
  | { readonly kind: 'absent' }
  | ({ readonly kind: 'file'; readonly bytes: Buffer; readonly sha256: string } & Pick<
      Entry,
      'mode' | 'uid' | 'gid'
    >)
  | { readonly kind: 'link'; readonly target: string };

/** `follow`: what a link leads to. Throws `refused` for a folder or a device. */
export function look(system: System, path: string, follow: boolean): Found {
  const entry = system.entry(path);
  if (entry?.kind === 'link') {
    const target = system.readLink(path) ?? '';
    if (!follow) return { kind: 'link', target };
    return look(system, realPath(system, path), false);
  }
  if (!entry) return { kind: 'absent' };
  if (entry.kind !== 'file')
    throw new ShootdownError('refused', `${path} is not a regular file: move it away, then try again`);
  const bytes = system.read(path);
  if (!bytes) return { kind: 'absent' };
  const { mode, uid, gid } = entry;
  return { kind: 'file', bytes, sha256: sha256Of(bytes), mode, uid, gid };
}

/** Where a file is kept as it was, under the hash of its content. */
export function backupPath(sha256: string): string {
  return `${PLACES_OF.backup}/${sha256}`;
}

/** What is noted of it in the list of changes. */
export function beforeOf(found: Found): Before {
  switch (found.kind) {
    case 'absent':
      return { kind: 'absent' };
    case 'link':
      return { kind: 'link', target: found.target };
    case 'file': {
      const { sha256, mode, uid, gid } = found;
      return { kind: 'file', sha256, mode, uid, gid, backup: backupPath(sha256) };
    }
  }
}

export function isAs(found: Found, before: Before): boolean {
  switch (before.kind) {
    case 'absent':
      return found.kind === 'absent';
    case 'link':
      return found.kind === 'link' && found.target === before.target;
    case 'file':
      return found.kind === 'file' && found.sha256 === before.sha256;
  }
}

/** The folders above a path that are not there, the outermost first. */
export function missingFolders(system: System, path: string): string[] {
  const missing: string[] = [];
  for (let at = dirname(path); at !== '/' && !system.exists(at); at = dirname(at)) missing.unshift(at);
  return missing;
}

/** The file with one more line. `ended`: its last line had no end. */
export function withLine(bytes: Uint8Array, line: string): { bytes: Buffer; ended: boolean } {
  const ended = bytes.length > 0 && bytes.at(-1) !== 0x0a;
  return { bytes: Buffer.concat([bytes, Buffer.from(`${ended ? '\n' : ''}${line}\n`, 'latin1')]), ended };
}

export function hasLine(bytes: Buffer, line: string): boolean {
  return bytes.toString('latin1').split('\n').includes(line);
}

/** The file without the line; `ended` as `withLine` said. All else is as it was, byte for byte. */
export function withoutLine(bytes: Buffer, line: string, ended: boolean): Buffer {
  const lines = bytes.toString('latin1').split('\n');
  const wasLast = lines.at(-1) === '' && lines.at(-2) === line;
  const rest = lines.filter((each) => each !== line);
  if (ended && wasLast && rest.length > 1) rest.pop();
  return Buffer.from(rest.join('\n'), 'latin1');
}
