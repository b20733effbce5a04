import { type FlightRecord, startsFlight } from '../image/flight.js';
import { flightWrites } from '../image/flight-writes.js';
import { BOOT_PARAMS, RECORD } from '../image/layout.js';
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
  return startsFlight(bytes) ? bytes : null;
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
  return record.entries.flatMap((entry) =>
    flightWrites(entry).map(({ offset, wrote }) => ({ slot: entry.slot.slice(5), offset, value: wrote })),
  );
}

/**
 * Whether the trace has, one after the other and with nothing in between, exactly the writes that the record tells of:
 * nobody else is at work between two kernels. A summary tells their number, and which they were but for MSI. Where
 * nothing was written because it only observed, what would have been is not in the trace.
 */
export function traceAgrees(trace: readonly TracedWrite[], record: FlightRecord): boolean {
  const key = ({ slot, offset, value }: TracedWrite) => `${slot}+${offset}=${value}`;
  const recorded = recordedWrites(record).map(key);
  const count = record.counts.writes;
  if (record.summary ? recorded.length > count : recorded.length !== count) return false;
  const all = trace.map(key);
  if (record.observe) {
    const wouldBe = record.entries
      .filter(({ outcome }) => outcome === 'wouldGate')
      .flatMap((entry) => recordedWrites({ ...record, entries: [{ ...entry, outcome: 'done' }] }));
    return count === 0 && !wouldBe.some((one) => all.includes(key(one)));
  }
  for (let at = 0; at + count <= all.length; at++) {
    const window = new Set(all.slice(at, at + count));
    if (window.size === count && recorded.every((one) => window.has(one))) return true;
  }
  return false;
}
