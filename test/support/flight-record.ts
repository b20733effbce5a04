import {
  COMPACT,
  END,
  ENTRY,
  ENTRY_FLAGS,
  MESSAGES,
  OUTCOME,
  PENDING,
  PHASE,
  RECORD,
  RECORD_FLAGS,
  RULE_OTHERWISE,
} from '../../src/image/layout.js';

type Word<T> = keyof T & string;

export interface EntrySpec {
  readonly rid: number;
  readonly id?: number;
  readonly flags?: readonly Word<typeof ENTRY_FLAGS>[];
  readonly rule?: number;
  readonly before?: number;
  readonly after?: number;
  readonly status?: number;
  readonly msi?: { readonly at: number; readonly before: number; readonly became: Word<typeof MESSAGES> };
  readonly msix?: { readonly at: number; readonly before: number; readonly became: Word<typeof MESSAGES> };
  readonly pending?: { readonly at: number; readonly kind: 1 | 2; readonly became: Word<typeof PENDING> };
  readonly outcome: Word<typeof OUTCOME>;
}

export interface RecordSpec {
  readonly flags?: readonly Word<typeof RECORD_FLAGS>[];
  readonly end?: Word<typeof END>;
  readonly phase?: Word<typeof PHASE>;
  readonly vector?: number;
  readonly nmis?: number;
  readonly rid?: number;
  readonly counts?: Partial<
    Record<'functions' | 'buses' | 'reads' | 'writes' | 'gated' | 'failed' | 'entriesTotal', number>
  >;
  readonly tscKhz?: number;
  readonly ticks?: bigint;
  readonly ioTicks?: bigint;
  readonly template?: object | null;
  readonly entries?: readonly EntrySpec[];
}

const bits = (table: Readonly<Record<string, number>>, words: readonly string[]) =>
  words.reduce((sum, word) => sum | (table[word] ?? 0), 0);

/** The bytes of a flight record, written from the layout alone: what the stub would leave. */
export function encodeFlight(spec: RecordSpec): Uint8Array {
  const { entries = [], flags = [], counts = {} } = spec;
  const summary = flags.includes('summary');
  const template = summary || !spec.template ? new Uint8Array(0) : padded(JSON.stringify(spec.template));
  const size = summary ? COMPACT.bytes : ENTRY.bytes;
  const entriesAt = RECORD.headerBytes + template.length;
  const bytes = new Uint8Array(entriesAt + entries.length * size);
  const view = new DataView(bytes.buffer);
  const u16 = (at: number, value: number) => view.setUint16(at, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at, value, true);
  const gated = entries.filter(({ outcome }) => outcome === 'done' || outcome === 'partial').length;
  u32(RECORD.magicAt, RECORD.magic);
  u16(RECORD.versionAt, RECORD.version);
  u16(RECORD.headerAt, RECORD.headerBytes);
  u32(RECORD.totalBytes, bytes.length);
  u16(RECORD.flags, bits(RECORD_FLAGS, flags));
  u16(RECORD.entryBytes, size);
  u32(RECORD.entries, entries.length);
  u32(RECORD.entriesTotal, counts.entriesTotal ?? entries.length);
  bytes[RECORD.end] = END[spec.end ?? 'complete'];
  bytes[RECORD.vector] = spec.vector ?? 0;
  bytes[RECORD.phase] = PHASE[spec.phase ?? 'done'];
  bytes[RECORD.nmis] = spec.nmis ?? 0;
  u32(RECORD.rid, spec.rid ?? entries.at(-1)?.rid ?? 0);
  u32(RECORD.functions, counts.functions ?? entries.length);
  u32(RECORD.buses, counts.buses ?? 1);
  u32(RECORD.reads, counts.reads ?? 9 * entries.length);
  u32(RECORD.writes, counts.writes ?? gated);
  u32(RECORD.gated, counts.gated ?? gated);
  u32(RECORD.failed, counts.failed ?? 0);
  u32(RECORD.tscKhz, spec.tscKhz ?? 3_000_000);
  view.setBigUint64(RECORD.tscStart, 0x1234_5678_9abcn, true);
  view.setBigUint64(RECORD.ticks, spec.ticks ?? 5_400_000n, true);
  view.setBigUint64(RECORD.ioTicks, spec.ioTicks ?? 5_100_000n, true);
  u32(RECORD.template, template.length > 0 ? RECORD.headerBytes : 0);
  u32(RECORD.templateBytes, template.length);
  u32(RECORD.entriesAt, entriesAt);
  u32(RECORD.program, 0x00c0ffee);
  u32(RECORD.tailBytes, 0x4000);
  bytes.set(template, RECORD.headerBytes);
  for (const [index, entry] of entries.entries()) {
    const part = new DataView(bytes.buffer, entriesAt + index * size, size);
    if (summary) encodeCompact(part, entry);
    else encodeEntry(part, entry);
  }
  return withChecksum(bytes);
}

