/** How far a host can see into a function's configuration space, in bytes. */
export type VisibleBytes = 64 | 256 | 4096;

/** The smallest view that holds this many bytes. */
export function visibleFor(length: number): VisibleBytes {
  return length <= 64 ? 64 : length <= 256 ? 256 : 4096;
}

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
  /** Both grow with what is known, since most of 4096 bytes is never looked at. */
  #bytes = new Uint8Array(64);
  /** One for each byte that is known. */
  #known = new Uint8Array(64);

  constructor(visible: VisibleBytes) {
    this.visible = visible;
  }

  /** An image of which every byte is known. */
  static of(bytes: Uint8Array): ConfigImage {
    const image = new ConfigImage(visibleFor(bytes.length));
    image.set(0, bytes);
    return image;
  }

  /** Records bytes that were read; what lies beyond the visible part is dropped. */
  set(offset: number, bytes: Uint8Array): void {
    const length = Math.min(bytes.length, this.visible - offset);
    if (length <= 0) return;
    if (offset + length > this.#bytes.length) this.#grow(offset + length);
    this.#bytes.set(length < bytes.length ? bytes.subarray(0, length) : bytes, offset);
    this.#known.fill(1, offset, offset + length);
  }

  /** Whether every byte of a range is known. */
  has(offset: number, length: number): boolean {
    if (offset < 0 || offset + length > this.visible) return false;
    for (let at = offset; at < offset + length; at++) if (this.#known[at] !== 1) return false;
    return true;
  }

  /** Little-endian, unsigned; `undefined` where a byte of it is not known. */
  read(offset: number, width: 1 | 2 | 4): number | undefined {
    if (!this.has(offset, width)) return undefined;
    const bytes = this.#bytes;
    const low = bytes[offset] ?? 0;
    if (width === 1) return low;
    const word = low | ((bytes[offset + 1] ?? 0) << 8);
    if (width === 2) return word;
    return (word | ((bytes[offset + 2] ?? 0) << 16) | ((bytes[offset + 3] ?? 0) << 24)) >>> 0;
  }

  /** A copy of the bytes; unknown ones are zero. */
  bytes(): Uint8Array {
    const copy = new Uint8Array(this.visible);
    copy.set(this.#bytes);
    return copy;
  }

  #grow(length: number): void {
    let size = this.#bytes.length;
    while (size < length) size *= 2;
    const bytes = new Uint8Array(size);
    const known = new Uint8Array(size);
    bytes.set(this.#bytes);
    known.set(this.#known);
    this.#bytes = bytes;
    this.#known = known;
  }
}
