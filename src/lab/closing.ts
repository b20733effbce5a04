/** What a run has opened, to be closed in the reverse order. */
export class Closing {
  readonly #closers: (() => Promise<void>)[] = [];
  #closed: Promise<void> = Promise.resolve();

  add(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** May be called again, also while it is under way: resolves when all that was added is closed. */
  close(): Promise<void> {
    const closers = this.#closers.splice(0).reverse();
    this.#closed = this.#closed.then(() => closeAll(closers));
    return this.#closed;
  }
}

/** Closes all of them, whatever one of them says, and then says the first of it. */
async function closeAll(closers: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closers) await close().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
