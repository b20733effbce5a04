import { closeSync, fsyncSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import type { JournalSink } from './journal.js';

const FLUSH_BYTES = 64 * 1024;

/** The file operations that a journal needs; tests pass some that fail. */
export interface JournalFiles {
  open(path: string): number;
  /** Returns how many bytes were written. */
  write(fd: number, bytes: Uint8Array): number;
  sync(fd: number): void;
  close(fd: number): void;
  remove(path: string): void;
}

const realFiles: JournalFiles = {
  open(path) {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'wx', 0o600);
  },
  write: (fd, bytes) => writeSync(fd, bytes),
  sync: fsyncSync,
  close: closeSync,
  remove: unlinkSync,
};

/**
 * A journal in a new file. The header is synced before anything is written to a function, the records once at the
 * end: two syncs a run. Rejects an existing file. A journal that cannot be written any more throws `journal`, and
 * `perform` stops.
 */
export function fileSink(path: string, files: JournalFiles = realFiles): JournalSink {
  let fd: number | undefined;
  let pending: string[] = [];
  let pendingBytes = 0;
  const flush = () => {
    if (pending.length === 0 || fd === undefined) return;
    const bytes = Buffer.from(pending.join(''));
    pending = [];
    pendingBytes = 0;
    for (let at = 0; at < bytes.length; ) at += files.write(fd, bytes.subarray(at));
  };
  const append = (value: object) => {
    const line = `${JSON.stringify(value)}\n`;
    pending.push(line);
    pendingBytes += line.length;
    if (pendingBytes >= FLUSH_BYTES) guarded(path, flush);
  };
  return {
    begin(header) {
      guarded(path, () => {
        fd = files.open(path);
      });
      try {
        append(header);
        guarded(path, flush);
        guarded(path, () => files.sync(fd ?? -1));
      } catch (error) {
        files.close(fd ?? -1);
        fd = undefined;
        files.remove(path);
        throw error;
      }
    },
    record: append,
    flush: () => guarded(path, flush),
    end(end) {
      if (fd === undefined) return;
      try {
        append({ end });
        guarded(path, flush);
        guarded(path, () => files.sync(fd ?? -1));
      } finally {
        files.close(fd);
        fd = undefined;
      }
    },
  };
}

function guarded(path: string, action: () => void): void {
  try {
    action();
  } catch (cause) {
    if (cause instanceof ShootdownError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const what =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? 'the disk is full: free some room or name another place with --journal'
        : code === 'EEXIST'
          ? 'it exists already: name another file with --journal'
          : code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
            ? 'no permission: name another place with --journal'
            : message;
    throw new ShootdownError('journal', `the journal ${path} cannot be written: ${what}`, { cause });
  }
}
