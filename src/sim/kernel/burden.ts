const WINDOW_TICKS = 100;

/** What keeps a processor from its work: it gets nowhere once that takes more than all of its time. */
export class Burden {
  #from = 0;
  #spent = 0;

  /** Adds what something costs, in ticks; true if there is no time left in this window. */
  add(now: number, ticks: number): boolean {
    if (now - this.#from >= WINDOW_TICKS) {
      this.#from = now;
      this.#spent = 0;
    }
    this.#spent += ticks;
    return this.#spent > WINDOW_TICKS;
  }
}
