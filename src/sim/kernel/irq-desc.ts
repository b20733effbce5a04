import type { Slot } from '../../pci/slot.js';
import type { SimFunction } from '../functions/function.js';
import { lineOf } from '../interrupts/wires.js';
import type { SimMachine } from '../machine.js';

/** A line's number, or the slot of the function that a message's vector belongs to. */
export type Irq = number | Slot;

/** What a kind of interrupt controller does for an interrupt; Linux of 2006 has one of these for each kind. */
export interface IrqHandler {
  disable(): void;
  /** `cpu`: the processor that this runs on. */
  end(cpu: number): void;
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
const EDGE: IrqHandler = { disable: () => {}, end: () => {} };

/** The interrupts of one kernel. */
export class IrqTable {
  readonly #machine: SimMachine;
  readonly #descs = new Map<Irq, IrqDesc>();
  readonly #irqs = new Map<SimFunction, Irq>();

  constructor(machine: SimMachine) {
    this.#machine = machine;
  }

  /** The timer's is there from the start, whoever else is wired to its line. */
  openTimer(): void {
    const line = this.#machine.rules.timerLine;
    this.#desc(line, 'timer').actions.add('timer');
    this.#machine.interrupts.controller.unmask(line);
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
    if (typeof irq === 'number') this.#machine.interrupts.controller.unmask(irq);
  }

  /** True if nobody else used its interrupt, so that a vector is free again. */
  free(fn: SimFunction): boolean {
    const irq = this.#irqs.get(fn);
    const desc = irq === undefined ? undefined : this.#descs.get(irq);
    this.#irqs.delete(fn);
    if (!desc?.actions.delete(fn) || desc.actions.size > 0) return false;
    this.#descs.delete(desc.irq);
    if (typeof desc.irq === 'number') this.#machine.interrupts.controller.mask(desc.irq);
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
    const endLocal = (cpu: number) => void interrupts.endOfInterrupt(cpu);
    if (typeof irq !== 'number') return { disable: () => {}, end: endLocal };
    const disable = () => interrupts.controller.mask(irq);
    if (rules.interruptController === 'io-apic') return { disable, end: endLocal };
    return { disable, end: () => interrupts.controller.end(irq) };
  }
}

/** What a function would interrupt by now; `null` if it has neither messages on nor a wire. */
function irqOf(fn: SimFunction): Irq | null {
  if (fn.messages !== null) return fn.slot;
  const { pin, line } = fn.description;
  return pin && line !== undefined ? lineOf(fn) : null;
}
