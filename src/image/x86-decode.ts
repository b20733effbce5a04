import { hex } from '../pci/slot.js';
import type { Cpu } from './x86-cpu.js';
import { OPCODES } from './x86-instructions.js';
import { memoryTarget, type OperandBits, type Operands, type Target } from './x86-operands.js';
import { stop } from './x86-stop.js';

/** What an instruction is and does; independent of where it stands. */
export interface Decoded {
  readonly bytes: Uint8Array;
  /** Its opcode, as in `OPCODES`. */
  readonly opcode: string;
  /** `cpu.rip` is already that of the next one. */
  readonly run: (cpu: Cpu) => void;
}

const LENGTH_MAX = 15;
const REX_W = 8;
const REX_R = 4;
const REX_X = 2;
const REX_B = 1;

/** Decodes, and knows again what it has decoded: thousands of runs are of the same program. */
export class Decoder {
  /** By the first three bytes. */
  readonly #known = new Map<number, Decoded[]>();

  /** The instruction at `bytes[at]`. Stops for every one that is not in `OPCODES`. */
  at(bytes: Uint8Array, at: number): Decoded {
    const key = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    const alike = this.#known.get(key) ?? [];
    for (const one of alike) if (startsWith(bytes, at, one.bytes)) return one;
    const decoded = decode(bytes.subarray(at, at + LENGTH_MAX));
    this.#known.set(key, [...alike, decoded]);
    return decoded;
  }
}

function startsWith(bytes: Uint8Array, at: number, start: Uint8Array): boolean {
  for (let i = 0; i < start.length; i++) if (bytes[at + i] !== start[i]) return false;
  return true;
}

function decode(bytes: Uint8Array): Decoded {
  const reader = new Reader(bytes);
  let narrow = false;
  let repeat = '';
  let byte = reader.u8();
  while (byte === 0x66 || byte === 0xf3) {
    if (byte === 0x66 ? narrow : repeat !== '') reader.unknown();
    if (byte === 0x66) narrow = true;
    else repeat = 'f3 ';
    byte = reader.u8();
  }
  const rex = (byte & 0xf0) === 0x40 ? byte : 0;
  if (rex !== 0) byte = reader.u8();
  const name = repeat + (byte === 0x0f ? `0f ${hex(reader.u8(), 2)}` : hex(byte, 2));
  const found = reader.find(name);
  const { form, build } = OPCODES.get(found) ?? reader.unknown();
  const isWide = (rex & REX_W) !== 0;
  if (form !== 'sized' && (narrow || isWide !== (form === 'wide'))) reader.unknown();
  const bits = form === 'byte' ? 8 : isWide ? 64 : narrow ? 16 : 32;
  const run = build(new Fields(reader, bits, rex));
  return { bytes: bytes.slice(0, reader.at), opcode: found, run };
}

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The name of what stands here: with the digit of its ModRM byte, where the opcode alone names nothing. */
  find(name: string): string {
    if (OPCODES.has(name)) return name;
    return `${name} /${((this.#bytes[this.at] ?? 0) >> 3) & 7}`;
  }

  u8(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) this.unknown();
    this.at++;
    return byte;
  }

  i8(): number {
    return (this.u8() << 24) >> 24;
  }

  i16(): number {
    return this.u8() | (this.i8() << 8);
  }

  i32(): number {
    return this.u8() | (this.u8() << 8) | (this.u8() << 16) | (this.u8() << 24);
  }

  unknown(): never {
    const bytes = [...this.#bytes].map((byte) => hex(byte, 2)).join(' ');
    return stop(`not an instruction of the stub: ${bytes}`);
  }
}

/** What follows the opcode, in the order in which it is asked for. */
class Fields implements Operands {
  readonly #reader: Reader;
  readonly #rex: number;
  readonly bits: OperandBits;

  constructor(reader: Reader, bits: OperandBits, rex: number) {
    this.#reader = reader;
    this.bits = bits;
    this.#rex = rex;
  }

  get rex(): boolean {
    return this.#rex !== 0;
  }

  opcodeRegister(low: number): number {
    return low | ((this.#rex & REX_B) << 3);
  }

  modrm(): { readonly register: number; readonly target: Target } {
    const byte = this.#reader.u8();
    const register = ((byte >> 3) & 7) | ((this.#rex & REX_R) << 1);
    return { register, target: this.#target(byte >> 6, byte & 7) };
  }

  constant(bits: 8 | 16 | 32): number {
    if (bits === 8) return this.#reader.i8();
    return bits === 16 ? this.#reader.i16() : this.#reader.i32();
  }

  unknown(): never {
    return this.#reader.unknown();
  }

  #target(mode: number, low: number): Target {
    if (mode === 3) return { kind: 'register', register: low | ((this.#rex & REX_B) << 3) };
    if (low === 4) return this.#scaled(mode);
    if (mode === 0 && low === 5) return place('rip', undefined, 1, this.#reader.i32());
    return place(low | ((this.#rex & REX_B) << 3), undefined, 1, this.#displacement(mode));
  }

  #scaled(mode: number): Target {
    const sib = this.#reader.u8();
    const index = ((sib >> 3) & 7) | ((this.#rex & REX_X) << 2);
    const base = (sib & 7) | ((this.#rex & REX_B) << 3);
    const scale = [1, 2, 4, 8][sib >> 6] as 1 | 2 | 4 | 8;
    const indexOrNone = index === 4 ? undefined : index;
    if (mode === 0 && (sib & 7) === 5) return place(undefined, indexOrNone, scale, this.#reader.i32());
    return place(base, indexOrNone, scale, this.#displacement(mode));
  }

  #displacement(mode: number): number {
    return mode === 0 ? 0 : mode === 1 ? this.#reader.i8() : this.#reader.i32();
  }
}

function place(
  base: number | 'rip' | undefined,
  index: number | undefined,
  scale: 1 | 2 | 4 | 8,
  displacement: number,
): Target {
  return memoryTarget({ base, index, scale, displacement });
}
