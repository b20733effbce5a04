import * as regs from '../../pci/regs.js';
import type { SimFunction } from '../function.js';
import type { SimMachine } from '../machine.js';

/** The old kernel's pci_set_master or pci_clear_master: nothing is written where the bit is so already. */
export function setBusMaster(machine: SimMachine, fn: SimFunction, on: boolean): void {
  const command = machine.configRead(fn, regs.PCI_COMMAND, 2);
  if (command === 0xffff) return;
  const wanted = on ? command | regs.PCI_COMMAND_MASTER : command & ~regs.PCI_COMMAND_MASTER;
  if (wanted !== command) machine.configWrite(fn, regs.PCI_COMMAND, 2, wanted, 'old-kernel');
}
