import * as regs from '../pci/regs.js';
import type { FlightCapability, FlightEntry, FlightMessages } from './flight-entry.js';

/** A register that the stub wrote. The record holds what it was; what was written follows from that. */
export interface FlightWrite {
  readonly register: 'PCI_COMMAND' | 'PCI_MSI_FLAGS' | 'PCI_MSIX_FLAGS';
  readonly offset: number;
  readonly before: number;
  readonly wrote: number;
}

const GATED: readonly FlightEntry['outcome'][] = ['done', 'partial', 'interrupting', 'ignored', 'vanished'];
const SWITCHED: readonly FlightMessages[] = ['disabled', 'ignored', 'vanished'];

/** What was written to one function; a summary does not say where its MSI registers lie, nor what they held. */
export function flightWrites({ outcome, command, msi, msix }: FlightEntry): readonly FlightWrite[] {
  const writes: FlightWrite[] = [];
  if (GATED.includes(outcome)) {
    const { before } = command;
    const wrote = (before & ~regs.PCI_COMMAND_MASTER) | regs.PCI_COMMAND_INTX_DISABLE;
    writes.push({ register: 'PCI_COMMAND', offset: regs.PCI_COMMAND, before, wrote });
  }
  const message = (
    one: FlightCapability,
    register: FlightWrite['register'],
    wrote: (was: number) => number,
  ) => {
    const { offset, before, became } = one;
    if (!SWITCHED.includes(became) || offset === null || before === null) return;
    writes.push({ register, offset: offset + regs.PCI_MSI_FLAGS, before, wrote: wrote(before) });
  };
  message(msi, 'PCI_MSI_FLAGS', (was) => was & ~regs.PCI_MSI_FLAGS_ENABLE);
  message(msix, 'PCI_MSIX_FLAGS', (was) => (was & ~regs.PCI_MSIX_FLAGS_ENABLE) | regs.PCI_MSIX_FLAGS_MASKALL);
  return writes;
}
