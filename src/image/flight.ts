import { ShootdownError } from '../pci/error.js';
import { hex, type Slot, slotOfKey } from '../pci/slot.js';
import { type FlightEntry, parseCompact, parseEntry } from './flight-entry.js';
import { wordOf } from './flight-words.js';
import { COMPACT, END, ENTRY, PHASE, RECORD, RECORD_FLAGS } from './layout.js';
import type { TableTemplate } from './table-data.js';
import { parseTemplate } from './table-template.js';

/** How the walk ended: `complete`, or what ended it. */
export type FlightEnd = keyof typeof END;
export type FlightPhase = keyof typeof PHASE;

/** What the stub left for the kernel that it went on to: its journal, as far as the record has room. */
export interface FlightRecord {
  /** Left in unused bytes of boot_params: without template, with compact entries of what was to be gated. */
  readonly summary: boolean;
  readonly jump: 'normal' | 'crash';
  /** `shootdown=observe`: nothing was written. */
  readonly observe: boolean;
  /** The stub had more functions to tell of than there was room. */
  readonly truncated: boolean;
  readonly end: FlightEnd;
  /** Of the exception that ended the walk; `null` if none did. */
  readonly vector: number | null;
  /** Where it ended. */
  readonly phase: FlightPhase;
  /** Non-maskable interrupts during the walk; 255 stands for more. */
  readonly nmis: number;
  /** Of the last access; `null` before the first. */
  readonly last: Slot | null;
  readonly counts: FlightCounts;
  readonly time: FlightTime;
  /** `null` in a summary, and where there was no room for it. */
  readonly template: TableTemplate | null;
  /** The first eight digits of the SHA-256 of the program; `null` where it was not put there. */
  readonly program: string | null;
  /** By how much the image's init_size was raised. */
  readonly tailBytes: number;
  readonly entries: readonly FlightEntry[];
}

export interface FlightCounts {
  /** That answered. */
  readonly functions: number;
  readonly buses: number;
  /** Of configuration space. */
  readonly reads: number;
  readonly writes: number;
  /** BME reads clear after the stub's write. */
  readonly gated: number;
  readonly failed: number;
  /** Functions that the stub had to tell of. */
  readonly entries: number;
}

/** In ticks of the TSC. */
export interface FlightTime {
  /** That the stub's bounds were computed with; 0 if none. Whether it is the TSC's, the template says. */
  readonly tscKhz: number;
  readonly start: bigint;
  /** From the first access to the last. */
  readonly ticks: bigint;
  /** Of these, within accesses. */
  readonly ioTicks: bigint;
}

/** More than any machine has functions for; what claims to be larger is no record. */
const BYTES_MAX = 16 * 1024 * 1024;
const TEMPLATE_MAX = 1024 * 1024;

/** True where a flight record begins: it may still be broken. */
export function startsFlight(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && viewOf(bytes).getUint32(0, true) === RECORD.magic;
}

/**
 * Reads a flight record; bytes behind it are left alone. `name` is what messages call it. Throws `bad-input` for
 * anything else, whole records of another version among them.
 */
