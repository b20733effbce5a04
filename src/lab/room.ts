import { statfs } from 'node:fs/promises';
import { ShootdownError } from '../pci/error.js';

const MIB = 1024 * 1024;

/** Rejects with `io` unless this many bytes are free on the disk of a folder of ours below TMPDIR. */
export async function needRoom(folder: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free !== undefined && free < bytes) throw noRoom(folder, bytes, what, free);
}

/** For one that was told so by a program that wrote there. */
export async function roomError(folder: string, bytes: number, what: string): Promise<ShootdownError> {
  return noRoom(folder, bytes, what, await freeBytes(folder));
}

function noRoom(folder: string, bytes: number, what: string, free: number | undefined): ShootdownError {
  const has = free === undefined ? 'it has less' : `${Math.floor(free / MIB)} MiB are free`;
  const needs = `${what} needs ${Math.ceil(bytes / MIB)} MiB there, ${has}`;
  return new ShootdownError(
    'io',
    `${folder}: no space left on its disk: ${needs}: free some, or set TMPDIR to a folder on another disk`,
  );
}

/** `undefined` where the disk does not say. */
async function freeBytes(folder: string): Promise<number | undefined> {
  return statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => undefined,
  );
}
