import type { SimFunction } from '../functions/function.js';

const NOBODY: ReadonlySet<SimFunction> = new Set();

/** The INTx wires: which functions pull which line. Several may share one, and it is asserted while any of them pulls. */
export class Wires {
  readonly #pulled = new Map<number, Set<SimFunction>>();

  /** Takes over what a function does to its wire; false if that is what it did before. */
  set(fn: SimFunction, asserted: boolean): boolean {
    const line = lineOf(fn);
    const pulling = this.#pulled.get(line);
    if ((pulling?.has(fn) ?? false) === asserted) return false;
    if (pulling && !asserted) {
      pulling.delete(fn);
      if (pulling.size === 0) this.#pulled.delete(line);
    } else if (pulling) {
      pulling.add(fn);
    } else {
      this.#pulled.set(line, new Set([fn]));
    }
    return true;
  }

  asserting(line: number): ReadonlySet<SimFunction> {
    return this.#pulled.get(line) ?? NOBODY;
  }

  /** Lines that somebody pulls, in order. */
  lines(): readonly number[] {
    return [...this.#pulled.keys()].sort((a, b) => a - b);
  }
}

export function lineOf(fn: SimFunction): number {
  return fn.description.line ?? 0xff;
}
