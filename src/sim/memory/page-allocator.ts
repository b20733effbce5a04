import type { Random } from '../random.js';
import { type Memory, numberOf, type Owner, type PageRange, within } from './memory.js';

const TRIES = 32;

/** Hands out pages, scattered as a kernel's are once it has run for a while. */
export class PageAllocator {
  readonly #memory: Memory;
  readonly #random: Random;
  readonly #ranges: readonly PageRange[];
  readonly #total: number;
  readonly #from: Owner;
  readonly #fromNumber: number;

  /** Only pages of `ranges` are handed out, and only those that belong to `from`. */
  constructor(memory: Memory, random: Random, ranges: readonly PageRange[], from: Owner = 'free') {
    this.#memory = memory;
    this.#random = random;
    this.#ranges = ranges;
    this.#from = from;
    this.#fromNumber = numberOf(from);
    this.#total = ranges.reduce((sum, range) => sum + range.count, 0);
  }

  /** One page, now of this owner; `undefined` when none is free. */
  take(owner: Owner, avoid: readonly PageRange[] = []): number | undefined {
    return this.#takeOne(numberOf(owner), avoid);
  }

  /** As many as asked for, or as are left. */
  takeMany(count: number, owner: Owner, avoid: readonly PageRange[] = []): number[] {
    const to = numberOf(owner);
    const pages: number[] = [];
    while (pages.length < count) {
      const page = this.#takeOne(to, avoid);
      if (page === undefined) break;
      pages.push(page);
    }
    return pages;
  }

  giveBack(page: number): void {
    this.#memory.own(page, this.#from);
  }

  #takeOne(to: number, avoid: readonly PageRange[]): number | undefined {
    if (this.#memory.countOf(this.#fromNumber) === 0) return undefined;
    for (let i = 0; i < TRIES; i++) {
      const page = this.#at(this.#random.below(this.#total));
      if (this.#take(page, to, avoid)) return page;
    }
    const from = this.#random.below(this.#total);
    for (let i = 0; i < this.#total; i++) {
      const page = this.#at((from + i) % this.#total);
      if (this.#take(page, to, avoid)) return page;
    }
    return undefined;
  }

  #take(page: number, to: number, avoid: readonly PageRange[]): boolean {
    if (avoid.length > 0 && avoid.some((range) => within(page, range))) return false;
    return this.#memory.claim(page, this.#fromNumber, to);
  }

  #at(index: number): number {
    let rest = index;
    for (const range of this.#ranges) {
      if (rest < range.count) return range.first + rest;
      rest -= range.count;
    }
    throw new RangeError('no pages to hand out');
  }
}
