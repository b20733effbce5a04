import { ShootdownError } from '../pci/error.js';
import { type BlockParts, ENTRY_JUMP, findBlock } from './block.js';
import { type BzImage, checkWrappable, parseBzImage, reservedBytes } from './bzimage.js';
import { BLOCK, ENTRY, ENTRY_64, GUARD, SETUP } from './layout.js';
import { encodeOriginal, restoreOriginal, sha256 } from './original.js';
import { alignUp } from './reader.js';
import type { StubProgram } from './stub.js';

export interface WrapOptions {
  readonly stub: StubProgram;
  /** Rules and known functions, as the stub reads them. */
  readonly table: Uint8Array;
  /** Room for the flight record: `init_size` grows by so many bytes, a multiple of 4096. */
  readonly tailBytes: number;
  /** Give a kernel that is wrapped already a new stub; otherwise it is refused. */
  readonly replace?: boolean;
}

/** Where the block puts its parts: offsets from its start, all a multiple of 8. */
interface BlockLayout {
  readonly table: number;
  readonly original: number;
  readonly bytes: number;
  /** From the start of the protected-mode code. */
  readonly scratch: number;
  readonly scratchEntries: number;
}

const PAGE = 4096;
/** `syssize` counts in these; sbsign wants a multiple of 8. */
const PARAGRAPH = 16;
const SCRATCH_ENTRIES_MIN = 1024;
const SCRATCH_ENTRIES_MAX = 65_535;

/**
 * Puts the stub into a bzImage: `docs/wrap.md` has the picture. A signature is removed, since it would be void. Throws
 * `unsupported` or `bad-input` for what cannot be wrapped, `refused` for a kernel that is wrapped already.
 */
export function wrapImage(input: Uint8Array, options: WrapOptions): Uint8Array {
  const given = parseBzImage(input);
  const wrapped = findBlock(given);
  if (wrapped && !options.replace) {
    throw new ShootdownError(
      'refused',
      'it is wrapped already: --replace gives it a new stub, unwrap removes it',
    );
  }
  const image = wrapped ? parseBzImage(unwrapImage(input)) : given;
  checkWrappable(image);
  const { file, setup, codeAt, codeEnd } = image;
  checkTail(setup.initSize, options.tailBytes);

  const offset = alignUp(reservedBytes(image), BLOCK.alignment);
  const block = makeBlock({
    offset,
    program: options.stub.program,
    programId: Number.parseInt(sha256(options.stub.program).slice(0, 8), 16),
    table: options.table,
    original: encodeOriginal(file.bytes, codeEnd, changedRanges(image)),
    tailBytes: options.tailBytes,
    initSize: setup.initSize,
    kernelAlignment: setup.kernelAlignment,
  });
  const bytes = new Uint8Array(codeAt + offset + block.length);
  bytes.set(file.slice(0, codeEnd));
  bytes.set(block, codeAt + offset);
  changeHeaders(bytes, image, options.tailBytes);
  bytes.fill(0, codeAt + GUARD.offset, codeAt + GUARD.end);
  bytes.set(guardFor(options.stub, offset), codeAt + GUARD.offset);
  bytes.set(ENTRY_JUMP, codeAt + ENTRY_64);
  assertPayload(image, bytes);
  return bytes;
}

/** The kernel as it was before it was wrapped, byte for byte, also if it was signed since. */
export function unwrapImage(bytes: Uint8Array): Uint8Array {
  const image = parseBzImage(bytes);
  const block = findBlock(image);
  if (!block) throw new ShootdownError('refused', 'it is not wrapped: there is nothing to unwrap');
  return restoreOriginal(bytes, block.original, image.codeAt + block.offset);
}

/** The guard for a block at this offset from the start of the protected-mode code. */
export function guardFor({ guard, guardFixups }: StubProgram, blockOffset: number): Uint8Array {
  const fixed = guard.slice();
  const view = new DataView(fixed.buffer);
  for (const at of guardFixups) view.setInt32(at, view.getInt32(at, true) + blockOffset, true);
  return fixed;
}

