/** Mixes two 32-bit numbers into one, so that near inputs give far outputs. */
export function mix(a: number, b: number): number {
  let x = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 13) ^ b, 0x27d4eb2f);
  return (x ^ (x >>> 16)) >>> 0;
}

export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The only source of chance in a simulated machine: the same seed draws the same numbers everywhere. */
export class Random {
  readonly #seed: number;
  #count = 0;

  constructor(seed: number) {
    this.#seed = mix(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  }

  /** 32 bits. */
  next(): number {
    return mix(this.#seed, ++this.#count);
  }

  /** 0 … `limit` - 1 */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }

  /** `low` … `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True `percent` times in a hundred. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** A stream of its own: what one device draws does not depend on what others draw. */
  fork(label: string): Random {
    return new Random(mix(this.#seed, hashText(label)));
  }
}
