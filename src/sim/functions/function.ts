import * as regs from '../../pci/regs.js';
import { type Slot, type SlotParts, slotParts } from '../../pci/slot.js';
import type { Posted } from '../bus/bus.js';
import type { Faults, FunctionDescription } from '../description.js';
import type { AllocatePages, Device } from '../devices/device.js';
import { hashText, mix } from '../random.js';
import type { Layout } from './config-build.js';
import type { ConfigSpace } from './config-space.js';
import type { Engine } from './engine.js';
import { PendingReads } from './pending-reads.js';
import { RegisterView } from './register-view.js';
import * as hw from './regs.js';

const ONES: Readonly<Record<number, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };

export interface FunctionParts {
  readonly slot: Slot;
  readonly description: FunctionDescription;
  readonly space: ConfigSpace;
  readonly layout: Layout;
  readonly device: Device | undefined;
  readonly physfn: SimFunction | undefined;
  readonly power: Power;
}

/** Counts what has changed in who of a machine is there and powered: until then, what was found out holds. */
export interface Power {
  changes: number;
}

/** One function: its registers, and what follows from them. */
export class SimFunction extends RegisterView {
  readonly slot: Slot;
  readonly address: SlotParts;
  readonly device: Device | undefined;
  readonly physfn: SimFunction | undefined;
  /** Its virtual functions. */
  readonly vfs: SimFunction[] = [];
  faults: Faults = {};
  /** The bridge above, by the buses as firmware numbered them: renumbering a bridge does not rewire the machine. */
  parent: SimFunction | undefined;
  readonly children: SimFunction[] = [];
  /** The root port above it, or itself if it is one. */
  rootPort: SimFunction | undefined;
  /** What calls its device; set by the machine. */
  engine: Engine | undefined;
  /** Posted requests on their way, in the order in which they will land. */
  readonly posted: Posted[] = [];
  /** What the schedule calls to land them, and to answer its reads; set by the bus. */
  land: (() => void) | undefined;
  answer: (() => void) | undefined;
  /** Its driver has told it to interrupt. */
  interruptsOn = false;
  /** Firmware has not handed it over yet. */
  firmwareOwned = false;
  /** Called when what it does to its INTx wire has changed. */
  onIntx: (fn: SimFunction) => void = () => {};
  readonly #reads = new PendingReads();
  #cause = false;
  #asserted = false;
  #gone: boolean;
  #hung = false;
  readonly #power: Power;
  /** Whether it was there and powered, after so many changes. */
  #alive = false;
  #aliveAfter = -1;
  /** Power state, VF Enable and presence, of which others depend on it. */
  #shown = -1;
  #accesses = 0;
  readonly #hash: number;
  #draws = 0;

  constructor(parts: FunctionParts) {
    super(parts.description, parts.space, parts.layout);
    this.slot = parts.slot;
    this.address = slotParts(parts.slot);
    this.device = parts.device;
    this.physfn = parts.physfn;
    this.#hash = hashText(parts.slot);
    this.#power = parts.power;
    this.#gone = parts.description.gone ?? false;
    if (parts.description.faults) this.arm(parts.description.faults);
  }

  /** From now on it is not sound. */
  arm(faults: Faults): void {
    this.faults = { ...this.faults, ...faults };
    this.#accesses = 0;
    if (faults.busMasterReadOnly) {
      const mask = this.space.writable[regs.PCI_COMMAND] ?? 0;
      this.space.writable[regs.PCI_COMMAND] = mask & ~regs.PCI_COMMAND_MASTER;
    }
    this.refresh();
  }

  /** It fell off the bus, or never was there. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Nobody answers an access to it: it hangs, or the bridge above does, and that is only found out by waiting. */
  get silent(): boolean {
    const { parent } = this;
    if (parent && (parent.silent || !(parent.alive && parent.inD0))) return parent.silent;
    return this.#hung || this.physfn?.silent === true;
  }

  /** There and powered, so that it answers configuration accesses and can do work. */
  get alive(): boolean {
    if (this.#aliveAfter !== this.#power.changes) {
      this.#aliveAfter = this.#power.changes;
      this.#alive = this.#isAlive();
    }
    return this.#alive;
  }

  get assertsIntx(): boolean {
    return this.#asserted;
  }

  /** Reads that were asked for and not yet answered. */
  get outstanding(): number {
    return this.#reads.outstanding;
  }