function checkTail(initSize: number, tailBytes: number): void {
  if (tailBytes <= 0 || tailBytes % PAGE !== 0) {
    throw new ShootdownError('usage', `the tail must be a multiple of 4 KiB, not ${tailBytes} bytes`);
  }
  if (initSize + tailBytes > 0xffff_ffff) {
    throw new ShootdownError('usage', `a tail of ${tailBytes} bytes does not fit behind the kernel`);
  }
}

/** All that `wrapImage` writes to before the block. */
function changedRanges({ pe, codeAt }: BzImage): [number, number][] {
  return [
    ...(pe
      ? ([
          [pe.imageBytesAt, 4],
          [pe.checksumAt, 4],
        ] as [number, number][])
      : []),
    ...(pe?.certificateEntryAt === undefined ? [] : [[pe.certificateEntryAt, 8] as [number, number]]),
    [SETUP.syssize, 4],
    [SETUP.initSize, 4],
    [codeAt + GUARD.offset, ENTRY_64 + ENTRY_JUMP.length - GUARD.offset],
  ];
}

function changeHeaders(bytes: Uint8Array, { pe, setup, codeAt }: BzImage, tailBytes: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint32(SETUP.syssize, (bytes.length - codeAt) / PARAGRAPH, true);
  view.setUint32(SETUP.initSize, setup.initSize + tailBytes, true);
  if (!pe) return;
  // Kernels that unpack themselves where firmware put them take this for init_size and the alignment.
  view.setUint32(pe.imageBytesAt, pe.imageBytes + tailBytes, true);
  view.setUint32(pe.checksumAt, 0, true);
  if (pe.certificateEntryAt !== undefined) view.setBigUint64(pe.certificateEntryAt, 0n, true);
}

function makeBlock(parts: BlockParts): Uint8Array {
  const layout = layOut(parts);
  const bytes = new Uint8Array(layout.bytes);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from(BLOCK.magic, 'latin1'));
  const fields: readonly [number, number][] = [
    [BLOCK.versionAt, BLOCK.version],
    [BLOCK.blockBytes, layout.bytes],
    [BLOCK.programBytes, parts.program.length],
    [BLOCK.table, layout.table],
    [BLOCK.tableBytes, parts.table.length],
    [BLOCK.original, layout.original],
    [BLOCK.originalBytes, parts.original.length],
    [BLOCK.tailBytes, parts.tailBytes],
    [BLOCK.initSize, parts.initSize],
    [BLOCK.scratch, layout.scratch],
    [BLOCK.scratchEntries, layout.scratchEntries],
    [BLOCK.blockOffset, parts.offset],
    [BLOCK.kernelAlignment, parts.kernelAlignment],
    [BLOCK.programId, parts.programId],
  ];
  for (const [at, value] of fields) view.setUint32(at, value, true);
  bytes.set(parts.program, BLOCK.headerBytes);
  bytes.set(parts.table, layout.table);
  bytes.set(parts.original, layout.original);
  return bytes;
}

function layOut({ offset, program, table, original, initSize }: BlockParts): BlockLayout {
  const tableAt = alignUp(BLOCK.headerBytes + program.length, 8);
  const originalAt = alignUp(tableAt + table.length, 8);
  const bytes = alignUp(originalAt + original.length, PARAGRAPH);
  const scratch = alignUp(offset + bytes, PAGE);
  const room = Math.floor((initSize - scratch) / ENTRY.bytes);
  if (room < SCRATCH_ENTRIES_MIN) {
    throw new ShootdownError(
      'unsupported',
      `its memory (init_size, ${initSize} bytes) has no room for the stub: with it, the image takes ${scratch} bytes, and the stub's list ${SCRATCH_ENTRIES_MIN * ENTRY.bytes} more`,
    );
  }
  return {
    table: tableAt,
    original: originalAt,
    bytes,
    scratch,
    scratchEntries: Math.min(SCRATCH_ENTRIES_MAX, room),
  };
}

/** What the kernel unpacks must be what it was. */
function assertPayload({ file, setup, codeAt }: BzImage, wrapped: Uint8Array): void {
  const at = codeAt + setup.payloadOffset;
  const [before, after] = [file.bytes, wrapped].map((bytes) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).subarray(at, at + setup.payloadLength),
  );
  if (!before || !after || Buffer.compare(before, after) !== 0)
    throw new Error('wrapping changed the payload');
}
