import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import { type Era, PORT_DRIVER } from '../description.js';
import type { BindProblem } from '../events.js';
import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';
import type { Owner } from '../memory/memory.js';
import type { PageAllocator } from '../memory/page-allocator.js';
import { TICKS_PER_MS } from '../ticks.js';
import { Burden } from './burden.js';
import { type Habits, habitsOf } from './eras.js';
import { IrqTable } from './irq-desc.js';
import { Registers } from './registers.js';

export interface KernelParts {
  readonly machine: SimMachine;
  readonly allocator: PageAllocator;
  /** What its buffers are owned as. */
  readonly buffers: Owner;
  readonly era: Era;
  /** Processors that it uses: each has its own interrupt vectors. */
  readonly cpus: number;
  readonly by: 'old-kernel' | 'next-kernel';
  /** It was booted to save a dump, in the little memory that was reserved for it. */
  readonly captures?: boolean;
}

/** As much of an operating system as PCI functions notice. */
export class Kernel {
  readonly habits: Habits;
  readonly irqs: IrqTable;
  registers: Registers;
  /** What it found when it looked for functions; `null` for one that has long been running. */
  found: ReadonlySet<SimFunction> | null = null;
  /** It has just turned interrupts on, and got no further. */
  early = false;
  #parts: KernelParts;
  readonly #bound = new Map<Slot, SimFunction>();
  readonly #pages = new Map<Slot, number[]>();
  /** Which function a buffer was given to. */
  readonly #holders = new Map<number, Slot>();
  readonly #served = new Set<SimFunction>();
  readonly #burden = new Burden();
  #vectors: number;

  constructor(parts: KernelParts) {
    this.#parts = parts;
    this.habits = habitsOf(parts.era);
    this.irqs = new IrqTable(parts.machine, () => this.by);
    this.registers = new Registers(parts.machine, parts.by);
    this.#vectors = parts.cpus * parts.machine.rules.vectorsPerCpu;
  }

  /** It has run for so long that the next jump leaves it. */
  settle(): void {
    const { machine } = this.#parts;
    machine.memory.reown(['next-kernel', 'next-kernel-image', 'next-kernel-initramfs'], 'old-kernel');
    machine.memory.reown(['next-dma-buffer'], 'dma-buffer');
    this.#parts = { ...this.#parts, buffers: 'dma-buffer', by: 'old-kernel' };
    this.registers = new Registers(machine, 'old-kernel');
    this.found = null;
    this.#vectors = Number.POSITIVE_INFINITY;
  }

  /** What it writes as. */
  get by(): 'old-kernel' | 'next-kernel' {
    return this.#parts.by;
  }

  get captures(): boolean {
    return this.#parts.captures ?? false;
  }

  drives(slot: Slot): boolean {
    return this.#bound.has(slot);
  }

  driverOf(fn: SimFunction): string | null {
    return this.#bound.has(fn.slot) ? (fn.description.driver?.name ?? null) : null;
  }

  /** The function that this page is a buffer of, if its driver still has it. */
  holder(page: number): Slot | null {
    return this.#holders.get(page) ?? null;
  }

  /**
   * A driver's probe: enables the function and the bridges above, lets it master the bus, resets the device through
   * its registers and gives it new rings, in the order of most drivers. Why it did not, or `null`. Until the reset the
   * device may go on with what the kernel before had told it. Throws `Hang` where that never lets the probe end.
   */
  bind(fn: SimFunction): string | null {
    const { machine, by } = this.#parts;
    const asleep = by === 'old-kernel' && !(fn.alive && fn.inD0);
    const problem = asleep ? null : this.#refuses(fn);
    const driver = fn.description.driver?.name ?? '';
    machine.emit({ kind: 'bound', tick: machine.now, slot: fn.slot, driver, problem });
    if (problem !== null) return problem.why;
    this.#bound.set(fn.slot, fn);
    // Suspended by runtime power management, with its driver bound: nothing of it works now.
    if (!asleep) this.#start(fn);
    return null;
  }

  /** A driver's remove, with pci_disable_device at its end. */
  unbind(fn: SimFunction): void {
    this.quiet(fn);
    if (this.irqs.free(fn)) this.#vectors++;
    this.registers.messages(fn, false);
    this.registers.intxDisable(fn, false);
    this.registers.busMaster(fn, false);
    this.#release(fn);
    this.#parts.machine.iommu?.detach(fn);
    this.#bound.delete(fn.slot);
    this.#served.delete(fn);
  }

  /** The driver stops the device. */
  quiet(fn: SimFunction): void {
    fn.stop();
    fn.interruptsOn = false;
    this.#parts.machine.interrupts.served(fn);
  }

  /** Gives the device memory to write into. */
  program(fn: SimFunction): void {
    this.#release(fn);
    const { allocator, buffers, machine } = this.#parts;
    const pages: number[] = [];
    fn.program((count) => {
      const taken = allocator.takeMany(count, buffers);
      for (const page of taken) {
        machine.memory.fill(page, 0);
        this.#holders.set(page, fn.slot);
      }
      pages.push(...taken);
      machine.iommu?.map(fn, taken);
      return taken;
    });
    this.#pages.set(fn.slot, pages);
  }

