import { findBlock } from '../../src/image/block.js';
import { parseBzImage } from '../../src/image/bzimage.js';
import { type ConfigBus, runOnBus } from '../../src/image/config-ports.js';
import { type ImageEntry, ImageRun, type Room } from '../../src/image/enter-image.js';
import { type FlightRecord, parseFlight } from '../../src/image/flight.js';
import type { Exit } from '../../src/image/interpreter.js';
import { BLOCK, BOOT_PARAMS, RECORD, SETUP } from '../../src/image/layout.js';
import { STUB } from '../../src/image/stub.generated.js';
import type { StubProgram } from '../../src/image/stub.js';
import { compileTable, type TableOptions } from '../../src/image/table.js';
import { wrapImage } from '../../src/image/wrap.js';
import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import type { Policy } from '../../src/quiesce/policy.js';
import { makeBzImage } from './bzimage.js';

export interface StubRunOptions extends Partial<TableOptions> {
  readonly policy?: Policy;
  readonly stub?: StubProgram;
  readonly tailBytes?: number;
  readonly noCommandLine?: boolean;
  /** The kernel that is wrapped. */
  readonly kernel?: Uint8Array;
  /** How the kernel is entered, where it is not by kexec. */
  readonly entry?: Partial<ImageEntry>;
}

export const CRASH = 'root=/dev/ram0 elfcorehdr=0x1000 irqpoll';
const KERNEL = makeBzImage();
const TAIL_BYTES = 32 * 1024;

export function wrapKernel(options: StubRunOptions = {}): Uint8Array {
  const { policy = defaultPolicy(), stub = STUB, tailBytes = TAIL_BYTES, kernel = KERNEL, ...rest } = options;
  const { bytes: table } = compileTable(policy, { tool: 'test', ...rest });
  return wrapImage(kernel, { stub, table, tailBytes });
}

/** A wrapped kernel that has been entered, and what became of it. */
export class StubRun {
  readonly image: ImageRun;
  /** All memory that the stub may write to. */
  readonly rooms: readonly Room[];
  /** Of the program, from the start of the protected-mode code. */
  readonly programOffset: number;
  readonly #tail: number;
  readonly #initSize: number;

  /** `change` is made to the image after it was wrapped, and looked at. */
  constructor(
    options: StubRunOptions = {},
    wrapped = wrapKernel(options),
    change?: (image: Uint8Array) => void,
  ) {
    const { stub = STUB, tailBytes = TAIL_BYTES, entry } = options;
    const parsed = parseBzImage(wrapped);
    const block = findBlock(parsed);
    if (!block) throw new Error('not wrapped');
    const image = wrapped.slice();
    change?.(image);
    const code = image.subarray(parsed.codeAt);
    this.image = new ImageRun({
      code,
      bootParams: image.slice(0, BOOT_PARAMS.size),
      ...(options.noCommandLine ? {} : { commandLine: CRASH }),
      ...entry,
    });
    const { loadAddress, bootParamsAddress } = this.image;
    const header = new DataView(code.buffer, code.byteOffset + block.offset);
    const scratch = header.getUint32(BLOCK.scratch, true);
    this.#initSize = header.getUint32(BLOCK.initSize, true);
    this.#tail = loadAddress + this.#initSize;
    this.programOffset = block.offset + BLOCK.headerBytes;
    const program = loadAddress + this.programOffset;
    this.rooms = [
      { address: program + stub.room, length: stub.program.length - stub.room },
      { address: loadAddress + scratch, length: this.#initSize - scratch },
      { address: this.#tail, length: tailBytes },
      { address: bootParamsAddress + SETUP.setupData, length: 8 },
      { address: bootParamsAddress + SETUP.initSize, length: 4 },
      { address: bootParamsAddress + BOOT_PARAMS.pad9, length: BOOT_PARAMS.size - BOOT_PARAMS.pad9 },
    ];
  }

  on(bus: ConfigBus, instructions?: number): Exit {
    return runOnBus(this.image.run(instructions), bus);
  }

  /** The bytes of the record in full, as the next kernel would find them. */
  setupData(): Uint8Array | null {
    const { memory } = this.image.machine;
    const node = this.#node;
    if (node === 0) return null;
    if (memory.read32(node + 8) !== RECORD.setupDataType) throw new Error('another type of setup_data');
    return this.#read(node + 16, memory.read32(node + 12));
  }

  /** What is wrong with where the record in full is. */
  recordMisplaced(): readonly string[] {
    const { bootParamsAddress } = this.image;
    const pad = this.#read(bootParamsAddress + BOOT_PARAMS.pad9, BOOT_PARAMS.size - BOOT_PARAMS.pad9);
    return [
      ...(this.#node >= this.#tail ? [] : ['it begins before the tail']),
      ...(this.#node % 16 === 0 ? [] : ['it is not aligned']),
      ...(pad.every((byte) => byte === 0) ? [] : ['there is a summary, too']),
    ];
  }

  get #node(): number {
    const { memory } = this.image.machine;
    const at = this.image.bootParamsAddress + SETUP.setupData;
    return (memory.read32(at) >>> 0) + (memory.read32(at + 4) >>> 0) * 2 ** 32;
  }

  /** What the decompressor is told. */
  get initSize(): number {
    return this.image.machine.memory.read32(this.image.bootParamsAddress + SETUP.initSize);
  }

  get record(): FlightRecord | null {
    const bytes = this.recordBytes();
    return bytes && parseFlight(bytes);
  }

  /** In full, or the summary in boot_params with what is behind it. */
  recordBytes(): Uint8Array | null {
    const bytes = this.setupData();
    if (bytes) return bytes;
    const summary = this.#read(
      this.image.bootParamsAddress + BOOT_PARAMS.pad9,
      BOOT_PARAMS.size - BOOT_PARAMS.pad9,
    );
    return summary.every((byte) => byte === 0) ? null : summary;
  }

  /** What it must never do, a line each; none if all is well. */
  problems(exit: Exit): readonly string[] {
    return [
      ...(exit.kind === 'arrived' ? [] : [`${exit.kind}: ${exit.why} at ${exit.rip.toString(16)}`]),
      ...this.image.disturbed(),
      ...(this.setupData() && this.initSize !== this.#initSize
        ? ['the decompressor would run over the record']
        : []),
      ...this.image
        .stray(this.rooms)
        .map(({ region, address, length }) => `${length} bytes of ${region} at ${address.toString(16)}`),
    ];
  }

  #read(address: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, at) => this.image.machine.memory.read8(address + at));
  }
}
