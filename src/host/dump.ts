import { type FileHandle, open } from 'node:fs/promises';
import { type VisibleBytes, visibleFor } from '../pci/config-image.js';
import { ShootdownError } from '../pci/error.js';
import { printable } from '../pci/printable.js';
import { hex, type Slot } from '../pci/slot.js';
import type { DumpContents, DumpedFunction } from './dump-block.js';
import { DumpParser } from './dump-parser.js';
import type { FunctionFacts } from './facts.js';
import { checkAccess, type Host, unknownSlot, type Width } from './port.js';

const CHUNK_BYTES = 256 * 1024;

/** The machine that a file of `lspci -x`, `-xxx` or `-xxxx` output shows. Rejects with `bad-input` if it shows none. */
export async function openDump(path: string): Promise<Host> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const stat = await file.stat();
    if (stat.isBlockDevice() || stat.isCharacterDevice()) {
      throw new ShootdownError('bad-input', `${printable(path)} is a device, not a file of lspci -x output`);
    }
    return await readDump(path, chunksOf(file));
  } catch (error) {
    throw error instanceof ShootdownError ? error : fileError(path, error);
  } finally {
    await file.close();
  }
}

/** As `openDump`, from bytes in chunks of any size, each of which is read before the next is asked for. */
export async function readDump(
  name: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Host> {
  const parser = new DumpParser();
  for await (const chunk of chunks) parser.push(chunk);
  return dumpHost(name, parser.end());
}

/** The host of a dump that was parsed. Throws `bad-input` if it has no functions. */
function dumpHost(name: string, contents: DumpContents): Host {
  if (contents.functions.size === 0) throw new ShootdownError('bad-input', noFunctions(name, contents));
  return new DumpHost(`dump:${name}`, contents);
}

class DumpHost implements Host {
  readonly name: string;
  readonly writable = false;
  readonly notes: readonly string[];
  readonly #functions: ReadonlyMap<Slot, DumpedFunction>;
  /** Made with -k or -v: a function without a line for its driver has none. */
  readonly #namesDrivers: boolean;

  constructor(name: string, contents: DumpContents) {
    this.name = name;
    this.notes = contents.notes;
    this.#functions = contents.functions;
    this.#namesDrivers = [...contents.functions.values()].some(({ driver }) => driver !== null);
  }

  async slots(): Promise<readonly Slot[]> {
    return [...this.#functions.keys()];
  }

  async visibleBytes(slot: Slot): Promise<VisibleBytes> {
    return visibleFor(this.#get(slot).length);
  }

  async read(slot: Slot, offset: number, width: Width): Promise<number> {
    checkAccess(slot, offset, width, await this.visibleBytes(slot));
    const bytes = knownFrom(this.#get(slot), offset, width);
    if (bytes.length < width) {
      const register = hex(offset, 2);
      throw new ShootdownError('io', `${slot}: the dump does not show register ${register}`, {
        slot,
        register,
      });
    }
    return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
  }

  async write(slot: Slot): Promise<void> {
    throw new ShootdownError('read-only', `${slot}: a dump cannot be written`, { slot });
  }

  async readRange(slot: Slot, offset: number, length: number): Promise<Uint8Array> {
    return knownFrom(this.#get(slot), offset, length);
  }

  async facts(slot: Slot): Promise<FunctionFacts> {
    const { driver } = this.#get(slot);
    return this.#namesDrivers ? { driver } : {};
  }

  async close(): Promise<void> {}

  #get(slot: Slot): DumpedFunction {
    const found = this.#functions.get(slot);
    if (!found) throw unknownSlot(this.name, slot);
    return found;
  }
}

/** Up to `length` bytes from `offset`, as far as they are known without a hole. */
function knownFrom(fn: DumpedFunction, offset: number, length: number): Uint8Array {
  const hole = fn.known ? fn.known.indexOf(0, offset) : -1;
  const end = Math.min(offset + length, hole === -1 ? fn.length : hole);
  const bytes = new Uint8Array(Math.max(0, end - offset));
  bytes.set(fn.bytes.subarray(offset, end));
  return bytes;
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array, void, void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

const MAKE_ONE = 'make a dump as root with "lspci -xxxx > FILE"';

function noFunctions(path: string, { seen }: DumpContents): string {
  const name = printable(path);
  const begins = (...magic: number[]) => magic.every((byte, i) => seen.magic[i] === byte);
  if (seen.bytes === 0) return `${name} is empty: ${MAKE_ONE}`;
  if (begins(0xff, 0xfe) || begins(0xfe, 0xff)) return `${name} is UTF-16 text: convert it to UTF-8 first`;
  if (begins(0x1f, 0x8b) || begins(0xfd, 0x37, 0x7a, 0x58)) return `${name} is compressed: unpack it first`;
  if (begins(0x7b)) {
    return `${name} is JSON, not lspci -x output: if it is an audit, use --audit where there is one`;
  }
  if (seen.headers > 0) {
    return `${name} names ${seen.headers} functions but shows no registers of them: ${MAKE_ONE}`;
  }
  if (seen.strayRows > 0) {
    return `${name} has hex rows, but no header line with a slot above them: ${MAKE_ONE}`;
  }
  return `${name} holds no lspci -x output: ${MAKE_ONE}`;
}

function fileError(path: string, error: unknown): ShootdownError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const name = printable(path);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new ShootdownError('not-found', `${name}: no such file`, { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new ShootdownError('no-permission', `${name}: no permission to read it`, { cause: error });
  }
  if (code === 'EISDIR') {
    return new ShootdownError('bad-input', `${name} is a directory, not a file of lspci -x output`, {
      cause: error,
    });
  }
  return new ShootdownError('io', `${name} cannot be read (${String(code ?? error)})`, { cause: error });
}