  /**
   * A function-level reset, as pci_reset_function does it: state is saved, the function is kept from asking for more and
   * given time for the answers that it waits for, and state is put back afterwards. Time passes.
   */
  reset(fn: SimFunction): void {
    const { machine, by } = this.#parts;
    const { interruptsOn, command } = fn;
    const saved = fn.space.config.slice();
    this.registers.busMaster(fn, false);
    this.#waitForPending(fn);
    fn.reset();
    for (let at = 0; at < saved.length; at++) {
      if (at === regs.PCI_COMMAND || at === regs.PCI_COMMAND + 1) continue;
      const mask = fn.space.writable[at] ?? 0;
      fn.space.config[at] = ((fn.space.config[at] ?? 0) & ~mask) | ((saved[at] ?? 0) & mask);
    }
    machine.configWrite(fn, regs.PCI_COMMAND, 2, command, by);
    if (!this.#bound.has(fn.slot)) return;
    machine.interrupts.served(fn);
    fn.interruptsOn = interruptsOn;
    this.program(fn);
  }

  /** A level interrupt came in: every function on the line that says it was one of its own is served. */
  handleLine(line: number): boolean {
    const desc = this.irqs.get(line);
    if (!desc || desc.depth > 0) return false;
    let handled = false;
    for (const fn of desc.actions) {
      if (fn === 'timer' || !fn.assertsIntx) continue;
      handled = true;
      this.#serve(fn);
    }
    return handled;
  }

  /** A message came in; false if its vector is not one of this kernel's. */
  handleMessage(fn: SimFunction): boolean {
    const desc = this.irqs.of(fn);
    if (!desc || typeof desc.irq === 'number') return false;
    if (desc.depth === 0) this.#serve(fn);
    return true;
  }

  /** Something takes the processor's time: messages about errors, or interrupts that nobody claims. */
  burden(ticks: number, what: 'errors' | 'interrupts', slots: readonly Slot[]): void {
    const { cpu, now } = this.#parts.machine;
    if (!this.#burden.add(now, ticks)) return;
    if (what === 'errors')
      cpu.hang('storm', 'error messages that come faster than they can be logged', slots);
    else if (this.early)
      cpu.hang('storm', 'interrupts: they are on, and the instruction after that is never reached', slots);
    else cpu.hang('storm', 'interrupts that nobody claims, which come faster than they can be taken', slots);
  }

  /** pci_wait_for_pending_transaction: looks again after 100, 200, 400 and 800 ms, and goes on then all the same. */
  #waitForPending(fn: SimFunction): void {
    const { machine } = this.#parts;
    const { express } = fn.layout;
    if (express === undefined) return;
    for (let ms = 100; ms <= 800; ms *= 2) {
      const status = machine.configRead(fn, express + regs.PCI_EXP_DEVSTA, 2);
      if (!fn.alive || (status & regs.PCI_EXP_DEVSTA_TRPND) === 0) return;
      machine.run(ms * TICKS_PER_MS);
    }
  }

  /** What stands in the way of a driver's probe. */
  #refuses(fn: SimFunction): BindProblem | null {
    const { driver } = fn.description;
    if (this.found && !this.found.has(fn)) return { cause: 'not-found', why: 'it was not found' };
    if (!fn.alive) return { cause: 'not-found', why: 'it does not answer' };
    if (fn.device?.wedged) return { cause: 'wedged', why: fn.device.wedged };
    if (driver?.needsIdle && fn.device?.busy)
      return { cause: 'busy', why: 'it still works for somebody else' };
    const vectors = fn.description.messages !== undefined || this.irqs.isNew(fn) ? 1 : 0;
    if (vectors > this.#vectors) return { cause: 'no-vector', why: 'no interrupt vector is left' };
    return null;
  }

  #start(fn: SimFunction): void {
    const { machine, by } = this.#parts;
    const { iommu, interrupts } = machine;
    for (let bridge = fn.parent; bridge; bridge = bridge.parent) this.#enableMaster(bridge);
    this.registers.powerUp(fn);
    iommu?.attach(fn);
    // A function without a device of its own, such as an SMBus controller, has no use for bus mastering.
    if (fn.device || fn.isBridge) this.#enableMaster(fn);
    else this.#enable(fn);
    const { resetAfterMs = 0 } = fn.description.driver ?? {};
    // Before a machine's first kernel nobody has set a device to work: nothing would happen meanwhile.
    if (resetAfterMs > 0 && by === 'next-kernel') machine.run(Math.ceil(resetAfterMs * TICKS_PER_MS));
    fn.stop();
    interrupts.served(fn);
    this.#openInterrupt(fn);
    this.program(fn);
  }

  /** pci_enable_device. */
  #enable(fn: SimFunction): void {
    this.registers.change(fn, regs.PCI_COMMAND, regs.PCI_COMMAND_MEMORY, 0);
    if (this.habits.enableFreesIntx && fn.messages === null) this.registers.intxDisable(fn, false);
  }

  /** And pci_set_master. */
  #enableMaster(fn: SimFunction): void {
    this.#enable(fn);
    this.registers.busMaster(fn, true);
  }

  #openInterrupt(fn: SimFunction): void {
    const messages = fn.description.messages !== undefined;
    this.registers.messages(fn, messages);
    this.registers.intxDisable(fn, messages);
    if (messages || this.irqs.isNew(fn)) this.#vectors--;
    this.irqs.request(fn);
    fn.interruptsOn = true;
  }

  #serve(fn: SimFunction): void {
    const { machine } = this.#parts;
    machine.interrupts.served(fn);
    fn.serve();
    if (this.#served.has(fn)) return;
    this.#served.add(fn);
    machine.emit({ kind: 'served', tick: machine.now, slot: fn.slot });
  }

  #release(fn: SimFunction): void {
    const { allocator, machine } = this.#parts;
    const pages = this.#pages.get(fn.slot) ?? [];
    for (const page of pages) {
      this.#holders.delete(page);
      allocator.giveBack(page);
    }
    machine.iommu?.unmap(fn, pages);
    this.#pages.delete(fn.slot);
  }
}

/** Ports of PCI Express have a driver that every kernel carries. */
export function isPort(fn: SimFunction): boolean {
  return fn.description.driver?.name === PORT_DRIVER;
}