/** Sets the checksum so that all dwords of the record add up to 0. */
export function withChecksum(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(RECORD.checksum, 0, true);
  const total = Math.min(view.getUint32(RECORD.totalBytes, true), bytes.length);
  let sum = 0;
  for (let at = 0; at + 4 <= total; at += 4) sum = (sum + view.getUint32(at, true)) >>> 0;
  view.setUint32(RECORD.checksum, -sum >>> 0, true);
  return bytes;
}

function padded(text: string): Uint8Array {
  const encoded = new TextEncoder().encode(text);
  const bytes = new Uint8Array(Math.ceil(encoded.length / 8) * 8).fill(0x20);
  bytes.set(encoded);
  return bytes;
}

function messagesOf({ msi, msix }: EntrySpec): number {
  return MESSAGES[msi?.became ?? 'none'] | (MESSAGES[msix?.became ?? 'none'] << 4);
}

function encodeEntry(view: DataView, entry: EntrySpec): void {
  const { before = 0x0507, pending } = entry;
  const u16 = (at: number, value: number) => view.setUint16(at, value, true);
  u16(ENTRY.rid, entry.rid);
  view.setUint8(ENTRY.flags, bits(ENTRY_FLAGS, entry.flags ?? []));
  u16(ENTRY.rule, entry.rule ?? RULE_OTHERWISE);
  u16(ENTRY.commandBefore, before);
  u16(ENTRY.commandAfter, entry.after ?? before);
  u16(ENTRY.status, entry.status ?? 0x0010);
  u16(ENTRY.msiBefore, entry.msi?.before ?? 0);
  u16(ENTRY.msixBefore, entry.msix?.before ?? 0);
  view.setUint8(ENTRY.msi, entry.msi?.at ?? 0);
  view.setUint8(ENTRY.msix, entry.msix?.at ?? 0);
  view.setUint8(ENTRY.pendingAt, pending?.at ?? 0);
  view.setUint8(ENTRY.pendingKind, pending?.kind ?? 0);
  view.setUint8(ENTRY.outcome, OUTCOME[entry.outcome]);
  view.setUint8(ENTRY.pending, PENDING[pending?.became ?? 'none']);
  view.setUint8(ENTRY.messages, messagesOf(entry));
  view.setUint32(ENTRY.id, entry.id ?? 0x100e_8086, true);
}

function encodeCompact(view: DataView, entry: EntrySpec): void {
  view.setUint16(COMPACT.rid, entry.rid, true);
  view.setUint16(COMPACT.commandBefore, entry.before ?? 0x0507, true);
  view.setUint8(COMPACT.outcome, OUTCOME[entry.outcome]);
  view.setUint8(COMPACT.pending, PENDING[entry.pending?.became ?? 'none']);
  view.setUint8(COMPACT.messages, messagesOf(entry));
  view.setUint8(COMPACT.rule, (entry.rule ?? RULE_OTHERWISE) & 0xff);
}
