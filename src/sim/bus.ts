import type { Observer } from './events.js';
import type { SimFunction } from './function.js';
import { type Memory, pageOf } from './memory.js';
import { hashText, mix } from './random.js';

const READ_TICKS_MIN = 2;
const READ_TICKS_MAX = 6;
const OUTSTANDING_MAX = 32;

/**
 * Routes requests from functions to memory. A memory request passes only if the function and every bridge above
 * it may master the bus; completions always pass.
 */
export class Bus {
  readonly #memory: Memory;
  readonly #observe: Observer;
  readonly #waiting = new Set<SimFunction>();
  #writes = 0;

  constructor(memory: Memory, observe: Observer) {
    this.#memory = memory;
    this.#observe = observe;
  }

  /** Whoever stops a request of this function on its way; `null` if nobody does. */
  refuses(fn: SimFunction): SimFunction | null {
    if (!fn.alive || !fn.inD0) return fn;
    if (!fn.busMaster && !fn.faults.ignoreBme) return fn;
    for (let bridge = fn.parent; bridge; bridge = bridge.parent) {
      if (!bridge.busMaster) return bridge;
    }
    return null;
  }

  /** A posted write; false if it was refused. */
  write(now: number, fn: SimFunction, address: number, length: number): boolean {
    const refusedBy = this.refuses(fn)?.slot ?? null;
    const owner = this.#memory.owner(pageOf(address));
    this.#writes++;
    if (refusedBy === null && owner !== null) {
      this.#memory.write(address, length, mix(hashText(fn.slot), this.#writes));
    }
    this.#observe({ kind: 'dma', tick: now, slot: fn.slot, address, length, owner, refusedBy });
    return refusedBy === null;
  }

  /** A read, answered some ticks later; false if it was refused. */
  read(now: number, fn: SimFunction): boolean {
    if (this.refuses(fn) !== null || fn.outstanding.length >= OUTSTANDING_MAX) return false;
    const span = READ_TICKS_MAX - READ_TICKS_MIN + 1;
    const ticks = READ_TICKS_MIN + (mix(hashText(fn.slot), now) % span);
    fn.outstanding.push(now + ticks);
    this.#waiting.add(fn);
    fn.refresh();
    return true;
  }

  /** A message interrupt is a write like any other; false if it was refused. */
  message(now: number, fn: SimFunction): boolean {
    const refusedBy = this.refuses(fn)?.slot ?? null;
    this.#observe({ kind: 'message', tick: now, slot: fn.slot, refusedBy });
    return refusedBy === null;
  }

  /** Completions come home. */
  tick(now: number): void {
    for (const fn of this.#waiting) {
      const left = fn.outstanding.filter((due) => due > now);
      if (left.length !== fn.outstanding.length) {
        fn.outstanding = left;
        fn.refresh();
      }
      if (left.length === 0) this.#waiting.delete(fn);
    }
  }
}
