import type { Machine } from '../host/scan.js';
import type { PciNames } from '../pci/pci-ids.js';
import type { Slot } from '../pci/slot.js';
import { type Style, table } from './table.js';

/** What one function did to memory after a jump. */
export interface JumpWriter {
  readonly slot: Slot;
  readonly count: number;
  readonly firstAddress: number;
  /** What it hit that somebody used: the image, the dump, … */
  readonly broke: readonly string[];
}

export function writersTable(
  writers: readonly JumpWriter[],
  machine: Machine,
  names: PciNames,
  style: Style,
): string {
  const rows = writers.map(({ slot, count, firstAddress, broke }) => {
    const fn = machine.topology.nodes.get(slot)?.function;
    const what = broke.length > 0 ? broke.join(', ') : 'nothing in use';
    return [
      slot,
      String(count),
      `0x${firstAddress.toString(16)}`,
      what,
      fn ? names.device(fn.vendor, fn.device) : '',
    ];
  });
  const columns = [{ title: 'slot' }, { title: 'writes' }, { title: 'first at' }, { title: 'hit' }];
  return table([...columns, { title: 'device', flexible: 'cut' }], rows, style);
}
