/** How far a host can see into a function's configuration space, in bytes. */
export type VisibleBytes = 64 | 256 | 4096;

/** A stretch of configuration space, in bytes. */
export interface ConfigRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * What is known of one function's configuration space. A byte that was never read is not zero but unknown, and
 * `read` says so with `undefined`.
 */
export class ConfigImage {
  readonly visible: VisibleBytes;
  readonly #bytes: Uint8Array;
  readonly #known: Uint8Array;

  constructor(visible: VisibleBytes) {
    this.visible = visible;
    this.#bytes = new Uint8Array(visible);
    this.#known = new Uint8Array(visible / 8);
  }

  /** An image of which every byte is known. */
  static of(bytes: Uint8Array): ConfigImage {
    const visible: VisibleBytes = bytes.length <= 64 ? 64 : bytes.length <= 256 ? 256 : 4096;
    const image = new ConfigImage(visible);
    image.set(0, bytes);
    return image;
  }

  /** Records bytes that were read; what lies beyond the visible part is dropped. */
  set(offset: number, bytes: Uint8Array): void {
    const end = Math.min(offset + bytes.length, this.visible);
    for (let at = offset; at < end; at++) {
      this.#bytes[at] = bytes[at - offset] ?? 0;
      this.#known[at >> 3] = (this.#known[at >> 3] ?? 0) | (1 << (at & 7));
    }
  }

  has(offset: number, length: number): boolean {
    if (offset < 0 || offset + length > this.visible) return false;
    for (let at = offset; at < offset + length; at++) {
      if (((this.#known[at >> 3] ?? 0) & (1 << (at & 7))) === 0) return false;
    }
    return true;
  }

  /** Little-endian, unsigned; `undefined` where a byte of it is not known. */
  read(offset: number, width: 1 | 2 | 4): number | undefined {
    if (!this.has(offset, width)) return undefined;
    let value = 0;
    for (let at = width - 1; at >= 0; at--) value = value * 256 + (this.#bytes[offset + at] ?? 0);
    return value;
  }

  /** A copy of the bytes; unknown ones are zero. */
  bytes(): Uint8Array {
    return this.#bytes.slice();
  }
}
