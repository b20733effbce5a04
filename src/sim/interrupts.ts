import type { Slot } from '../pci/slot.js';
import type { Bus } from './bus.js';
import type { Observer } from './events.js';
import type { SimFunction } from './function.js';

/** How often a level interrupt that nobody quiets comes back in one tick. */
const LEVEL_PER_TICK = 100;
/** Linux gives a line up when 99,900 of 100,000 interrupts were not handled. */
const NOBODY_CARED = 99_900;

/** Whoever runs on the processor. */
export interface InterruptHandler {
  /** Serves the function if it has a driver for it. */
  handle(fn: SimFunction): boolean;
  /** Some driver has asked for this line. */
  opened(line: number): boolean;
}

/** Wires, messages, and the count of those that found no handler. */
export class Interrupts {
  /** Interrupts that the kernel took and had no handler for. */
  unclaimed = 0;
  readonly disabledLines = new Set<number>();
  readonly #bus: Bus;
  readonly #observe: Observer;
  readonly #asserting = new Set<SimFunction>();
  /** Messages that came while nobody listened; one stays for each function, as in the local APIC. */
  readonly #latched = new Set<SimFunction>();
  readonly #unhandled = new Map<number, number>();
  #handler: InterruptHandler | null = null;

  constructor(bus: Bus, observe: Observer) {
    this.#bus = bus;
    this.#observe = observe;
  }

  /** `null` while interrupts are off. A new kernel starts with a clean count. */
  attach(handler: InterruptHandler | null): void {
    this.#handler = handler;
    this.unclaimed = 0;
    this.disabledLines.clear();
    this.#unhandled.clear();
    if (!handler) return;
    for (const fn of this.#latched) this.#deliver(handler, fn);
    this.#latched.clear();
  }

  /** A device has something to say. */
  raise(now: number, fn: SimFunction): void {
    if (!fn.interruptsOn) return;
    if (fn.messages === null) {
      fn.setCause(true);
      return;
    }
    if (fn.messagesMasked || !this.#bus.message(now, fn)) return;
    if (this.#handler) this.#deliver(this.#handler, fn);
    else this.#latched.add(fn);
  }

  wireChanged(fn: SimFunction): void {
    if (fn.assertsIntx) this.#asserting.add(fn);
    else this.#asserting.delete(fn);
  }

  tick(now: number): void {
    if (!this.#handler || this.#asserting.size === 0) return;
    const lines = new Set<number>();
    for (const fn of this.#asserting) lines.add(lineOf(fn));
    for (const line of lines) this.#level(now, this.#handler, line);
  }

  #level(now: number, handler: InterruptHandler, line: number): void {
    if (!handler.opened(line) || this.disabledLines.has(line)) return;
    const sharers = [...this.#asserting].filter((fn) => lineOf(fn) === line);
    for (const fn of sharers) if (handler.handle(fn)) fn.setCause(false);
    const left = sharers.filter((fn) => this.#asserting.has(fn));
    if (left.length === 0) return;
    this.unclaimed += LEVEL_PER_TICK;
    const count = (this.#unhandled.get(line) ?? 0) + LEVEL_PER_TICK;
    this.#unhandled.set(line, count);
    if (count < NOBODY_CARED) return;
    this.disabledLines.add(line);
    const slots: Slot[] = left.map((fn) => fn.slot);
    this.#observe({ kind: 'line-disabled', tick: now, line, slots });
  }

  #deliver(handler: InterruptHandler, fn: SimFunction): void {
    if (!handler.handle(fn)) this.unclaimed++;
  }
}

export function lineOf(fn: SimFunction): number {
  return fn.description.line ?? 0xff;
}
