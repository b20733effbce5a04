import type { SimFunction } from '../functions/function.js';
import type { Kernel } from '../kernel/kernel.js';
import type { SimMachine } from '../machine.js';
import { addressOf, PAGE_BYTES } from '../memory/memory.js';
import { hashText, mix } from '../random.js';
import { Controller } from './controller.js';
import { LocalApic } from './local-apic.js';
import { NobodyCared } from './nobody-cared.js';
import { Wires } from './wires.js';

/** From the arrival of a level interrupt to its end, if somebody handles it. */
const SERVICE_TICKS = 1;
/** A level interrupt that nobody quiets comes back again and again; so much of that is one event here. */
const STORM_TICKS = 10;
const STORM_PER_TICK = 100;
/** What a message costs that nobody claims: 2 µs. */
const UNCLAIMED_TICKS = 0.02;

/** Wires and messages, and the way that both take to the kernel, if one listens. */
export class Interrupts {
  /** Interrupts that the kernel took and had no handler for. */
  unclaimed = 0;
  readonly wires = new Wires();
  readonly localApic = new LocalApic();
  readonly nobodyCared = new NobodyCared();
  /** Pages where the interrupt controller keeps bits of pending messages, if it does; it never learns of others. */
  pendingTable: readonly number[] = [];
  readonly #machine: SimMachine;
  #controller: Controller | undefined;
  /** `null` while interrupts are off. */
  #kernel: Kernel | null = null;
  /** Messages that came while nobody listened; one stays for each function. */
  readonly #latched = new Set<SimFunction>();
  /** Functions whose interrupt has not been served. */
  readonly #waiting = new Set<SimFunction>();
  #pendings = 0;

  constructor(machine: SimMachine) {
    this.#machine = machine;
  }

  get controller(): Controller {
    this.#controller ??= new Controller(this.wires, this.#machine.rules.bootInterruptLine, (line) =>
      this.#accept(line),
    );
    return this.#controller;
  }

  /** Whoever takes interrupts now. */
  get listener(): Kernel | null {
    return this.#kernel;
  }

  /** Interrupts go to this kernel from now on, or to nobody. What was latched meanwhile arrives at once. */
  attach(kernel: Kernel | null): void {
    this.#kernel = kernel;
    if (!kernel) return;
    this.unclaimed = 0;
    this.nobodyCared.reset();
    const latched = [...this.#latched];
    this.#latched.clear();
    for (const fn of latched) this.#take(kernel, fn, 1);
    for (const line of [...this.localApic.pending]) this.#accept(line);
  }

  /** A device has something to say, `count` times: by message, or by pulling its wire. */
  raise(fn: SimFunction, count = 1): void {
    if (!fn.interruptsOn) return;
    this.#waiting.add(fn);
    fn.setCause(true);
    if (fn.messages !== null && !fn.messagesMasked) this.#machine.bus.message(fn, count);
  }

  /** Messages have come to the processor. */
  arrived(fn: SimFunction, count: number): void {
    this.#pend(fn);
    if (this.#kernel) this.#take(this.#kernel, fn, count);
    else this.#latched.add(fn);
  }

  /** Its interrupt has not been served. */
  waits(fn: SimFunction): boolean {
    return this.#waiting.has(fn);
  }

  /** Its driver has looked: there is nothing left to wait for. */
  served(fn: SimFunction): void {
    this.#waiting.delete(fn);
    fn.setCause(false);
  }

  wireChanged(fn: SimFunction): void {
    const line = fn.description.line;
    if (line !== undefined && this.wires.set(fn, fn.assertsIntx)) this.controller.changed(line);
  }

  /**
   * A write to the EOI register of a processor; the devices' interrupts all go to processor 0. An x86 one tells the
   * IO-APIC which interrupt that ended; a local SAPIC keeps it to itself.
   */
  endOfInterrupt(cpu: number): number | null {
    const line = cpu === 0 ? this.localApic.end() : null;
    if (line !== null && this.#machine.rules.interruptController === 'io-apic') this.controller.end(line);
    return line;
  }

  /** The timer's interrupt reaches this processor. */
  timerReaches(cpu: number): boolean {
    const { timerLine, legacyInterruptsToBootCpuOnly } = this.#machine.rules;
    return !this.controller.masked(timerLine) && (cpu === 0 || !legacyInterruptsToBootCpuOnly);
  }

  #accept(line: number): void {
    this.localApic.accept(line);
    const kernel = this.#kernel;
    if (kernel) this.#in(0, () => this.#enter(kernel, line));
  }

  #enter(kernel: Kernel, line: number): void {
    if (this.#kernel !== kernel || !this.localApic.take(line)) return;
    this.#in(SERVICE_TICKS, () => this.#service(kernel, line));
  }

  #service(kernel: Kernel, line: number): void {
    if (this.#kernel !== kernel) return;
    const handled = kernel.handleLine(line);
    if (handled || this.controller.pulled(line).length === 0) {
      this.#finish(line, 1, handled);
      return;
    }
    this.#in(STORM_TICKS, () => {
      if (this.#kernel === kernel) this.#finish(line, STORM_TICKS * STORM_PER_TICK, false);
    });
  }

  #finish(line: number, interrupts: number, handled: boolean): void {
    if (!handled) this.unclaimed += interrupts;
    this.localApic.finish(line);
    if (this.nobodyCared.note(line, interrupts, handled)) this.#giveUp(line);
    this.controller.end(line);
  }

  #giveUp(line: number): void {
    const slots = this.controller.pulled(line).map((fn) => fn.slot);
    this.#machine.emit({ kind: 'line-disabled', tick: this.#machine.now, line, slots });
    this.controller.mask(line);
  }

  #take(kernel: Kernel, fn: SimFunction, count: number): void {
    if (kernel.handleMessage(fn)) return;
    this.unclaimed += count;
    kernel.burden(count * UNCLAIMED_TICKS, 'interrupts', [fn.slot]);
  }

  /**
   * A controller of this kind has a bit in memory for each message that waits to be taken, and sets it itself, whether a
   * kernel takes the message soon, late or never (Arm IHI 0069, 4.8: LPI pending tables).
   */
  #pend(fn: SimFunction): void {
    const { memory, now } = this.#machine;
    const key = mix(hashText(fn.slot), ++this.#pendings);
    const page = this.pendingTable[key % Math.max(1, this.pendingTable.length)];
    if (page === undefined) return;
    const address = addressOf(page) + (mix(key, 1) % PAGE_BYTES);
    memory.write(address, 1, key);
    this.#machine.emit({ kind: 'platform-write', tick: now, address, owner: memory.owner(page) });
  }

  #in(ticks: number, action: () => void): void {
    this.#machine.schedule.at(this.#machine.now + ticks, action);
  }
}
