import type { CorruptedPage, DumpResult } from './jump-result.js';
import type { Memory } from './memory.js';

/** The memory of a panicked kernel, and a copy of it that is made while devices may still write to it. */
export class DumpSaver {
  readonly #memory: Memory;
  readonly #pages: readonly number[];
  readonly #atPanic: readonly number[];
  readonly #saved: number[] = [];
  #atStart: readonly number[] = [];
  #atEnd: readonly number[] | undefined;

  /** Call at the panic: everything that the old kernel used is part of the dump. */
  constructor(memory: Memory) {
    this.#memory = memory;
    const pages: number[] = [];
    for (const [page, owner] of memory.owned()) {
      if (owner === 'old-kernel' || owner === 'dma-buffer') pages.push(page);
    }
    this.#pages = pages.sort((a, b) => a - b);
    this.#atPanic = this.#digests();
  }

  get pages(): number {
    return this.#pages.length;
  }

  get done(): boolean {
    return this.#atEnd !== undefined;
  }

  /** Saves up to `count` more pages. */
  save(count: number): void {
    if (this.done) return;
    if (this.#saved.length === 0) this.#atStart = this.#digests();
    for (let i = 0; i < count; i++) {
      const page = this.#pages[this.#saved.length];
      if (page === undefined) break;
      this.#saved.push(this.#memory.digest(page));
    }
    if (this.#saved.length === this.#pages.length) this.#atEnd = this.#digests();
  }

  result(blame: (page: number) => CorruptedPage): DumpResult {
    const saved = this.#pages.slice(0, this.#saved.length);
    const atEnd = this.#atEnd ?? this.#digests();
    const torn = saved.filter((_, i) => atEnd[i] !== this.#atStart[i]);
    const late = saved.filter((_, i) => this.#saved[i] !== this.#atPanic[i]).length;
    return { pages: saved.length, complete: this.done, torn: torn.map(blame), late };
  }

  #digests(): number[] {
    return this.#pages.map((page) => this.#memory.digest(page));
  }
}
