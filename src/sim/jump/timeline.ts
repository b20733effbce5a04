import type { Slot } from '../../pci/slot.js';
import type { TimelineEntry } from './result.js';

/** What is told of a jump. */
export class Timeline {
  readonly entries: TimelineEntry[] = [];
  readonly #told = new Map<Slot | null, Set<string>>();
  readonly #counted = new Map<string, TimelineEntry & { times: number }>();
  #over = false;

  say(tick: number, slot: Slot | null, text: string): void {
    if (!this.#over) this.entries.push({ tick, slot, text });
  }

  /** Of something that happened a while ago. */
  sayLate(tick: number, slot: Slot | null, text: string): void {
    if (this.#over) return;
    const later = this.entries.findIndex((entry) => entry.tick > tick);
    this.entries.splice(later < 0 ? this.entries.length : later, 0, { tick, slot, text });
  }

  /** Most of what happens happens again and again: the words are made only for the first time. */
  sayOnce(
    key: string,
    { tick, slot }: { readonly tick: number; readonly slot: Slot | null },
    words: () => string,
  ): void {
    const told = this.#told.get(slot);
    if (told?.has(key)) return;
    if (told) told.add(key);
    else this.#told.set(slot, new Set([key]));
    this.say(tick, slot, words());
  }

  /** What happens again is counted at its first entry. */
  sayCounted(key: string, tick: number, text: string): void {
    const counted = this.#counted.get(key);
    if (this.#over) return;
    if (!counted) {
      const entry = { tick, slot: null, text, times: 1 };
      this.#counted.set(key, entry);
      this.entries.push(entry);
    } else counted.times++;
  }

  /** The processor has stopped: whatever devices still do makes no difference. */
  end(): void {
    this.#over = true;
  }
}
