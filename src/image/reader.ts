import { ShootdownError } from '../pci/error.js';

/** Bytes of a file that may be damaged: whatever lies outside of it is `bad-input`, never another error. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  u8(at: number): number {
    return this.#view.getUint8(this.#checked(at, 1));
  }

  u16(at: number): number {
    return this.#view.getUint16(this.#checked(at, 2), true);
  }

  u32(at: number): number {
    return this.#view.getUint32(this.#checked(at, 4), true);
  }

  i32(at: number): number {
    return this.#view.getInt32(this.#checked(at, 4), true);
  }

  u64(at: number): bigint {
    return this.#view.getBigUint64(this.#checked(at, 8), true);
  }

  /** Shares memory with `bytes`. */
  slice(at: number, length: number): Uint8Array {
    return this.bytes.subarray(this.#checked(at, length), at + length);
  }

  /** One byte a character; `false` where the file ends before. */
  has(at: number, text: string): boolean {
    if (at + text.length > this.length) return false;
    for (let i = 0; i < text.length; i++) if (this.bytes[at + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  #checked(at: number, length: number): number {
    if (!Number.isSafeInteger(at) || at < 0 || length < 0 || at + length > this.length) {
      throw new ShootdownError(
        'bad-input',
        `it ends before offset 0x${(at + length).toString(16)}: the file is cut short or damaged`,
      );
    }
    return at;
  }
}

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
