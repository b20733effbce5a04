import type { Slot } from '../../pci/slot.js';
import type { Writer } from '../events.js';
import type { SimFunction } from '../functions/function.js';
import { lineOf } from '../interrupts/wires.js';
import type { SimMachine } from '../machine.js';

/** A line's number, or the slot of the function that a message's vector belongs to. */
export type Irq = number | Slot;

/** What a kind of interrupt controller does for an interrupt; Linux of 2006 has one of these for each kind. */
export interface IrqHandler {
  disable(): void;
  /** `cpu`: the processor that this runs on. `told`: which line it ends, before its pin hears of that; `null` for none. */
  end(cpu: number, told: (ended: number | null) => void): void;
}

export interface IrqDesc {
  readonly irq: Irq;
  /** Functions whose drivers asked for it. The timer has one of its own. */
  readonly actions: Set<SimFunction | 'timer'>;
  readonly handler: IrqHandler;
  /** How many times it was disabled. */
  depth: number;
}

/** Edge interrupts are acknowledged when they come in; to disable them means not to call their handler. */
const EDGE: IrqHandler = { disable: () => {}, end: (_, told) => told(null) };

/** The interrupts of one kernel. */
export class IrqTable {
  readonly #machine: SimMachine;
  readonly #by: () => Writer;
  readonly #descs = new Map<Irq, IrqDesc>();
  readonly #irqs = new Map<SimFunction, Irq>();

  /** `by`: the kernel whose interrupts these are, which changes its name once it has run for long. */
  constructor(machine: SimMachine, by: () => Writer) {
    this.#machine = machine;
    this.#by = by;
  }

  /** The timer's is there from the start, whoever else is wired to its line. */
  openTimer(): void {
    const line = this.#machine.rules.timerLine;
    this.#desc(line, 'timer').actions.add('timer');
    this.#unmask(line, 'timer');
  }

  /** True if nobody had asked for this interrupt before, so that it takes a vector. */
  isNew(fn: SimFunction): boolean {
    const irq = irqOf(fn);
    return irq !== null && !this.#descs.has(irq);
  }

  request(fn: SimFunction): void {
    const irq = irqOf(fn);
    if (irq === null) return;
    this.#desc(irq, 'device').actions.add(fn);
    this.#irqs.set(fn, irq);
    if (typeof irq === 'number') this.#unmask(irq, fn.slot);
  }

  /** True if nobody else used its interrupt, so that a vector is free again. */
  free(fn: SimFunction): boolean {
    const irq = this.#irqs.get(fn);
    const desc = irq === undefined ? undefined : this.#descs.get(irq);
    this.#irqs.delete(fn);
    if (!desc?.actions.delete(fn) || desc.actions.size > 0) return false;
    this.#descs.delete(desc.irq);
    if (typeof desc.irq === 'number') {
      this.#machine.interrupts.controller.mask(desc.irq);
      this.#told(desc.irq, true, fn.slot);
    }
    return true;
  }

  /** The interrupt that the function's driver asked for, if it did. */
  of(fn: SimFunction): IrqDesc | null {
    const irq = this.#irqs.get(fn);
    return irq === undefined ? null : (this.#descs.get(irq) ?? null);
  }

  /** Whoever uses it. */
  get(irq: Irq): IrqDesc | null {
    return this.#descs.get(irq) ?? null;
  }

  #unmask(line: number, user: Slot | 'timer'): void {
    // Told first: what the pin sends at once comes after it.
    this.#told(line, false, user);
    this.#machine.interrupts.controller.unmask(line);
  }

  #told(line: number, masked: boolean, user: Slot | 'timer'): void {
    const { interrupts, now: tick } = this.#machine;
    const remoteIrr = interrupts.controller.remoteIrr(line);
    this.#machine.emit({ kind: 'pin', tick, line, masked, for: user, by: this.#by(), remoteIrr });
  }

  #desc(irq: Irq, kind: 'timer' | 'device'): IrqDesc {
    const known = this.#descs.get(irq);
    if (known) return known;
    const handler = kind === 'timer' ? EDGE : this.#handler(irq);
    const desc: IrqDesc = { irq, actions: new Set(), handler, depth: 0 };
    this.#descs.set(irq, desc);
    return desc;
  }

  /**
   * As arch/i386 and arch/ia64 had them in 2.6.16: an IO-APIC's `end` is a write to the EOI register of the local APIC,
   * which names no interrupt; an IOSAPIC's names the line, and the local SAPIC is ended by the dispatcher.
   */
  #handler(irq: Irq): IrqHandler {
    const { interrupts, rules } = this.#machine;
    const endLocal: IrqHandler['end'] = (cpu, told) => void interrupts.endOfInterrupt(cpu, told);
    if (typeof irq !== 'number') return { disable: () => {}, end: endLocal };
    const disable = () => interrupts.controller.mask(irq);
    if (rules.interruptController === 'io-apic') return { disable, end: endLocal };
    const end: IrqHandler['end'] = (_, told) => {
      told(interrupts.controller.remoteIrr(irq) ? irq : null);
      interrupts.controller.end(irq);
    };
    return { disable, end };
  }
}

/** What a function would interrupt by now; `null` if it has neither messages on nor a wire. */
function irqOf(fn: SimFunction): Irq | null {
  if (fn.messages !== null) return fn.slot;
  const { pin, line } = fn.description;
  return pin && line !== undefined ? lineOf(fn) : null;
}
