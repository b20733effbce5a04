export const CONFIG_BYTES = 4096;

/**
 * The configuration space of one function: what it holds, which bits can be written, and which are cleared by
 * writing 1. Side effects are not here: they follow from the range that was written.
 */
export class ConfigSpace {
  readonly config = new Uint8Array(CONFIG_BYTES);
  readonly writable = new Uint8Array(CONFIG_BYTES);
  readonly w1c = new Uint8Array(CONFIG_BYTES);

  read(offset: number, width: number): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (this.config[offset + i] ?? 0);
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
    this.set(offset, width, on ? before | bits : before & ~bits);
  }

  allowWrites(offset: number, width: number, mask: number): void {
    put(this.writable, offset, width, mask);
  }

  clearByOne(offset: number, width: number, mask: number): void {
    put(this.w1c, offset, width, mask);
  }
}

function put(bytes: Uint8Array, offset: number, width: number, value: number): void {
  for (let i = 0; i < width; i++) bytes[offset + i] = value >>> (8 * i);
}
