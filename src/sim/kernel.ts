import * as regs from '../pci/regs.js';
import type { Slot } from '../pci/slot.js';
import type { SimFunction } from './function.js';
import { type InterruptHandler, lineOf } from './interrupts.js';
import type { Memory, Owner } from './memory.js';
import type { PageAllocator } from './page-allocator.js';

/** The driver of every PCI Express port, which has no device of its own to stop. */
export const PORT_DRIVER = 'pcieport';

export interface KernelParts {
  readonly memory: Memory;
  readonly allocator: PageAllocator;
  /** What its buffers are owned as. */
  readonly buffers: Owner;
}

/** As much of an operating system as PCI functions notice. */
export class Kernel implements InterruptHandler {
  readonly #parts: KernelParts;
  readonly #bound = new Map<Slot, SimFunction>();
  readonly #pages = new Map<Slot, number[]>();

  constructor(parts: KernelParts) {
    this.#parts = parts;
  }

  drives(slot: Slot): boolean {
    return this.#bound.has(slot);
  }

  driverOf(fn: SimFunction): string | null {
    return this.#bound.has(fn.slot) ? (fn.description.driver?.name ?? null) : null;
  }

  /** A driver's probe: enables the function and the bridges above, resets the device, and gives it new rings. */
  bind(fn: SimFunction): void {
    this.#bound.set(fn.slot, fn);
    for (let bridge = fn.parent; bridge; bridge = bridge.parent) setCommand(bridge, true);
    fn.device?.stop();
    fn.setCause(false);
    fn.interruptsOn = true;
    this.#enableMessages(fn);
    if (fn.device || fn.isBridge) setCommand(fn, true);
    this.program(fn);
  }

  /** A driver's remove, with pci_disable_device at its end. */
  unbind(fn: SimFunction): void {
    fn.device?.stop();
    fn.interruptsOn = false;
    fn.setCause(false);
    setMessages(fn, false);
    setIntxDisable(fn, false);
    setCommand(fn, false);
    this.#release(fn);
    this.#bound.delete(fn.slot);
  }

  /** Gives the device memory to write into. */
  program(fn: SimFunction): void {
    this.#release(fn);
    fn.device?.program((count) => {
      const pages = this.#parts.allocator.takeMany(count, this.#parts.buffers);
      for (const page of pages) this.#parts.memory.fill(page, 0);
      this.#pages.set(fn.slot, [...(this.#pages.get(fn.slot) ?? []), ...pages]);
      return pages;
    });
  }

  /** A function-level reset, as pci_reset_function does it: state is saved, and put back afterwards. */
  reset(fn: SimFunction): void {
    const { interruptsOn } = fn;
    const saved = fn.space.config.slice();
    fn.reset();
    for (let at = 0; at < saved.length; at++) {
      const mask = fn.space.writable[at] ?? 0;
      fn.space.config[at] = ((fn.space.config[at] ?? 0) & ~mask) | ((saved[at] ?? 0) & mask);
    }
    fn.refresh();
    if (!this.#bound.has(fn.slot)) return;
    fn.interruptsOn = interruptsOn;
    this.program(fn);
  }

  /**
   * The normal path of kexec, device_shutdown: last found first, a driver's shutdown where it has one, and
   * bus mastering off. A function without a driver is skipped, since its power state counts as unknown.
   */
  *shutdown(): Generator<SimFunction, void, void> {
    for (const fn of [...this.#bound.values()].reverse()) {
      if (fn.description.driver?.shutdown) {
        fn.device?.stop();
        fn.interruptsOn = false;
        fn.setCause(false);
      }
      setCommand(fn, false);
      yield fn;
    }
  }

  handle(fn: SimFunction): boolean {
    if (!this.#bound.has(fn.slot)) return false;
    fn.device?.serve();
    return true;
  }

  opened(line: number): boolean {
    for (const fn of this.#bound.values()) {
      if (lineOf(fn) === line && fn.description.pin && fn.messages === null) return true;
    }
    return false;
  }

  tick(): void {
    for (const fn of this.#bound.values()) fn.device?.serve();
  }

  #enableMessages(fn: SimFunction): void {
    const on = fn.description.messages !== undefined;
    setMessages(fn, on);
    setIntxDisable(fn, on);
  }

  #release(fn: SimFunction): void {
    for (const page of this.#pages.get(fn.slot) ?? []) this.#parts.allocator.giveBack(page);
    this.#pages.delete(fn.slot);
  }
}

/** Turns bus mastering on or off, and memory decoding on with it. */
export function setCommand(fn: SimFunction, on: boolean): void {
  const command = fn.read(regs.PCI_COMMAND, 2);
  const master = command | regs.PCI_COMMAND_MASTER | regs.PCI_COMMAND_MEMORY;
  fn.write(regs.PCI_COMMAND, 2, on ? master : command & ~regs.PCI_COMMAND_MASTER);
}

export function setMessages(fn: SimFunction, on: boolean): void {
  const { msi, msix } = fn.layout;
  if (msi !== undefined) setBit(fn, msi + regs.PCI_MSI_FLAGS, regs.PCI_MSI_FLAGS_ENABLE, on);
  if (msix !== undefined) setBit(fn, msix + regs.PCI_MSIX_FLAGS, regs.PCI_MSIX_FLAGS_ENABLE, on);
}

function setIntxDisable(fn: SimFunction, on: boolean): void {
  if (fn.description.pin) setBit(fn, regs.PCI_COMMAND, regs.PCI_COMMAND_INTX_DISABLE, on);
}

function setBit(fn: SimFunction, offset: number, bit: number, on: boolean): void {
  const value = fn.read(offset, 2);
  fn.write(offset, 2, on ? value | bit : value & ~bit);
}
