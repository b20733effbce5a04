import * as regs from '../pci/regs.js';
import type { Slot } from '../pci/slot.js';
import type { Layout } from './config-build.js';
import { CONFIG_BYTES, type ConfigSpace } from './config-space.js';
import type { Faults, FunctionDescription } from './description.js';
import type { Device } from './devices/device.js';
import * as hw from './regs.js';

const ONES: Readonly<Record<number, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };

export interface FunctionParts {
  readonly slot: Slot;
  readonly description: FunctionDescription;
  readonly space: ConfigSpace;
  readonly layout: Layout;
  readonly device: Device | undefined;
  readonly physfn: SimFunction | undefined;
}

/** One function: its registers, and what follows from them. */
export class SimFunction {
  readonly slot: Slot;
  readonly description: FunctionDescription;
  readonly space: ConfigSpace;
  readonly layout: Layout;
  readonly device: Device | undefined;
  readonly physfn: SimFunction | undefined;
  faults: Faults = {};
  /** The bridge above, by the buses as firmware numbered them: renumbering a bridge does not rewire the machine. */
  parent: SimFunction | undefined;
  readonly children: SimFunction[] = [];
  /** The ticks at which outstanding reads will be answered. */
  outstanding: number[] = [];
  /** Its driver has told it to interrupt. */
  interruptsOn = false;
  /** Called when what it does to its INTx wire may have changed. */
  onIntx: (fn: SimFunction) => void = () => {};
  #cause = false;
  #gone: boolean;
  #reads = 0;

  constructor(parts: FunctionParts) {
    this.slot = parts.slot;
    this.description = parts.description;
    this.space = parts.space;
    this.layout = parts.layout;
    this.device = parts.device;
    this.physfn = parts.physfn;
    this.#gone = parts.description.gone ?? false;
  }

  /** From now on it is not sound. */
  arm(faults: Faults): void {
    this.faults = faults;
    this.#reads = 0;
    if (faults.busMasterReadOnly) {
      const mask = this.space.writable[regs.PCI_COMMAND] ?? 0;
      this.space.writable[regs.PCI_COMMAND] = mask & ~regs.PCI_COMMAND_MASTER;
    }
    this.refresh();
  }

  get command(): number {
    return this.space.read(regs.PCI_COMMAND, 2);
  }

  get busMaster(): boolean {
    return (this.command & regs.PCI_COMMAND_MASTER) !== 0;
  }

  get isBridge(): boolean {
    return this.description.secondary !== undefined;
  }

  /** There and powered, so that it answers configuration accesses and can do work. */
  get alive(): boolean {
    if (this.#gone || this.description.power === 'D3cold') return false;
    if (this.physfn && !(this.physfn.alive && this.physfn.virtualFunctionsOn)) return false;
    return !this.parent || (this.parent.alive && this.parent.inD0);
  }

  get inD0(): boolean {
    const { pm } = this.layout;
    return (
      pm === undefined || (this.space.read(pm + regs.PCI_PM_CTRL, 2) & regs.PCI_PM_CTRL_STATE_MASK) === 0
    );
  }

  get virtualFunctionsOn(): boolean {
    const { sriov } = this.layout;
    return sriov !== undefined && this.#bit(sriov + regs.PCI_SRIOV_CTRL, regs.PCI_SRIOV_CTRL_VFE);
  }

  /** The message interrupt that is enabled, whether or not it is masked. */
  get messages(): 'msi' | 'msix' | null {
    const { msi, msix } = this.layout;
    if (msix !== undefined && this.#bit(msix + regs.PCI_MSIX_FLAGS, regs.PCI_MSIX_FLAGS_ENABLE))
      return 'msix';
    return msi !== undefined && this.#bit(msi + regs.PCI_MSI_FLAGS, regs.PCI_MSI_FLAGS_ENABLE) ? 'msi' : null;
  }

  get messagesMasked(): boolean {
    const { msix } = this.layout;
    return msix !== undefined && this.#bit(msix + regs.PCI_MSIX_FLAGS, regs.PCI_MSIX_FLAGS_MASKALL);
  }

  get assertsIntx(): boolean {
    const asserted = (this.space.read(regs.PCI_STATUS, 2) & regs.PCI_STATUS_INTERRUPT) !== 0;
    return asserted && (this.command & regs.PCI_COMMAND_INTX_DISABLE) === 0 && this.alive;
  }

  /** A configuration read from the bus. */
  read(offset: number, width: number): number {
    this.#reads++;
    if (this.faults.allOnesAfterReads !== undefined && this.#reads > this.faults.allOnesAfterReads)
      this.vanish();
    return this.alive ? this.space.read(offset, width) : (ONES[width] ?? 0);
  }

  /** A configuration write from the bus, and what follows from the range that it touched. */
  write(offset: number, width: number, value: number): void {
    if (this.faults.vanishOnWrite) this.vanish();
    if (!this.alive || this.faults.ignoreWrites) return;
    this.space.write(offset, width, value);
    const touches = (register: number | undefined, length: number) =>
      register !== undefined && offset < register + length && register < offset + width;
    const { express } = this.layout;
    if (express !== undefined && touches(express + regs.PCI_EXP_DEVCTL, 2))
      this.#deviceControlWritten(express);
    if (this.isBridge && touches(regs.PCI_BRIDGE_CONTROL, 2)) this.#bridgeControlWritten();
    this.refresh();
  }

  /** Raises or takes back the reason for an interrupt. */
  setCause(on: boolean): void {
    this.#cause = on;
    this.refresh();
  }

  /** Falls off the bus. */
  vanish(): void {
    this.#gone = true;
    this.refresh();
  }

  /** PCIe 6.6.2: what was written is gone, and so is the work. */
  reset(): void {
    for (let at = 0; at < CONFIG_BYTES; at++) {
      this.space.config[at] = (this.space.config[at] ?? 0) & ~(this.space.writable[at] ?? 0);
    }
    this.device?.stop();
    this.outstanding = [];
    this.interruptsOn = false;
    this.#cause = false;
    this.refresh();
  }

  /** Brings the status bits that mirror inner state up to date. */
  refresh(): void {
    // PCI 6.8.1.3: with messages enabled a function does not use its INTx wire.
    const pin = this.description.pin ?? 0;
    const intx = this.#cause && pin !== 0 && this.messages === null;
    this.space.setBits(regs.PCI_STATUS, 2, regs.PCI_STATUS_INTERRUPT, intx);
    const { express } = this.layout;
    if (express !== undefined) {
      const pending = this.outstanding.length > 0 || this.faults.pendingForever === true;
      this.space.setBits(express + regs.PCI_EXP_DEVSTA, 2, regs.PCI_EXP_DEVSTA_TRPND, pending);
    }
    this.onIntx(this);
  }

  #deviceControlWritten(express: number): void {
    const at = express + regs.PCI_EXP_DEVCTL;
    if (!this.description.flr || !this.#bit(at, hw.PCI_EXP_DEVCTL_BCR_FLR)) return;
    this.reset();
  }

  #bridgeControlWritten(): void {
    if (!this.#bit(regs.PCI_BRIDGE_CONTROL, hw.PCI_BRIDGE_CTL_BUS_RESET)) return;
    const below = [...this.children];
    for (let fn = below.pop(); fn; fn = below.pop()) {
      fn.reset();
      below.push(...fn.children);
    }
  }

  #bit(offset: number, bit: number): boolean {
    return (this.space.read(offset, 2) & bit) !== 0;
  }
}
