import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { startsFlight } from '../image/flight.js';
import { BOOT_PARAMS, RECORD } from '../image/layout.js';
import { ShootdownError } from '../pci/error.js';
import { readError } from './read-error.js';

/** Bytes that begin like a flight record, and where they are from. */
export interface FlightSource {
  readonly bytes: Uint8Array;
  readonly from: string;
}

const BYTES_MAX = 16 * 1024 * 1024;
const STDIN = 0;

const NO_RECORD =
  "no flight record: this kernel was not entered by a wrapped kernel's stub (firmware boot, shootdown=off, or a " +
  'loader that does not enter it)';

/** The record that the running kernel was handed: a full one in its setup data, else the summary in its boot_params. */
export function readLiveFlight(root: string): FlightSource {
  const folder = join(root, 'kernel/boot_params');
  for (const node of list(join(folder, 'setup_data'))) {
    const type = Number(readFile(join(node, 'type')).toString('latin1').trim());
    if (type !== RECORD.setupDataType) continue;
    const from = join(node, 'data');
    return { bytes: readFile(from), from };
  }
  const page = join(folder, 'data');
  if (!existsSync(page)) none(`${folder}: not there: only x86 kernels have it, with sysfs mounted`);
  return recordIn(readFile(page), page) ?? none(NO_RECORD);
}

/** The record in a file: as it is, or in a copy of boot_params; `-` for standard input. */
export function readFlightFile(path: string): FlightSource {
  const bytes = readFile(path);
  const name = path === '-' ? 'standard input' : path;
  if (startsFlight(bytes)) return { bytes, from: name };
  if (bytes.length !== BOOT_PARAMS.size) {
    const message = `${name}: neither a flight record nor a copy of boot_params, which has ${BOOT_PARAMS.size} bytes`;
    throw new ShootdownError('bad-input', message);
  }
  return recordIn(bytes, name) ?? none(`${name}: ${NO_RECORD}`);
}

function recordIn(page: Uint8Array, from: string): FlightSource | undefined {
  const bytes = page.subarray(BOOT_PARAMS.pad9);
  return startsFlight(bytes) ? { bytes, from } : undefined;
}

function none(message: string): never {
  throw new ShootdownError('not-found', message);
}

/** Folders of setup data by number; none where the kernel has none. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .sort((a, b) => Number(a) - Number(b))
      .map((name) => join(folder, name));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw fileError(folder, cause);
  }
}

/** Reads to the end or the bound: what sysfs says of a size need not hold, and a file may have no end. */
function readFile(path: string): Buffer {
  try {
    if (path === '-') return bounded(STDIN);
    const fd = openSync(path, 'r');
    try {
      return bounded(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw fileError(path, cause);
  }
}

function bounded(fd: number): Buffer {
  const chunks: Buffer[] = [];
  for (let total = 0; total <= BYTES_MAX; ) {
    const chunk = Buffer.alloc(64 * 1024);
    const length = readSync(fd, chunk, 0, chunk.length, null);
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, length));
    total += length;
  }
  throw new ShootdownError('bad-input', 'larger than 16 MiB: not a flight record');
}

function fileError(path: string, cause: unknown): ShootdownError {
  if (cause instanceof ShootdownError) return new ShootdownError(cause.code, `${path}: ${cause.message}`);
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM')
    return new ShootdownError('no-permission', `${path}: no permission to read it; run as root`, { cause });
  return readError(path, cause);
}
