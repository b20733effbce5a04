import { KINDS_MAX } from './limits.js';

/** Small numbers for things that are the same by their text; what is beyond the bound shares the number 0. */
export class Intern<T> {
  readonly #byText = new Map<string, number>();
  readonly #values: T[];
  readonly #max: number;

  constructor(other: T, max = KINDS_MAX) {
    this.#values = [other];
    this.#max = max;
  }

  id(text: string, make: () => T): number {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    if (this.#values.length > this.#max) return 0;
    const id = this.#values.length;
    this.#byText.set(text, id);
    this.#values.push(make());
    return id;
  }

  value(id: number): T {
    return this.#values[id] as T;
  }

  get full(): boolean {
    return this.#values.length > this.#max;
  }
}
