import type { SimFunction } from '../functions/function.js';
import type { Memory, Owner } from '../memory/memory.js';
import type { LostProblem } from './lost.js';
import type { CorruptedPage, DumpResult } from './result.js';

const DUMPED: readonly Owner[] = ['old-kernel', 'dma-buffer'];
/** A dump takes so long at most, however large the machine. */
const SAVING_TICKS = 600;
/** Some 160 MB a second, as a capture kernel on one processor filters and compresses. */
const PER_TICK_MIN = 4;
/** So long a capture kernel waits for a disk that says nothing, and for one that it gets no time to write to. */
const SILENT_TICKS = 2000;
const LATE_TICKS = 10_000;

export interface DumpParts {
  readonly memory: Memory;
  /** Where it may be saved, the first that works; empty where nothing says. */
  readonly targets: readonly SimFunction[];
  /** Why a target does not work; `null` if it does. */
  readonly problem: (target: SimFunction) => LostProblem | null;
  /** Says what becomes of it. */
  readonly say: (target: SimFunction | null, text: string) => void;
}

/** The memory of a panicked kernel, and a copy of it that is made while devices may still write to it. */
export class DumpSaver {
  /** All that the old kernel used at the panic. */
  readonly pages: number;
  readonly #parts: DumpParts;
  #target: SimFunction | null = null;
  #saved = 0;
  #age = 0;
  #since: number | undefined;
  #torn: readonly number[] | undefined;
  /** Why there is no dump. */
  #problem: string | null = null;

  /** Call at the panic. */
  constructor(parts: DumpParts) {
    this.#parts = parts;
    this.pages = DUMPED.reduce((sum, owner) => sum + parts.memory.count(owner), 0);
  }

  /** It is saved, or nobody will save it any more. */
  get over(): boolean {
    return this.#torn !== undefined;
  }

  /** What changes now may or may not be in it. */
  get saving(): boolean {
    return this.#since !== undefined && !this.over;
  }

  /**
   * So many ticks have passed in a kernel that is to save it. `busy`: with interrupts that came without pause, so that
   * nothing else was done.
   */
  passed(ticks: number, busy: boolean): void {
    if (this.over) return;
    this.#age += ticks;
    const { memory, targets, say } = this.#parts;
    const target = this.#choose();
    if (this.over) return;
    if (busy || (target === null && targets.length > 0)) {
      this.#giveUpAfter(busy ? LATE_TICKS : SILENT_TICKS);
      return;
    }
    if (this.#since === undefined) {
      this.#since = memory.sequence;
      if (target) say(target, 'it works: the dump is saved there');
      return;
    }
    const perTick = Math.max(PER_TICK_MIN, Math.ceil(this.pages / SAVING_TICKS));
    this.#saved = Math.min(this.pages, this.#saved + perTick * ticks);
    if (this.#saved < this.pages) return;
    this.#torn = this.#changed();
    if (target) say(target, `the dump is saved: ${this.pages} pages`);
    else say(null, `the memory was read: ${this.pages} pages; nothing says where to`);
  }

  result(blame: (page: number) => CorruptedPage): DumpResult {
    const torn = this.#torn ?? this.#changed();
    return {
      pages: this.#saved,
      complete: this.over && this.#problem === null,
      target: (this.#target ?? this.#parts.targets[0])?.slot ?? null,
      problem: this.#problem,
      torn: torn.map(blame),
    };
  }

  /** The target that works; `null` where none does, or none is known. */
  #choose(): SimFunction | null {
    const { targets, problem } = this.#parts;
    const tried = this.#target ? [this.#target] : targets;
    const found = tried.map((fn) => ({ fn, problem: fn.alive ? problem(fn) : GONE }));
    const works = found.find((one) => one.problem === null);
    if (works) {
      this.#target = works.fn;
      return works.fn;
    }
    // One of which no interrupt has come yet may still speak.
    const [first] = found;
    if (first?.problem && found.every((one) => one.problem?.cause !== 'never-served'))
      this.#giveUp(first.fn, first.problem.why);
    return null;
  }

  #giveUpAfter(ticks: number): void {
    if (this.#age < ticks) return;
    const target = this.#target ?? this.#parts.targets[0];
    const why = target ? this.#parts.problem(target)?.why : undefined;
    this.#giveUp(target ?? null, why ?? 'interrupts left no time for it');
  }

  #giveUp(target: SimFunction | null, why: string): void {
    const driver = target?.description.driver?.name;
    const words = target ? `${target.slot}${driver ? ` (${driver})` : ''}: ${why}` : why;
    this.#problem = words;
    // Of what was not begun nothing is torn.
    this.#torn = this.#changed();
    const begun = this.#saved > 0 ? `, after ${this.#saved} of ${this.pages} pages` : '';
    this.#parts.say(null, `no dump: ${words}${begun}`);
  }

  #changed(): readonly number[] {
    if (this.#since === undefined) return [];
    const { memory } = this.#parts;
    const changed = [...memory.writtenSince(this.#since)].filter((page) => {
      const owner = memory.owner(page);
      return owner !== null && DUMPED.includes(owner);
    });
    return changed.sort((a, b) => a - b);
  }
}

const GONE: LostProblem = { cause: 'not-found', why: 'it does not answer' };
