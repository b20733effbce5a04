const NOTES_MAX = 20;

/** Notes about a dump, of which hostile input must not make too many. They never quote the input. */
export class DumpNotes {
  readonly #texts: string[] = [];
  #more = 0;

  add(text: string): void {
    if (this.#texts.length < NOTES_MAX) this.#texts.push(text);
    else this.#more++;
  }

  all(): string[] {
    return this.#more === 0 ? [...this.#texts] : [...this.#texts, `and ${this.#more} more like these`];
  }
}
