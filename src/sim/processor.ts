import type { SimFunction } from './functions/function.js';
import { Hang, type HangCause } from './hang.js';
import type { SimMachine } from './machine.js';

/** What the processor is waiting for, for good. */
export interface Stuck {
  readonly on: string;
  readonly slots: readonly string[];
  readonly cause: HangCause;
}

/** The processor, as far as the bus can stop it. */
export class Processor {
  /** A kernel, or code that has no handler, does not survive an NMI; a stub with a handler of its own returns. */
  onNmi: 'fatal' | 'ignored' = 'fatal';
  readonly #machine: SimMachine;
  #stuck: Stuck | null = null;

  constructor(machine: SimMachine) {
    this.#machine = machine;
  }

  /** `null` as long as it runs. */
  get stuck(): Stuck | null {
    return this.#stuck;
  }

  nmi(on: string, slots: readonly string[]): void {
    if (this.onNmi === 'fatal') this.hang('error', on, slots);
  }

  /** It stops here: `machine.run` throws at this tick, and so does `check`. Only the first reason counts. */
  hang(cause: HangCause, on: string, slots: readonly string[] = []): void {
    if (this.#stuck) return;
    this.#stuck = { on, slots, cause };
    this.#machine.schedule.stop();
    this.#machine.emit({ kind: 'hung', tick: this.#machine.now, on, slots, cause });
  }

  /** Throws `Hang` if it is stuck. */
  check(): void {
    if (this.#stuck) throw new Hang(this.#stuck);
  }

  /**
   * Accesses the registers behind a function's base address; false if nothing answers, which reads as ones. Throws
   * `Hang` where a root port above also stops what comes from the processor while it may not master the bus.
   */
  mmio(fn: SimFunction): boolean {
    this.check();
    const { rootPort } = fn;
    if (this.#machine.rules.rootPortGatesMmio && rootPort?.alive && !rootPort.busMaster && rootPort !== fn) {
      this.hang('access-refused', `an access to ${fn.slot}, which ${rootPort.slot} does not forward`, [
        rootPort.slot,
        fn.slot,
      ]);
      this.check();
    }
    return fn.alive && fn.inD0;
  }

  /** The power was off. */
  reset(): void {
    this.#stuck = null;
    this.onNmi = 'fatal';
  }
}
