import type { Memory, Owner } from '../memory/memory.js';
import type { CorruptedPage, DumpResult } from './result.js';

const DUMPED: readonly Owner[] = ['old-kernel', 'dma-buffer'];
/** A dump takes about so long, however large the machine. */
const SAVING_TICKS = 600;
const PER_TICK_MIN = 16;

/** The memory of a panicked kernel, and a copy of it that is made while devices may still write to it. */
export class DumpSaver {
  /** All that the old kernel used at the panic. */
  readonly pages: number;
  readonly #memory: Memory;
  #saved = 0;
  #since: number | undefined;
  #torn: readonly number[] | undefined;

  /** Call at the panic. */
  constructor(memory: Memory) {
    this.#memory = memory;
    this.pages = DUMPED.reduce((sum, owner) => sum + memory.count(owner), 0);
  }

  get done(): boolean {
    return this.#torn !== undefined;
  }

  /** Begins: what changes from now on may or may not be in it. */
  start(): void {
    this.#since = this.#memory.sequence;
  }

  /** Saves what can be saved in so many ticks. */
  save(ticks: number): void {
    if (this.done || this.#since === undefined) return;
    const perTick = Math.max(PER_TICK_MIN, Math.ceil(this.pages / SAVING_TICKS));
    this.#saved = Math.min(this.pages, this.#saved + perTick * ticks);
    if (this.#saved === this.pages) this.#torn = this.#changed();
  }

  result(blame: (page: number) => CorruptedPage): DumpResult {
    const torn = this.#torn ?? this.#changed();
    return { pages: this.#saved, complete: this.done, torn: torn.map(blame) };
  }

  #changed(): readonly number[] {
    if (this.#since === undefined) return [];
    const changed = [...this.#memory.writtenSince(this.#since)].filter((page) => {
      const owner = this.#memory.owner(page);
      return owner !== null && DUMPED.includes(owner);
    });
    return changed.sort((a, b) => a - b);
  }
}
