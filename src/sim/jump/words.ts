import * as regs from '../../pci/regs.js';
import { hex, type Slot } from '../../pci/slot.js';
import { type SimEvent, WRITER_WORDS } from '../events.js';
import type { SimFunction } from '../functions/function.js';
import type { Region } from './result.js';

const REGIONS: Readonly<Record<Region, string>> = {
  image: "the next kernel's image",
  initramfs: "the next kernel's initramfs",
  'kernel-memory': "the next kernel's memory",
  dump: 'the dump',
};

export function breaks(region: Region | null): string {
  return region === null ? '' : `, which breaks ${REGIONS[region]}`;
}

/** What keeps a request of a function from passing. */
export function gate(slot: Slot, by: Slot): string {
  return by === slot ? 'its own bus mastering is off' : `${by} above it does not forward`;
}

/** What a configuration write changed, if it is one of the bits that a jump is about. */
export function configWriteWords(
  fn: SimFunction,
  { offset, width, before, after, by }: Extract<SimEvent, { kind: 'config-write' }>,
): string | null {
  const who = WRITER_WORDS[by];
  const bit = (register: number | undefined, mask: number): boolean | null => {
    if (register === undefined || register < offset || register + 2 > offset + width) return null;
    const shift = 2 ** (8 * (register - offset));
    const was = Math.floor(before / shift) & mask;
    const is = Math.floor(after / shift) & mask;
    return was === is ? null : is !== 0;
  };
  const changes = [
    named('bus mastering', bit(regs.PCI_COMMAND, regs.PCI_COMMAND_MASTER)),
    named('INTx', negated(bit(regs.PCI_COMMAND, regs.PCI_COMMAND_INTX_DISABLE))),
    named('MSI', bit(at(fn.layout.msi, regs.PCI_MSI_FLAGS), regs.PCI_MSI_FLAGS_ENABLE)),
    named('MSI-X', bit(at(fn.layout.msix, regs.PCI_MSIX_FLAGS), regs.PCI_MSIX_FLAGS_ENABLE)),
    named('virtual functions', bit(at(fn.layout.sriov, regs.PCI_SRIOV_CTRL), regs.PCI_SRIOV_CTRL_VFE)),
  ].filter((change) => change !== null);
  if (changes.length === 0) return null;
  const register = offset === regs.PCI_COMMAND ? `Command ${hex(before, 4)} → ${hex(after, 4)}: ` : '';
  return `${register}${who} turns ${changes.join(' and ')}`;
}

const at = (capability: number | undefined, register: number) =>
  capability === undefined ? undefined : capability + register;

const negated = (on: boolean | null) => (on === null ? null : !on);

const named = (what: string, on: boolean | null) => (on === null ? null : `${what} ${on ? 'on' : 'off'}`);
