import { printable } from '../../pci/printable.js';
import { NAME_MAX } from './limits.js';

/** The first few of any number of things in an order, whatever order they come in. */
export class First<T> {
  readonly #items: T[] = [];
  readonly #max: number;
  readonly #compare: (a: T, b: T) => number;

  constructor(max: number, compare: (a: T, b: T) => number) {
    this.#max = max;
    this.#compare = compare;
  }

  /** False if it would only be thrown away. */
  wants(item: T): boolean {
    const last = this.#items.at(-1);
    return this.#items.length < this.#max || last === undefined || this.#compare(item, last) < 0;
  }

  add(item: T): void {
    if (!this.wants(item)) return;
    let at = this.#items.length;
    while (at > 0 && this.#compare(item, this.#items[at - 1] as T) < 0) at--;
    this.#items.splice(at, 0, item);
    if (this.#items.length > this.#max) this.#items.pop();
  }

  get list(): readonly T[] {
    return this.#items;
  }
}

/** By UTF-16 units: the same everywhere, whatever the locale. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The first few names. */
export const firstNames = (max: number): First<string> => new First(max, compareText);

/** A name from outside, fit for a terminal and bounded. */
export function shortName(text: string): string {
  const clean = printable(text);
  return clean.length > NAME_MAX ? `${clean.slice(0, NAME_MAX - 1)}…` : clean;
}
