const NOTES_MAX = 20;

/** Notes about a dump, of which hostile input must not make too many. They never quote the input. */
export class DumpNotes {
  readonly #texts: string[] = [];
  readonly #sums: string[] = [];
  #more = 0;

  add(text: string): void {
    if (this.#texts.length < NOTES_MAX) this.#texts.push(text);
    else this.#more++;
  }

  /** A note about the dump as a whole, of which there are but a few. */
  sum(text: string): void {
    this.#sums.push(text);
  }

  all(): string[] {
    const more = this.#more > 0 ? [`and ${this.#more} more like these`] : [];
    return [...this.#texts, ...more, ...this.#sums];
  }
}