export function parseFlight(bytes: Uint8Array, name = 'flight record'): FlightRecord {
  const bad = (what: string) => new ShootdownError('bad-input', `${name}: ${what}`);
  if (!startsFlight(bytes)) throw bad('not a flight record: it does not begin with SHOT');
  if (bytes.length < RECORD.headerBytes) throw bad(`cut short: ${bytes.length} bytes`);
  const view = viewOf(bytes);
  const u8 = (at: number) => view.getUint8(at);
  const u16 = (at: number) => view.getUint16(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => view.getBigUint64(at, true);
  if (u16(RECORD.versionAt) !== RECORD.version) {
    throw bad(
      `a flight record of version ${u16(RECORD.versionAt)}, and this tool reads version ${RECORD.version}: ` +
        'use the one that wrapped the kernel',
    );
  }
  const totalBytes = u32(RECORD.totalBytes);
  if (totalBytes > BYTES_MAX || totalBytes < RECORD.headerBytes || totalBytes % 4 !== 0)
    throw bad(`says that it has ${totalBytes} bytes, which cannot be`);
  if (totalBytes > bytes.length)
    throw bad(`cut short: ${bytes.length} bytes of the ${totalBytes} that it says it has`);
  if (sumOfDwords(view, totalBytes) !== 0) throw bad('its checksum is wrong: it was damaged');
  if (u16(RECORD.headerAt) !== RECORD.headerBytes)
    throw bad(`a header of ${u16(RECORD.headerAt)} bytes, and version 1 has ${RECORD.headerBytes}`);

  const flags = u16(RECORD.flags);
  const summary = (flags & RECORD_FLAGS.summary) !== 0;
  const layout = summary ? COMPACT : ENTRY;
  const count = u32(RECORD.entries);
  if (count > 0 && u16(RECORD.entryBytes) !== layout.bytes)
    throw bad(`entries of ${u16(RECORD.entryBytes)} bytes, and version 1 has ${layout.bytes}`);
  if (u32(RECORD.entriesTotal) < count) throw bad('it holds more entries than it says there were');

  /** Where a part lies, if it is inside the record and behind the header. */
  const part = (at: number, length: number, what: string): [number, number] => {
    if (length > 0 && (at < RECORD.headerBytes || at + length > totalBytes))
      throw bad(`its ${what} would lie outside it`);
    return [at, length];
  };
  const entries = part(u32(RECORD.entriesAt), count * layout.bytes, 'list of functions');
  const words = part(u32(RECORD.template), u32(RECORD.templateBytes), 'template');
  if (words[1] > TEMPLATE_MAX || overlap(entries, words)) throw bad('its parts overlap or are too large');
  const template = words[1] === 0 ? null : parseTemplate(bytes.subarray(words[0], words[0] + words[1]), name);

  const end = wordOf(END, u8(RECORD.end), 'end', name);
  const rid = u32(RECORD.rid);
  return {
    summary,
    jump: (flags & RECORD_FLAGS.crash) !== 0 ? 'crash' : 'normal',
    observe: (flags & RECORD_FLAGS.observe) !== 0,
    truncated: (flags & RECORD_FLAGS.truncated) !== 0 || u32(RECORD.entriesTotal) > count,
    end,
    vector: end === 'exception' ? u8(RECORD.vector) : null,
    phase: wordOf(PHASE, u8(RECORD.phase), 'phase', name),
    nmis: u8(RECORD.nmis),
    last: u32(RECORD.reads) === 0 || rid > 0xffff ? null : slotOfKey(rid),
    counts: {
      functions: u32(RECORD.functions),
      buses: u32(RECORD.buses),
      reads: u32(RECORD.reads),
      writes: u32(RECORD.writes),
      gated: u32(RECORD.gated),
      failed: u32(RECORD.failed),
      entries: u32(RECORD.entriesTotal),
    },
    time: {
      tscKhz: u32(RECORD.tscKhz),
      start: u64(RECORD.tscStart),
      ticks: u64(RECORD.ticks),
      ioTicks: u64(RECORD.ioTicks),
    },
    template,
    program: u32(RECORD.program) === 0 ? null : hex(u32(RECORD.program), 8),
    tailBytes: u32(RECORD.tailBytes),
    entries: Array.from({ length: count }, (_, index) => {
      const at = entries[0] + index * layout.bytes;
      const bytesOfIt = new DataView(view.buffer, view.byteOffset + at, layout.bytes);
      return summary ? parseCompact(bytesOfIt, name) : parseEntry(bytesOfIt, template, name);
    }),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function sumOfDwords(view: DataView, length: number): number {
  let sum = 0;
  for (let at = 0; at < length; at += 4) sum = (sum + view.getUint32(at, true)) >>> 0;
  return sum;
}

function overlap([a, aLength]: [number, number], [b, bLength]: [number, number]): boolean {
  return aLength > 0 && bLength > 0 && a < b + bLength && b < a + aLength;
}
