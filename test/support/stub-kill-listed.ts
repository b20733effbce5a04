import type { ConfigAccess } from '../../src/image/config-ports.js';
import type { FlightRecord } from '../../src/image/flight.js';
import { ENTRY, ENTRY_FLAGS, OUTCOME, RECORD, RECORD_FLAGS, RULE_LADDER } from '../../src/image/layout.js';
import { IDT_GATES, STATE } from '../../src/image/stub/state.js';
import * as regs from '../../src/pci/regs.js';
import { slotKey, slotParts } from '../../src/pci/slot.js';
import type { Seen } from './stub-kill.js';
import { differs } from './stub-kill-oracle.js';

// What a record says of each function, against what went over the bus.

type Entry = FlightRecord['entries'][number];
/** What was read from an offset of a routing ID, in order. */
export type Readings = (rid: number, offset: number) => readonly ConfigAccess[];

const ALL_ONES = 0xffff;
const INTERRUPT_GATE = 0x8e00;
const LEFT_ALONE: ReadonlySet<string> = new Set(['exempt', 'preserve', 'quiet', 'asleep', 'liveBelow']);
/** Neither waited for nor switched off. */
const LEFT = 'none,none,none';

export function entryProblems(entry: Entry, record: FlightRecord, at: Readings): string[] {
  const { slot, command, status, id } = entry;
  const rid = slotKey(slotParts(slot));
  const seen = at(rid, regs.PCI_COMMAND);
  const [first, last] = [seen[0]?.value ?? 0, seen.at(-1)?.value ?? 0];
  const before = differs(`${slot} before`, command.before, first & 0xffff);
  if (record.summary)
    return [...before, ...(LEFT_ALONE.has(entry.outcome) ? [`${slot} is in a summary`] : [])];
  const ids = at(rid, regs.PCI_VENDOR_ID)[0]?.value ?? 0;
  const header = ((at(rid, 0xc)[0]?.value ?? 0) >> 16) & regs.PCI_HEADER_TYPE_MASK;
  return [
    ...before,
    ...differs(`${slot} after`, command.after, last & 0xffff),
    ...differs(`${slot} status`, status, last >>> 16),
    ...differs(`${slot} id`, id, { vendor: ids & 0xffff, device: ids >>> 16 }),
    ...differs(`${slot} bridge`, entry.bridge, header === 1 || header === 2),
    ...(record.end !== 'complete'
      ? []
      : entry.planned
        ? [
            ...messageProblems(entry, 'msi', regs.PCI_MSI_FLAGS_ENABLE, record.observe, at),
            ...messageProblems(entry, 'msix', regs.PCI_MSIX_FLAGS_ENABLE, record.observe, at),
            ...pendingProblems(entry, record.observe),
          ]
        : differs(
            `${slot} left alone`,
            [entry.pending.outcome, entry.msi.became, entry.msix.became].join(),
            LEFT,
          )),
  ];
}

/** On or off, and what became of it. */
function messageProblems(entry: Entry, what: 'msi' | 'msix', enable: number, observe: boolean, at: Readings) {
  const { offset, before, became } = entry[what];
  if (offset === null || became === 'none')
    return offset === null
      ? differs(`${entry.slot} ${what}`, became, 'none')
      : notThere(entry, what, offset, at);
  const readings = at(slotKey(slotParts(entry.slot)), offset).map(({ value }) => value >>> 16);
  const isSkipped = ['ignored', 'vanished', 'partial', 'interrupting'].includes(entry.outcome);
  const last = readings.at(-1) ?? 0;
  const wanted =
    ((before ?? 0) & enable) === 0
      ? ['off']
      : observe
        ? ['left']
        : last === ALL_ONES && readings.length > 1 && readings.at(-2) !== ALL_ONES
          ? ['vanished']
          : (last & enable) === 0
            ? ['disabled']
            : isSkipped
              ? ['skipped', 'ignored']
              : ['ignored'];
  return [
    ...(readings.includes(before ?? 0) ? [] : [`${entry.slot} ${what}: ${before}`]),
    ...(wanted.includes(became) ? [] : [`${entry.slot} ${what} became ${became}, not ${wanted}`]),
  ];
}

/** What is to be gated has each of its capabilities looked at, unless another one is there now. */
function notThere(entry: Entry, what: 'msi' | 'msix', offset: number, at: Readings): string[] {
  const id = what === 'msi' ? regs.PCI_CAP_ID_MSI : regs.PCI_CAP_ID_MSIX;
  const last = at(slotKey(slotParts(entry.slot)), offset).at(-1)?.value ?? id;
  return (last & 0xff) === id ? [`${entry.slot} ${what} was not looked at`] : [];
}

function pendingProblems({ slot, pending, outcome }: Entry, observe: boolean): string[] {
  if (pending.offset === null || observe) return [...differs(`${slot} pending`, pending.outcome, 'none')];
  const isGated = ['done', 'partial', 'interrupting'].includes(outcome);
  const wanted = isGated ? ['clear', 'timeout', 'vanished'] : ['skipped'];
  return wanted.includes(pending.outcome) ? [] : [`${slot} pending ${pending.outcome}, not ${wanted}`];
}

const PLANNED: ReadonlySet<number> = new Set([
  ...[
    OUTCOME.done,
    OUTCOME.partial,
    OUTCOME.interrupting,
    OUTCOME.ignored,
    OUTCOME.vanished,
    OUTCOME.wouldGate,
  ],
]);

