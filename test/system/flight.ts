import { type FlightRecord, parseFlight } from '../../src/image/flight.js';
import { traceAgrees, tracedWrites } from '../../src/lab/guest-flight.js';
import { readTrace } from '../../src/lab/qemu-trace.js';
import type { Disk } from './disk.js';
import type { SavedDump } from './saved.js';

const RECORD = /^shootdown-flight\..+\.bin$/;

/** The flight records that lie beside a dump, by their paths in the guest. */
export async function savedFlights(disk: Disk, dump: SavedDump): Promise<ReadonlyMap<string, FlightRecord>> {
  const records = new Map<string, FlightRecord>();
  for (const name of dump.names.filter((each) => RECORD.test(each))) {
    const path = `${dump.folder}/${name}`;
    records.set(path, parseFlight(await disk.read(path), path));
  }
  return records;
}

/** Whether QEMU saw the writes that the record tells of, one after the other, and no others among them. */
export function writesSeen(trace: string, record: FlightRecord): boolean {
  return traceAgrees(tracedWrites(readTrace(trace)), record);
}

/** Of the NIC that frames come in through, in words: `done, Command 0x0507 -> 0x0403`; `null` if it is not in there. */
export function nicInFlight(record: FlightRecord): string | null {
  const entry = record.entries.find(({ id }) => id?.vendor === 0x8086 && id.device === 0x10d3);
  if (!entry) return null;
  const { before, after } = entry.command;
  const hex = (value: number | null) => (value === null ? '-' : `0x${value.toString(16).padStart(4, '0')}`);
  return `${entry.slot} ${entry.outcome}, Command ${hex(before)} -> ${hex(after)}`;
}
