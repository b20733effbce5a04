/** Read requests of one function that are on their way or wait for their answer. */
export class PendingReads {
  /** The tick at which each will be answered, and how many resets were before it. */
  readonly #sent: { readonly due: number; readonly resets: number }[] = [];
  #resets = 0;
  #outstanding = 0;

  /** Those that it expects an answer to. */
  get outstanding(): number {
    return this.#outstanding;
  }

  send(due: number): void {
    this.#sent.push({ due, resets: this.#resets });
    this.#outstanding++;
  }

  /** One that nobody will answer. Returns how to give it up, which says whether it was still waited for. */
  sendInVain(): () => boolean {
    const resets = this.#resets;
    this.#outstanding++;
    return () => {
      if (resets !== this.#resets) return false;
      this.#outstanding--;
      return true;
    };
  }

  /** A reset: it knows nothing of what it asked, and the answers come all the same. */
  forget(): void {
    this.#resets++;
    this.#outstanding = 0;
  }

  /** Takes the answers that are due; those to what it asked before a reset it does not expect. */
  take(now: number): { wanted: number; unexpected: number } {
    let wanted = 0;
    let unexpected = 0;
    let kept = 0;
    for (const read of this.#sent) {
      if (read.due > now) this.#sent[kept++] = read;
      else if (read.resets === this.#resets) wanted++;
      else unexpected++;
    }
    this.#sent.length = kept;
    this.#outstanding -= wanted;
    return { wanted, unexpected };
  }
}
