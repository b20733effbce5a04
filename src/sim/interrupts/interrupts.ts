import type { Slot } from '../../pci/slot.js';
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
  /** When the last interrupts end that came without pause. */
  #stormEnd = Number.NEGATIVE_INFINITY;

  constructor(machine: SimMachine) {
    this.#machine = machine;
  }

  get controller(): Controller {
    this.#controller ??= new Controller({
      wires: this.wires,
      bootLine: this.#machine.rules.bootInterruptLine,
      send: (line, again) => this.#sent(line, again),
      held: (line) => this.#heldBack(line),
    });
    return this.#controller;
  }

  /** Whoever takes interrupts now. */
  get listener(): Kernel | null {
    return this.#kernel;
  }

  /** Interrupts go to this kernel from now on, or to nobody. What was latched meanwhile arrives at once. */
  attach(kernel: Kernel | null): void {
    this.#kernel = kernel;
    if (!kernel) {
      this.#off();
      return;
    }
    this.unclaimed = 0;
    this.nobodyCared.reset();
    const latched = [...this.#latched];
    this.#latched.clear();
    for (const fn of latched) this.#take(kernel, fn, 1);
    for (const line of [...this.localApic.pending]) this.#accept(line);
  }

  /** What a kernel does to all pins, the last thing on its way out and the first on its way in. */
  silence({ habits, by }: Kernel): void {
    const remoteIrr = this.controller.unended();
    const ended = habits.endsPins;
    if (ended) this.controller.clear();
    else this.controller.maskAll();
    this.#machine.emit({ kind: 'pins-masked', tick: this.#machine.now, by, ended, remoteIrr });
  }

  /** Since then level interrupts came without pause for a while, and the processor did nothing else. */
  stormedSince(tick: number): boolean {
    return this.#stormEnd > tick;
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
    const { line } = fn.description;
    const asserted = fn.assertsIntx;
    if (line === undefined || !this.wires.set(fn, asserted)) return;
    const { traced, now: tick } = this.#machine;
    if (traced) this.#machine.emit({ kind: 'intx', tick, slot: fn.slot, line, asserted });
    this.controller.changed(line);
  }

  /**
   * A write to the EOI register of a processor; the devices' interrupts all go to processor 0. An x86 one tells the
   * IO-APIC which interrupt that ended; a local SAPIC keeps it to itself. `told` hears of the line before the pins do.
   */
  endOfInterrupt(cpu: number, told: (line: number | null) => void = () => {}): number | null {
    const line = cpu === 0 ? this.localApic.end() : null;
    told(line);
    if (line !== null && this.#machine.rules.interruptController === 'io-apic') this.controller.end(line);
    return line;
  }

  /** The timer's interrupt reaches this processor. */
  timerReaches(cpu: number): boolean {
    const { timerLine, legacyInterruptsToBootCpuOnly } = this.#machine.rules;
    return !this.controller.masked(timerLine) && (cpu === 0 || !legacyInterruptsToBootCpuOnly);
  }

  /** Nobody takes interrupts from now on, and nobody ends those that were taken. */
  #off(): void {
    const { inService } = this.localApic;
    const pending = [...this.localApic.pending];
    if (inService.length + pending.length === 0) return;
    this.#machine.emit({ kind: 'irqs-off', tick: this.#machine.now, inService, pending });
  }

  #sent(line: number, again: boolean): void {
    const heard = this.#kernel !== null;
    if (!heard || this.#machine.traced) {
      const slots = this.#pulling(line);
      this.#machine.emit({ kind: 'irq-sent', tick: this.#machine.now, line, slots, again, heard });
    }
    this.#accept(line);
  }

  #heldBack(line: number): void {
    if (this.localApic.has(line)) return;
    const slots = this.#pulling(line);
    if (slots.length > 0) this.#machine.emit({ kind: 'irq-held', tick: this.#machine.now, line, slots });
  }

  #pulling(line: number): readonly Slot[] {
    return this.controller.pulled(line).map(({ slot }) => slot);
  }

  #accept(line: number): void {
    this.localApic.accept(line);
    const kernel = this.#kernel;
    if (kernel) this.#in(0, () => this.#enter(kernel, line));
  }

  #enter(kernel: Kernel, line: number): void {
    if (this.#kernel !== kernel || !this.localApic.take(line)) return;
    if (this.#machine.traced) this.#machine.emit({ kind: 'irq-taken', tick: this.#machine.now, line });
    this.#in(SERVICE_TICKS, () => this.#service(kernel, line));
  }

  #service(kernel: Kernel, line: number): void {
    if (this.#kernel !== kernel) return;
    const handled = kernel.handleLine(line);
    if (handled || this.controller.pulled(line).length === 0) {
      this.#finish(line, 1, handled);
      return;
    }
    this.#stormEnd = this.#machine.now + STORM_TICKS;
    this.#in(STORM_TICKS, () => {
      if (this.#kernel === kernel) this.#finish(line, STORM_TICKS * STORM_PER_TICK, false);
    });
  }

  #finish(line: number, interrupts: number, handled: boolean): void {
    const { traced, now: tick } = this.#machine;
    if (traced) this.#machine.emit({ kind: 'irq-ended', tick, line, count: interrupts, handled });
    if (!handled) this.unclaimed += interrupts;
    this.localApic.finish(line);
    if (this.nobodyCared.note(line, interrupts, handled)) this.#giveUp(line);
    this.controller.end(line);
  }

  #giveUp(line: number): void {
    const slots = this.#pulling(line);
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
