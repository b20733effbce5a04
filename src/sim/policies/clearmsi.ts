import * as regs from '../../pci/regs.js';
import type { SimFunction } from '../function.js';
import type { SimMachine } from '../machine.js';
import type { JumpPolicy } from './policy.js';

export const clearmsi: JumpPolicy = {
  name: 'clearmsi',
  title: 'the next kernel turns MSI and MSI-X off everywhere before it enables interrupts (pci=clearmsi)',
  hooks: () => ({
    early: (machine) => {
      for (const fn of machine.functions.values()) {
        const { msi, msix } = fn.layout;
        if (msi !== undefined) clear(machine, fn, msi + regs.PCI_MSI_FLAGS, regs.PCI_MSI_FLAGS_ENABLE);
        if (msix !== undefined) clear(machine, fn, msix + regs.PCI_MSIX_FLAGS, regs.PCI_MSIX_FLAGS_ENABLE);
      }
    },
  }),
};

function clear(machine: SimMachine, fn: SimFunction, offset: number, bit: number): void {
  const value = machine.configRead(fn, offset, 2);
  if (value === 0xffff || (value & bit) === 0) return;
  machine.configWrite(fn, offset, 2, value & ~bit, 'next-kernel');
}
