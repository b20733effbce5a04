import * as regs from '../../pci/regs.js';
import type { Writer } from '../events.js';
import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';

/** How a kernel writes to configuration space. */
export class Registers {
  readonly #machine: SimMachine;
  readonly #by: Writer;

  constructor(machine: SimMachine, by: Writer) {
    this.#machine = machine;
    this.#by = by;
  }

  /** Sets and clears bits of a 16-bit register, with one write, and none where nothing would change. */
  change(fn: SimFunction, offset: number, set: number, clear: number): void {
    const value = this.#machine.configRead(fn, offset, 2);
    const changed = (value & ~clear) | set;
    if (changed !== value) this.#machine.configWrite(fn, offset, 2, changed, this.#by);
  }

  /** pci_set_master and pci_clear_master. */
  busMaster(fn: SimFunction, on: boolean): void {
    if (on) this.change(fn, regs.PCI_COMMAND, regs.PCI_COMMAND_MASTER, 0);
    else this.change(fn, regs.PCI_COMMAND, 0, regs.PCI_COMMAND_MASTER);
  }

  intxDisable(fn: SimFunction, on: boolean): void {
    if (!fn.description.pin) return;
    if (on) this.change(fn, regs.PCI_COMMAND, regs.PCI_COMMAND_INTX_DISABLE, 0);
    else this.change(fn, regs.PCI_COMMAND, 0, regs.PCI_COMMAND_INTX_DISABLE);
  }

  messages(fn: SimFunction, on: boolean): void {
    const { msi, msix } = fn.layout;
    const set = (at: number | undefined, flag: number) => {
      if (at !== undefined) this.change(fn, at, on ? flag : 0, on ? 0 : flag);
    };
    set(msi === undefined ? undefined : msi + regs.PCI_MSI_FLAGS, regs.PCI_MSI_FLAGS_ENABLE);
    set(msix === undefined ? undefined : msix + regs.PCI_MSIX_FLAGS, regs.PCI_MSIX_FLAGS_ENABLE);
    if (on && msix !== undefined) this.change(fn, msix + regs.PCI_MSIX_FLAGS, 0, regs.PCI_MSIX_FLAGS_MASKALL);
  }

  virtualFunctionsOff(fn: SimFunction): void {
    const { sriov } = fn.layout;
    if (sriov !== undefined) this.change(fn, sriov + regs.PCI_SRIOV_CTRL, 0, regs.PCI_SRIOV_CTRL_VFE);
  }

  /** From D3hot; a function in D3cold does not hear it. */
  powerUp(fn: SimFunction): void {
    const { pm } = fn.layout;
    if (pm !== undefined && fn.alive && !fn.inD0) {
      this.change(fn, pm + regs.PCI_PM_CTRL, 0, regs.PCI_PM_CTRL_STATE_MASK);
    }
  }
}