/** Bytes that a record's reader passes over. */
export function rawProblems({ run, record }: Seen, at: Readings): string[] {
  const bytes = run.setupData();
  if (!bytes || !record) return ['no full record'];
  const view = new DataView(bytes.buffer);
  const problems: string[] = [...run.recordMisplaced()];
  for (let offset: number = RECORD.reserved; offset < RECORD.headerBytes; offset++)
    if (bytes[offset] !== 0) problems.push(`reserved byte ${offset}`);
  const start = view.getUint32(RECORD.entriesAt, true);
  record.entries.forEach((entry, n) => {
    const from = start + n * ENTRY.bytes;
    const u8 = (offset: number) => view.getUint8(from + offset);
    const rid = slotKey(slotParts(entry.slot));
    const header = ((at(rid, 0xc)[0]?.value ?? 0) >> 16) & 0xff;
    const buses = at(rid, regs.PCI_PRIMARY_BUS)[0]?.value ?? 0;
    const [outcome, flags] = [u8(ENTRY.outcome), u8(ENTRY.flags)];
    const isLadder = outcome === OUTCOME.quiet || outcome === OUTCOME.asleep;
    const flag = (bit: number) => (flags & bit) !== 0;
    const written = run.image.ports.trace.some((one) => one.write && one.rid === rid && one.offset === 4);
    const command = entry.command.after ?? 0;
    const isRead = written && command !== ALL_ONES;
    const { before } = entry.command;
    const fires =
      ((at(rid, 4)[0]?.value ?? 0) & (regs.PCI_STATUS_INTERRUPT << 16)) !== 0 && (before & 0x400) === 0;
    const isWould = outcome === OUTCOME.wouldGate;
    const parent = view.getUint16(from + ENTRY.parent, true);
    const above = start + (parent - 1) * ENTRY.bytes;
    const depth = parent === 0 ? 0 : view.getUint8(above + ENTRY.depth) + 1;
    const isBelow = parent === 0 || view.getUint8(above + ENTRY.subordinate) >= rid >> 8;
    for (const offset of [ENTRY.pm, ENTRY.msi, ENTRY.msix, ENTRY.pendingAt])
      if ((u8(offset) & 3) !== 0) problems.push(`${entry.slot}: no dword is at ${u8(offset)}`);
    problems.push(
      ...differs(`${entry.slot} depth`, u8(ENTRY.depth), depth),
      ...(isBelow ? [] : [`${entry.slot} is not below its bridge`]),
      ...differs(`${entry.slot} virtual`, entry.vf, entry.id?.vendor === ALL_ONES),
      ...(entry.quiet && !entry.bridge ? [`${entry.slot} is listed, and quiet`] : []),
      ...differs(`${entry.slot} header type`, u8(ENTRY.headerType), header),
      ...differs(`${entry.slot} subordinate`, u8(ENTRY.subordinate), (buses >> 16) & 0xff),
      ...(isLadder
        ? differs(`${entry.slot} rule`, view.getUint16(from + ENTRY.rule, true), RULE_LADDER)
        : []),
      ...differs(`${entry.slot} quiet`, flag(ENTRY_FLAGS.quiet), (before & 4) === 0 && !fires),
      ...differs(
        `${entry.slot} BME clear`,
        flag(ENTRY_FLAGS.bmeClear),
        isWould || (isRead && (command & 4) === 0),
      ),
      ...differs(`${entry.slot} INTx off`, flag(ENTRY_FLAGS.intxDisabled), isRead && (command & 0x400) !== 0),
      ...differs(`${entry.slot} preserve`, flag(ENTRY_FLAGS.preserve), outcome === OUTCOME.preserve),
      ...(outcome === OUTCOME.none
        ? []
        : differs(`${entry.slot} planned`, entry.planned, PLANNED.has(outcome))),
    );
    if (record.end === 'complete' && outcome === OUTCOME.none) problems.push(`${entry.slot}: no outcome`);
  });
  // Of a walk that was cut off, nobody knows what is not done yet.
  return record.end === 'complete' ? problems : problems.filter((line) => /record|reserved/.test(line));
}

/** Present interrupt gates without a stack of their own. */
export function gateProblems({ run }: Seen): readonly string[] {
  const { memory } = run.image.machine;
  const idt = (run.rooms[0]?.address ?? 0) + STATE.idt;
  const gates = Array.from({ length: IDT_GATES }, (_, n) => memory.read32(idt + n * 16 + 4) & 0xffff);
  return gates.every((gate) => gate === INTERRUPT_GATE)
    ? []
    : [`gates ${gates.map((gate) => gate.toString(16))}`];
}

/** Its flags, bit by bit. */
export function flagProblems({ run, record }: Seen): readonly string[] {
  const bytes = run.recordBytes();
  if (!record || !bytes) return ['no record'];
  const { summary, jump, observe, truncated } = record;
  const flags =
    (observe ? RECORD_FLAGS.observe : 0) |
    (jump === 'crash' ? RECORD_FLAGS.crash : 0) |
    (truncated ? RECORD_FLAGS.truncated : 0) |
    (summary ? RECORD_FLAGS.summary : 0);
  return differs('flags', new DataView(bytes.buffer).getUint16(RECORD.flags, true), flags);
}
