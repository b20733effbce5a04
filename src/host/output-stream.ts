import { closeSync, fchmodSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type OutputFiles,
  openTemporary,
  outputError,
  realFiles,
  syncFolder,
  targetOf,
} from './output-file.js';

/** A file that is written piece by piece and is there, whole, only once it is committed. */
export interface OutputStream {
  /** Throws as `writeOutput` does; nothing can be written after that. */
  write(bytes: Uint8Array): void;
  /** Replaces the file, or makes it. */
  commit(): void;
  /** Leaves the old one as it was, or none. Does nothing after `commit`. */
  discard(): void;
}

/** Like `writeOutput` for what does not fit in memory: whatever cannot be written is refused before any work is done. */
export function openOutput(path: string, mode: number, files: OutputFiles = realFiles): OutputStream {
  const attempt = <T>(call: () => T): T => {
    try {
      return call();
    } catch (cause) {
      discard();
      throw outputError(path, cause);
    }
  };
  let fd: number | undefined;
  const target = targetOf(path);
  let temporary = '';
  const discard = () => {
    if (fd === undefined) return;
    closeSync(fd);
    fd = undefined;
    rmSync(temporary, { force: true });
  };
  ({ fd, temporary } = attempt(() => openTemporary(target)));
  const opened = (): number => {
    if (fd === undefined) throw new Error(`${path} is closed`);
    return fd;
  };
  return {
    write(bytes) {
      const to = opened();
      attempt(() => {
        for (let at = 0; at < bytes.length; ) at += files.write(to, bytes.subarray(at));
      });
    },
    commit() {
      const to = opened();
      attempt(() => {
        fchmodSync(to, mode & 0o7777);
        files.sync(to);
        renameSync(temporary, target);
        syncFolder(dirname(target), files);
      });
      closeSync(to);
      fd = undefined;
    },
    discard,
  };
}
