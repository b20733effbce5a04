import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ShootdownError } from '../pci/error.js';

/** The file operations that can fail halfway; tests pass some that do. */
export interface OutputFiles {
  /** Returns how many bytes were written. */
  write(fd: number, bytes: Uint8Array): number;
  sync(fd: number): void;
}

/** @internal */
export const realFiles: OutputFiles = { write: writeSync, sync: fsyncSync };

/**
 * Replaces a file, or makes it, in one step: whatever fails, the old one is there whole, or none. A symbolic link is
 * followed. `mode` are the permission bits; `owner` is the user who calls unless it is given. The time of its last change is now: it is a new file, and what looks at
 * times (make, backups) should see that.
 */
export function writeOutput(
  path: string,
  bytes: Uint8Array,
  mode: number,
  files: OutputFiles = realFiles,
  owner?: { readonly uid: number; readonly gid: number },
): void {
  const target = targetOf(path);
  let fd: number | undefined;
  let temporary: string | undefined;
  try {
    ({ fd, temporary } = openTemporary(target));
    for (let at = 0; at < bytes.length; ) at += files.write(fd, bytes.subarray(at));
    // Before the mode: a change of owner takes the set-user-ID bit away.
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, mode & 0o7777);
    files.sync(fd);
    closeSync(fd);
    fd = undefined;
    renameSync(temporary, target);
    syncFolder(dirname(target), files);
  } catch (cause) {
    if (fd !== undefined) closeSync(fd);
    if (temporary !== undefined) rmSync(temporary, { force: true });
    throw outputError(path, cause);
  }
}

/** No process has a greater number. */
const PID_MAX = 2 ** 22;
const NAMES_MAX = 100;

/**
 * A new file beside `target`, `.NAME.NUMBER.tmp`. The number is that of this process, unless one that was killed left
 * that name: in a container the same numbers come again. @internal
 */
export function openTemporary(target: string): { readonly fd: number; readonly temporary: string } {
  for (let tried = 0; ; tried++) {
    const name = `.${basename(target)}.${process.pid + tried * PID_MAX}.tmp`;
    const temporary = join(dirname(target), name);
    try {
      return { fd: openSync(temporary, 'wx', 0o600), temporary };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST' || tried === NAMES_MAX - 1) throw cause;
    }
  }
}

/** Throws `usage` if both paths lead to the same file: a kernel that is replaced by its wrapped self is gone. */
export function checkNotInput(output: string, input: string): void {
  const [a, b] = [statOf(output), statOf(input)];
  if (a && b && a.dev === b.dev && a.ino === b.ino) {
    throw new ShootdownError('usage', `${output} is the input itself: name another file with -o`);
  }
}

/** `undefined` for what is not there, or cannot be seen: whoever opens it says so better. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** What a path leads to, if that may be replaced. Throws `usage` for what is no regular file. @internal */
export function targetOf(path: string): string {
  if (path === '') throw new ShootdownError('usage', 'the name of an output file is empty: give it one');
  try {
    const target = realpathSync(path);
    if (!statSync(target).isFile()) {
      throw new ShootdownError('usage', `${path} is not a regular file: name another`);
    }
    return target;
  } catch (cause) {
    if (cause instanceof ShootdownError) throw cause;
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw outputError(path, cause);
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
      const message = `${path} is a symbolic link that leads nowhere: remove it, or name another file`;
      throw new ShootdownError('usage', message);
    }
    return path;
  }
}

/** @internal */
export function syncFolder(folder: string, files: OutputFiles): void {
  const fd = openSync(folder, 'r');
  try {
    files.sync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Why a file could not be written, in one line. @internal */
export function outputError(path: string, cause: unknown): ShootdownError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const failed = (kind: 'io' | 'not-found' | 'no-permission', what: string) =>
    new ShootdownError(kind, `${path} cannot be written: ${what}`, { cause });
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return failed('io', 'no space left on its disk');
    case 'ENOENT':
    case 'ENOTDIR':
      return failed('not-found', 'its folder is not there');
    case 'EACCES':
    case 'EPERM':
      return failed('no-permission', 'no permission');
    case 'EROFS':
      return failed('no-permission', 'its file system is read-only');
    default:
      return failed('io', message);
  }
}
