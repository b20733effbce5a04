/** All that functions have beyond the first 256 bytes ends here; what follows reads as zero and cannot be written. */
const EXTENDED_BYTES = 0x200;
const CONVENTIONAL_BYTES = 0x100;

/**
 * The configuration space of one function: what it holds, which bits can be written, and which are cleared by
 * writing 1. Side effects are not here: they follow from the range that was written.
 */
export class ConfigSpace {
  readonly config: Uint8Array;
  readonly writable: Uint8Array;
  readonly w1c: Uint8Array;
  readonly #visible: number;

  constructor(visible: 256 | 4096 = 4096) {
    const length = visible === 256 ? CONVENTIONAL_BYTES : EXTENDED_BYTES;
    this.#visible = visible;
    // One allocation for the three: a machine has thousands of functions, and is made in a moment.
    const bytes = new Uint8Array(3 * length);
    this.config = bytes.subarray(0, length);
    this.writable = bytes.subarray(length, 2 * length);
    this.w1c = bytes.subarray(2 * length);
  }

  /** All of it as it is, in as many bytes as can be seen. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#visible);
    bytes.set(this.config);
    return bytes;
  }

  read(offset: number, width: number): number {
    const { config } = this;
    if (width === 2) return (config[offset] ?? 0) | ((config[offset + 1] ?? 0) << 8);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (config[offset + i] ?? 0);
    return value;
  }

  /** What arrives from the bus. */
  write(offset: number, width: number, value: number): void {
    for (let i = 0; i < width; i++) {
      const at = offset + i;
      const byte = (value >>> (8 * i)) & 0xff;
      const mask = this.writable[at] ?? 0;
      const kept = ((this.config[at] ?? 0) & ~mask) | (byte & mask);
      this.config[at] = kept & ~(byte & (this.w1c[at] ?? 0));
    }
  }

  /** What the hardware itself puts there, past all masks. */
  set(offset: number, width: number, value: number): void {
    put(this.config, offset, width, value);
  }

  /** Sets or clears bits from the hardware's side. */
  setBits(offset: number, width: number, bits: number, on: boolean): void {
    const before = this.read(offset, width);
    const after = on ? before | bits : before & ~bits;
    if (after !== before) this.set(offset, width, after);
  }

  allowWrites(offset: number, width: number, mask: number): void {
    put(this.writable, offset, width, mask);
  }

  clearByOne(offset: number, width: number, mask: number): void {
    put(this.w1c, offset, width, mask);
  }

  /** A reset of the function: what can be written is zero. */
  reset(): void {
    const { config, writable } = this;
    for (let at = 0; at < config.length; at++) config[at] = (config[at] ?? 0) & ~(writable[at] ?? 0);
  }
}

function put(bytes: Uint8Array, offset: number, width: number, value: number): void {
  for (let i = 0; i < width; i++) bytes[offset + i] = value >>> (8 * i);
}