  /** From a stream of its own: the next of 32 bits. */
  draw(): number {
    return mix(this.#hash, ++this.#draws);
  }

  /** Its driver gives the device fresh rings. */
  program(allocate: AllocatePages): void {
    this.device?.program(allocate);
    this.wake();
  }

  /** Its driver takes what is there and hands out new work. */
  serve(): void {
    this.device?.serve();
    this.wake();
  }

  /** The device forgets what it was told. */
  stop(): void {
    this.device?.stop();
    this.wake();
  }

  /** The device is called within this tick. */
  wake(): void {
    this.engine?.wake();
  }

  /** A configuration read from the bus. */
  read(offset: number, width: number): number {
    this.#accesses++;
    if (this.faults.allOnesAfterReads !== undefined && this.#accesses > this.faults.allOnesAfterReads)
      this.vanish();
    return this.alive ? this.space.read(offset, width) : (ONES[width] ?? 0);
  }

  /** A configuration write from the bus, and what follows from the range that it touched. */
  write(offset: number, width: number, value: number): void {
    if (this.faults.vanishOnWrite) this.vanish();
    if (!this.alive || this.faults.ignoreWrites) return;
    const { busMaster, virtualFunctionsOn } = this;
    this.space.write(offset, width, value);
    const touches = (register: number | undefined, length: number) =>
      register !== undefined && offset < register + length && register < offset + width;
    const { express, sriov } = this.layout;
    if (express !== undefined && touches(express + regs.PCI_EXP_DEVCTL, 2))
      this.#deviceControlWritten(express);
    if (this.isBridge && touches(regs.PCI_BRIDGE_CONTROL, 2)) this.#bridgeControlWritten();
    if (virtualFunctionsOn && touches(sriov, regs.PCI_SRIOV_CTRL + 2) && !this.virtualFunctionsOn)
      for (const vf of this.vfs) vf.reset();
    this.refresh();
    if (busMaster !== this.busMaster) this.engine?.act();
    else if (touches(regs.PCI_COMMAND, 2)) this.wake();
  }

  /** Raises or takes back the reason for an interrupt. */
  setCause(on: boolean): void {
    if (on === this.#cause) return;
    this.#cause = on;
    this.#showInterrupt();
  }

  /** Falls off the bus. */
  vanish(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.refresh();
  }

  /** Answers nothing any more and does nothing, with its link up. */
  hang(): void {
    if (this.#gone) return;
    this.#hung = true;
    this.vanish();
  }

  /** PCIe 6.6.2: what was written is gone, and so is the work. Answers to its requests are on their way all the same. */
  reset(): void {
    this.device?.stop();
    this.space.reset();
    this.#reads.forget();
    this.interruptsOn = false;
    this.firmwareOwned = false;
    this.#cause = false;
    for (const vf of this.vfs) vf.reset();
    this.refresh();
    this.wake();
  }

  /** A read went out, to be answered at `due`. */
  asked(due: number): void {
    this.#reads.send(due);
    if (this.outstanding === 1) this.#showPending();
  }

  /** A read went out that nobody will answer. Returns how to give it up, which says whether it was still waited for. */
  askedInVain(): () => boolean {
    const giveUp = this.#reads.sendInVain();
    if (this.outstanding === 1) this.#showPending();
    return () => {
      if (!giveUp()) return false;
      if (this.outstanding === 0) this.#showPending();
      return true;
    };
  }

  /** Takes the answers that are due; those to what it asked before a reset it does not expect. */
  answered(now: number): { wanted: number; unexpected: number } {
    const { wanted, unexpected } = this.#reads.take(now);
    if (wanted > 0 && this.outstanding === 0) this.#showPending();
    return { wanted, unexpected: this.alive ? unexpected : 0 };
  }

  /** Brings up to date what follows from its registers, here and elsewhere. */
  refresh(): void {
    const shown = (this.#gone ? 4 : 0) + (this.inD0 ? 2 : 0) + (this.virtualFunctionsOn ? 1 : 0);
    const changed = shown !== this.#shown;
    this.#shown = shown;
    if (changed) this.#power.changes++;
    this.#showPending();
    this.#showInterrupt();
    if (changed) this.#refreshBelow();
  }

  #isAlive(): boolean {
    if (this.#gone || this.description.power === 'D3cold') return false;
    if (this.physfn && !(this.physfn.alive && this.physfn.virtualFunctionsOn)) return false;
    return !this.parent || (this.parent.alive && this.parent.inD0);
  }

  /** What is below it, or is its virtual function, comes or goes with it. */
  #refreshBelow(): void {
    for (const fn of [...this.children, ...this.vfs]) {
      fn.#showInterrupt();
      fn.wake();
      if (fn.isBridge || fn.vfs.length > 0) fn.#refreshBelow();
    }
  }

  #showInterrupt(): void {
    // PCI 6.8.1.3: with messages enabled a function does not use its INTx wire. PCIe 5.3.1: nor outside D0.
    const pin = this.description.pin ?? 0;
    const intx = this.#cause && pin !== 0 && this.messages === null;
    this.space.setBits(regs.PCI_STATUS, 2, regs.PCI_STATUS_INTERRUPT, intx);
    const asserted = intx && (this.command & regs.PCI_COMMAND_INTX_DISABLE) === 0 && this.alive && this.inD0;
    if (asserted === this.#asserted) return;
    this.#asserted = asserted;
    this.onIntx(this);
  }

  #showPending(): void {
    const { express } = this.layout;
    if (express === undefined) return;
    const pending = this.outstanding > 0 || this.faults.pendingForever === true;
    this.space.setBits(express + regs.PCI_EXP_DEVSTA, 2, regs.PCI_EXP_DEVSTA_TRPND, pending);
  }

  #deviceControlWritten(express: number): void {
    const at = express + regs.PCI_EXP_DEVCTL;
    if (!this.description.flr || !this.bit(at, hw.PCI_EXP_DEVCTL_BCR_FLR)) return;
    this.reset();
  }

  #bridgeControlWritten(): void {
    if (!this.bit(regs.PCI_BRIDGE_CONTROL, hw.PCI_BRIDGE_CTL_BUS_RESET)) return;
    const below = [...this.children];
    for (let fn = below.pop(); fn; fn = below.pop()) {
      fn.reset();
      below.push(...fn.children);
    }
  }
}
