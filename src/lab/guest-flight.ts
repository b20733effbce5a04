import type { FlightRecord } from '../image/flight.js';
import type { FlightEntry } from '../image/flight-entry.js';
import { BOOT_PARAMS, RECORD } from '../image/layout.js';
import * as regs from '../pci/regs.js';
import type { Guest } from './guest.js';

/** One write as QEMU's trace has it; the offset is that of the register. */
export interface TracedWrite {
  /** `bb:dd.f` */
  readonly slot: string;
  readonly offset: number;
  readonly value: number;
}

const NODE = 'kernel/boot_params/setup_data';

/** The record that the stub left for the kernel that runs in the guest; `null` if it left none. */
export async function readFlight(guest: Guest): Promise<Uint8Array | null> {
  const type = `0x${RECORD.setupDataType.toString(16)}`;
  const script = `cd /sys
for n in ${NODE}/*; do
  [ -e $n/type ] && [ "$(cat $n/type)" = ${type} ] && { od -An -v -tx1 $n/data; exit 0; }
done
od -An -v -tx1 -j ${BOOT_PARAMS.pad9} kernel/boot_params/data`;
  const text = await guest.must(script);
  const bytes = Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
  return new DataView(bytes.buffer).getUint32(0, true) === RECORD.magic ? bytes : null;
}

/** The lines of a `pci_cfg_write` trace. */
export function tracedWrites(trace: string): readonly TracedWrite[] {
  const writes: TracedWrite[] = [];
  for (const line of trace.split('\n')) {
    const match = /pci_cfg_write \S+ ([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) @0x([0-9a-f]+) <- 0x([0-9a-f]+)/.exec(
      line,
    );
    if (!match) continue;
    const [, slot = '', offset = '', value = ''] = match;
    writes.push({ slot, offset: Number.parseInt(offset, 16), value: Number.parseInt(value, 16) });
  }
  return writes;
}

/** The writes that a record tells of, in no order. */
export function recordedWrites(record: FlightRecord): readonly TracedWrite[] {
  return record.entries.flatMap(entryWrites);
}

const WRITTEN = ['done', 'partial', 'interrupting', 'ignored', 'vanished'];
const DISABLED = ['disabled', 'ignored', 'vanished'];

function entryWrites({ slot, outcome, command, msi, msix }: FlightEntry): TracedWrite[] {
  const short = slot.slice(5);
  const writes: TracedWrite[] = [];
  if (WRITTEN.includes(outcome)) {
    const value = (command.before & ~regs.PCI_COMMAND_MASTER) | regs.PCI_COMMAND_INTX_DISABLE;
    writes.push({ slot: short, offset: regs.PCI_COMMAND, value });
  }
  for (const [one, mask, value] of [
    [msi, regs.PCI_MSI_FLAGS_ENABLE, 0],
    [msix, regs.PCI_MSIX_FLAGS_ENABLE | regs.PCI_MSIX_FLAGS_MASKALL, regs.PCI_MSIX_FLAGS_MASKALL],
  ] as const) {
    if (!DISABLED.includes(one.became) || one.offset === null || one.before === null) continue;
    writes.push({
      slot: short,
      offset: one.offset + regs.PCI_MSI_FLAGS,
      value: (one.before & ~mask) | value,
    });
  }
  return writes;
}

/**
 * Whether the trace has, one after the other and with nothing in between, exactly the writes that the record tells of:
 * nobody else is at work between two kernels.
 */
export function traceAgrees(trace: readonly TracedWrite[], record: FlightRecord): boolean {
  const key = ({ slot, offset, value }: TracedWrite) => `${slot}+${offset}=${value}`;
  const recorded = recordedWrites(record).map(key).sort();
  if (recorded.length !== record.counts.writes) return false;
  if (recorded.length === 0) return true;
  const all = trace.map(key);
  for (let at = 0; at + recorded.length <= all.length; at++) {
    const window = all.slice(at, at + recorded.length).sort();
    if (window.every((one, i) => one === recorded[i])) return true;
  }
  return false;
}
