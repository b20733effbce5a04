import { ShootdownError } from '../pci/error.js';
import type { BzImage } from './bzimage.js';
import { BLOCK, ENTRY_64, GUARD } from './layout.js';
import { Reader } from './reader.js';

/** `jmp rel8` from the 64-bit entry back to the guard. */
export const ENTRY_JUMP = [0xeb, GUARD.offset - (ENTRY_64 + 2) + 0x100] as const;

/** The stub's block in a wrapped image; each part lies within it. */
export interface Block {
  /** From the start of the protected-mode code. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly version: number;
  readonly program: Uint8Array;
  readonly table: Uint8Array;
  readonly original: Uint8Array;
  readonly tailBytes: number;
  /** Of the original. */
  readonly initSize: number;
  readonly scratch: number;
  readonly scratchEntries: number;
  readonly kernelAlignment: number;
  readonly programId: number;
}

/** What goes into a block's header, beside what follows from the parts. */
export interface BlockParts {
  readonly offset: number;
  readonly program: Uint8Array;
  readonly programId: number;
  readonly table: Uint8Array;
  readonly original: Uint8Array;
  readonly tailBytes: number;
  readonly initSize: number;
  readonly kernelAlignment: number;
}

/**
 * The block of a wrapped image; `undefined` for an image that is not wrapped. Found by what runs: the jump at the
 * 64-bit entry and the addresses in the guard behind it. Throws `bad-input` for one whose block is missing or damaged.
 */
export function findBlock(image: BzImage): Block | undefined {
  const { file, codeAt } = image;
  if (file.slice(codeAt + ENTRY_64, 2).some((byte, i) => byte !== ENTRY_JUMP[i])) return undefined;
  const offset = blockOffset(image);
  if (offset === undefined) {
    throw damaged('it jumps to a guard at its 64-bit entry, and there is no stub that the guard would enter');
  }
  return parseBlock(image, offset);
}

/**
 * Where the guard's references lead. Each stub has a guard of its own: so any four bytes in it that, as a displacement,
 * lead to a page that begins as a block does, at the place that the block itself names.
 */
function blockOffset({ file, codeAt }: BzImage): number | undefined {
  for (let at = GUARD.offset; at + 4 <= GUARD.end; at++) {
    // An immediate behind the displacement moves what it is relative to by up to 8 bytes.
    const target = at + 4 + file.i32(codeAt + at) + 8;
    const offset = target - (target & (BLOCK.alignment - 1));
    if (offset < GUARD.end || codeAt + offset + BLOCK.headerBytes > file.length) continue;
    const header = codeAt + offset;
    if (file.has(header, BLOCK.magic) && file.u32(header + BLOCK.blockOffset) === offset) return offset;
  }
  return undefined;
}

function parseBlock({ file, codeAt, codeEnd }: BzImage, offset: number): Block {
  const start = codeAt + offset;
  const length = file.u32(start + BLOCK.blockBytes);
  if (start + length > codeEnd || length < BLOCK.headerBytes) {
    throw damaged('its stub is cut short');
  }
  const version = file.u32(start + BLOCK.versionAt);
  if (version !== BLOCK.version) {
    throw new ShootdownError(
      'unsupported',
      `it was wrapped in another way (block version ${version}, this shootdown knows ${BLOCK.version}): use the shootdown that wrapped it`,
    );
  }
  const block = new Reader(file.slice(start, length));
  const part = (at: number, bytes: number) => {
    const [from, count] = [block.u32(at), block.u32(bytes)];
    if (from < BLOCK.headerBytes || from + count > length)
      throw damaged('a part of its stub lies outside of it');
    return block.slice(from, count);
  };
  const programBytes = block.u32(BLOCK.programBytes);
  if (BLOCK.headerBytes + programBytes > length) throw damaged('its stub is cut short');
  return {
    offset,
    bytes: block.bytes,
    version,
    program: block.slice(BLOCK.headerBytes, programBytes),
    table: part(BLOCK.table, BLOCK.tableBytes),
    original: part(BLOCK.original, BLOCK.originalBytes),
    tailBytes: block.u32(BLOCK.tailBytes),
    initSize: block.u32(BLOCK.initSize),
    scratch: block.u32(BLOCK.scratch),
    scratchEntries: block.u32(BLOCK.scratchEntries),
    kernelAlignment: block.u32(BLOCK.kernelAlignment),
    programId: block.u32(BLOCK.programId),
  };
}

function damaged(what: string): ShootdownError {
  return new ShootdownError('bad-input', `${what}: the file is damaged, take the original from its package`);
}
