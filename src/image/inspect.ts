import { ShootdownError } from '../pci/error.js';
import { type Block, findBlock } from './block.js';
import { type BzImage, checkWrappable, parseBzImage, protocol } from './bzimage.js';
import { compressionOf } from './kind.js';
import { ENTRY, ENTRY_64, GUARD } from './layout.js';
import { decodeOriginal, restoreOriginal, sha256 } from './original.js';
import type { StubProgram } from './stub.js';
import type { Table, TableAction } from './table-data.js';
import { parseTable } from './table-parse.js';
import { guardFor } from './wrap.js';

/** What can be said of a bzImage without running it. Sizes in bytes. */
export interface ImageInfo {
  readonly bytes: number;
  readonly sha256: string;
  readonly kernel: KernelInfo;
  /**
   * Whether the file carries a signature: by whom, and whether it is valid, is not looked at. `impossible`: there is no
   * PE header that could hold one.
   */
  readonly signature: 'present' | 'absent' | 'impossible';
  readonly wrapped: WrappedInfo | null;
  /** Why the stub cannot be put into it; `null` if it can, or is there already. */
  readonly unfit: string | null;
}

export interface KernelInfo {
  /** As in `uname -r`, then who built it. */
  readonly version: string | null;
  /** As in `2.15`. */
  readonly protocol: string;
  readonly typeOfLoader: number;
  readonly loadflags: number;
  readonly xloadflags: number;
  readonly relocatable: boolean;
  readonly kernelAlignment: number;
  readonly cmdlineSize: number;
  readonly prefAddress: bigint;
  readonly initSize: number;
  readonly payload: { readonly offset: number; readonly bytes: number; readonly compression: string | null };
}

export interface WrappedInfo {
  readonly stub: {
    readonly bytes: number;
    readonly sha256: string;
    /** Program and guard are byte for byte those of this version of the tool. */
    readonly ofThisVersion: boolean;
  };
  /** Of the stub's block, from the start of the protected-mode code. */
  readonly blockOffset: number;
  readonly blockBytes: number;
  /** What the original says: the kernel's own memory. */
  readonly initSize: number;
  /** Room for the flight record. */
  readonly tailBytes: number;
  /** Bridges and functions that are not quiet: so many the stub can list. */
  readonly scratchEntries: number;
  /** `null` where it cannot be read: `problems` says why. */
  readonly table:
    | (Pick<Table, 'template' | 'scanAll' | 'progress'> & {
        readonly bytes: number;
        /** In order, with what the table itself says is to be done, and what is done where none matches. */
        readonly rules: readonly { readonly id: string; readonly action: TableAction }[];
        readonly otherwise: TableAction;
        readonly knownFunctions: number;
        readonly bounds: {
          readonly walkMs: number;
          readonly pendingMs: number;
          readonly accesses: number;
          readonly tscKhz: number;
        };
      })
    | null;
  readonly original: {
    readonly bytes: number;
    readonly sha256: string;
    /** The version of the tool that wrapped it. */
    readonly tool: string;
    /** `unwrap` gives it back. */
    readonly restorable: boolean;
  } | null;
  readonly problems: readonly string[];
}

/** Looks into an image. Throws `unsupported` or `bad-input` for what is no bzImage, or a damaged one. */
export function inspectImage(bytes: Uint8Array, stub: StubProgram): ImageInfo {
  const image = parseBzImage(bytes);
  const block = findBlock(image);
  return {
    bytes: bytes.length,
    sha256: sha256(bytes),
    kernel: kernelInfo(image),
    signature: !image.pe ? 'impossible' : image.pe.certificate ? 'present' : 'absent',
    wrapped: block ? wrappedInfo(image, block, stub) : null,
    unfit: block ? null : (problemOf(() => checkWrappable(image)) ?? null),
  };
}

function kernelInfo({ file, setup, codeAt }: BzImage): KernelInfo {
  const { kernel, payloadOffset, payloadLength, version: _, ...fields } = setup;
  return {
    version: kernel ?? null,
    protocol: protocol(setup),
    ...fields,
    payload: {
      offset: payloadOffset,
      bytes: payloadLength,
      compression: compressionOf(file, codeAt + payloadOffset) ?? null,
    },
  };
}

/** What the stub takes from the block's header as it stands, if `wrap` would have put something else there. */
function wrongRooms({ setup }: BzImage, block: Block): string[] {
  const { offset, bytes, scratch, scratchEntries, initSize, kernelAlignment, program, programId } = block;
  const wrong: string[] = [];
  const fits = scratch >= offset + bytes.length && scratch + scratchEntries * ENTRY.bytes <= initSize;
  if (!fits) wrong.push('the list of functions would lie outside its room: do not load this image');
  if (kernelAlignment !== setup.kernelAlignment)
    wrong.push(`the stub goes by an alignment of ${kernelAlignment}, the kernel by ${setup.kernelAlignment}`);
  if (programId !== Number.parseInt(sha256(program).slice(0, 8), 16))
    wrong.push('the flight record would name another program than the one that is there');
  return wrong;
}

function wrappedInfo(image: BzImage, block: Block, stub: StubProgram): WrappedInfo {
  const problems: string[] = [];
  const attempt = <T>(action: () => T): T | undefined => {
    let result: T | undefined;
    const problem = problemOf(() => {
      result = action();
    });
    if (problem !== undefined) problems.push(problem);
    return result;
  };
  const table = attempt(() => parseTable(block.table));
  const original = attempt(() => decodeOriginal(block.original).info);
  const restored =
    original && attempt(() => restoreOriginal(image.file.bytes, block.original, image.codeAt + block.offset));
  if (image.setup.initSize !== block.initSize + block.tailBytes) {
    problems.push(
      `init_size is ${image.setup.initSize}, and the kernel's own ${block.initSize} with the tail make ${block.initSize + block.tailBytes}: there will be no full flight record`,
    );
  }
  problems.push(...wrongRooms(image, block));
  return {
    stub: {
      bytes: block.program.length,
      sha256: sha256(block.program),
      ofThisVersion: isProgram(image, block, stub),
    },
    blockOffset: block.offset,
    blockBytes: block.bytes.length,
    initSize: block.initSize,
    tailBytes: block.tailBytes,
    scratchEntries: block.scratchEntries,
    table: table
      ? {
          template: table.template,
          scanAll: table.scanAll,
          progress: table.progress,
          bytes: block.table.length,
          rules: table.rules.map(({ action }, n) => ({ id: table.template.rules[n] ?? `rule ${n}`, action })),
          otherwise: table.otherwise,
          knownFunctions: table.known.length,
          bounds: {
            walkMs: Number(table.walkTicks) / table.tscKhz,
            pendingMs: Number(table.pendingTicks) / table.tscKhz,
            accesses: table.maxAccesses,
            tscKhz: table.tscKhz,
          },
        }
      : null,
    original: original
      ? {
          bytes: original.length,
          sha256: original.sha256,
          tool: original.tool,
          restorable: restored !== undefined,
        }
      : null,
    problems,
  };
}

/** All that would run is this stub's: program, and the guard with nothing behind it. */
function isProgram({ file, codeAt }: BzImage, block: Block, stub: StubProgram): boolean {
  const guard = new Uint8Array(ENTRY_64 - GUARD.offset);
  guard.set(guardFor(stub, block.offset));
  const found = file.slice(codeAt + GUARD.offset, guard.length);
  return Buffer.compare(block.program, stub.program) === 0 && Buffer.compare(found, guard) === 0;
}

function problemOf(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof ShootdownError) return error.message;
    throw error;
  }
}
