import { createReadStream, type Dirent, readdirSync, type Stats, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { ShootdownError } from '../pci/error.js';
import { readError } from './read-error.js';

/** One stream of audits. */
export interface FleetSource {
  /** What messages call it. */
  readonly name: string;
  /** The machine's, if the first audit in it does not say; `undefined` where there may be many. */
  readonly machine: string | undefined;
  /** Somebody types it. */
  readonly terminal: boolean;
  /** Its bytes, unpacked. Rejects where they cannot be read, and when the signal aborts. */
  bytes(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A place that cannot be read at all. */
interface BadPlace {
  readonly place: string;
  readonly problem: string;
}

const STANDARD_INPUT = 'standard input';
const CHUNK = 1 << 20;
const KNOWN = /\.(json|ndjson|jsonl)(\.(gz|zst))?$/i;
const ONE_MACHINE = /\.json(\.(gz|zst))?$/i;

/**
 * What the arguments name: folders with all below them that is named like audits, files, `-`. Sorted by name; links to
 * folders are not followed. `skip` says which files are not meant, since they are this run's outputs.
 */
export function* fleetSources(
  paths: readonly string[],
  skip: (path: string) => boolean,
): Generator<FleetSource | BadPlace, void, void> {
  for (const path of paths) {
    if (path === '-') yield standardInput();
    else if (kindOf(path) === 'folder') yield* folderSources(path, path, skip);
    else if (!skip(path)) yield fileSource(path, path);
  }
}

function* folderSources(
  folder: string,
  base: string,
  skip: (path: string) => boolean,
): Generator<FleetSource | BadPlace, void, void> {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    yield { place: folder, problem: problemOf(folder, readError(folder, cause)) };
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* folderSources(path, base, skip);
    else if (entry.name.startsWith('.') || !KNOWN.test(entry.name) || skip(path)) continue;
    // A link may lead to a file; a pipe or a device in a folder is not read.
    else if (entry.isFile() || (entry.isSymbolicLink() && kindOf(path) !== 'other'))
      yield fileSource(path, base);
  }
}

function kindOf(path: string): 'file' | 'folder' | 'other' {
  try {
    const stat = statSync(path);
    return stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : 'other';
  } catch {
    // Whoever opens it says why.
    return 'file';
  }
}

/** Both are there and lead to one file. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [statOf(one), statOf(other)];
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function fileSource(path: string, base: string): FleetSource {
  const below = path === base ? path.slice(path.lastIndexOf(sep) + 1) : relative(base, path);
  const machine = ONE_MACHINE.test(path) ? below.replace(KNOWN, '') : undefined;
  return {
    name: path,
    machine,
    terminal: false,
    bytes: (signal) => unpacked(path, createReadStream(path, { highWaterMark: CHUNK }), signal),
  };
}

function standardInput(): FleetSource {
  return {
    name: STANDARD_INPUT,
    machine: undefined,
    terminal: process.stdin.isTTY,
    bytes: (signal) => unpacked(STANDARD_INPUT, process.stdin, signal),
  };
}

type Decompress = () => NodeJS.ReadWriteStream & Readable;
const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

/** By what it begins with, not by its name. */
async function* unpacked(name: string, stream: Readable, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const stop = () => stream.destroy(new ShootdownError('io', `stopped while reading ${name}`));
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const iterator = stream.iterator() as AsyncIterator<Uint8Array>;
    const head: Uint8Array[] = [];
    let length = 0;
    let ended = false;
    while (length < ZSTD.length && !ended) {
      const { value, done } = await iterator.next();
      ended = done === true;
      if (value) head.push(value);
      length += value?.length ?? 0;
    }
    const start = Buffer.concat(head);
    const rest = restOf(start, ended ? undefined : iterator);
    const decompress = decompressor(name, start);
    yield* decompress ? piped(rest, decompress()) : rest;
  } catch (cause) {
    throw cause instanceof ShootdownError ? cause : sourceError(name, cause);
  } finally {
    signal.removeEventListener('abort', stop);
    stream.destroy();
  }
}

async function* restOf(
  start: Uint8Array,
  iterator: AsyncIterator<Uint8Array> | undefined,
): AsyncIterable<Uint8Array> {
  yield start;
  for (;;) {
    const next = await iterator?.next();
    if (next === undefined || next.done) return;
    yield next.value;
  }
}

function decompressor(name: string, start: Uint8Array): Decompress | undefined {
  const begins = (magic: readonly number[]) => magic.every((byte, at) => start[at] === byte);
  if (begins(GZIP)) return () => zlib.createGunzip({ chunkSize: CHUNK });
  if (!begins(ZSTD)) return undefined;
  // From Node 22.15 on.
  const { createZstdDecompress } = zlib as { createZstdDecompress?: Decompress };
  if (createZstdDecompress) return createZstdDecompress;
  const message = `${name}: zstd, which this Node cannot unpack: zstd -dc FILE | shootdown report fleet -`;
  throw new ShootdownError('unsupported', message);
}

async function* piped(
  input: AsyncIterable<Uint8Array>,
  through: ReturnType<Decompress>,
): AsyncIterable<Uint8Array> {
  // An error reaches whoever reads from the last of them.
  const output = pipeline(Readable.from(input), through, () => {});
  yield* output as unknown as AsyncIterable<Uint8Array>;
}

function sourceError(name: string, cause: unknown): ShootdownError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code?.startsWith('Z_')) {
    const what =
      code === 'Z_BUF_ERROR' ? 'the compressed data end too early' : 'the compressed data are damaged';
    return new ShootdownError('bad-input', `${name}: ${what}`, { cause });
  }
  return readError(name, cause);
}

/** A message without the place that it begins with. */
export function problemOf(place: string, error: Error): string {
  const { message } = error;
  return message.startsWith(`${place}: `) ? message.slice(place.length + 2) : message;
}
