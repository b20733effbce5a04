/** Linux, kernel/irq/spurious.c, note_interrupt: a line is given up if more than so many of so many found no handler. */
const COUNTED = 100_000;
const UNHANDLED = 99_900;

/** Counts, of each line, the interrupts that a handler took and those that none did. */
export class NobodyCared {
  /** Given up: nobody on them is served any more. */
  readonly disabled = new Set<number>();
  readonly #counts = new Map<number, { all: number; unhandled: number }>();

  /** True if the line is given up now. */
  note(line: number, interrupts: number, handled: boolean): boolean {
    const count = this.#counts.get(line) ?? { all: 0, unhandled: 0 };
    count.all += interrupts;
    if (!handled) count.unhandled += interrupts;
    this.#counts.set(line, count);
    if (count.all < COUNTED) return false;
    this.#counts.delete(line);
    if (count.unhandled <= UNHANDLED) return false;
    this.disabled.add(line);
    return true;
  }

  /** A new kernel starts with a clean count. */
  reset(): void {
    this.disabled.clear();
    this.#counts.clear();
  }
}
