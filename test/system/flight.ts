import { type FlightRecord, parseFlight } from '../../src/image/flight.js';
import { traceAgrees, tracedWrites } from '../../src/lab/guest-flight.js';
import { readTrace } from '../../src/lab/qemu-trace.js';
import type { Disk } from './disk.js';

const CRASH_FOLDER = '/var/crash';
const RECORD = /^shootdown-flight\..+\.bin$/;

/**
 * The flight records that were saved, by their paths in the guest. One may lie in a folder of the minute before the
 * dump's, until the next boot puts it beside that.
 */
export async function savedFlights(disk: Disk): Promise<ReadonlyMap<string, FlightRecord>> {
  const records = new Map<string, FlightRecord>();
  for (const { name: stamp, type } of await disk.list(CRASH_FOLDER)) {
    if (type !== 'folder') continue;
    for (const { name } of await disk.list(`${CRASH_FOLDER}/${stamp}`)) {
      if (!RECORD.test(name)) continue;
      const path = `${CRASH_FOLDER}/${stamp}/${name}`;
      records.set(path, parseFlight(await disk.read(path), path));
    }
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
