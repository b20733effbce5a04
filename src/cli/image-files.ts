import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { ShootdownError } from '../pci/error.js';
import { readError } from './read-error.js';

export interface ImageFile {
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

/** Far more than any kernel, also one with its initramfs inside. */
const IMAGE_MAX = 1024 * 1024 * 1024;

/** Reads a kernel image; the error says what to do. */
export function readImage(path: string): ImageFile {
  let fd: number | undefined;
  try {
    // A named pipe that nobody writes to would hold up the opening.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new ShootdownError('bad-input', `${path}: not a regular file`);
    if (stat.size > IMAGE_MAX)
      throw new ShootdownError('bad-input', `${path}: larger than 1 GiB, no kernel is`);
    return { bytes: readFileSync(fd), mode: stat.mode & 0o7777 };
  } catch (cause) {
    if (cause instanceof ShootdownError) throw cause;
    throw readError(path, cause);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Puts the file's name before what is wrong with it. */
export function about<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    throw new ShootdownError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}
