import type { Slot } from '../../pci/slot.js';
import type { TimelineEntry } from './result.js';

/** What is told of a jump. */
export class Timeline {
  readonly entries: TimelineEntry[] = [];
  readonly #told = new Map<Slot | null, Set<string>>();

  say(tick: number, slot: Slot | null, text: string): void {
    this.entries.push({ tick, slot, text });
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
}
