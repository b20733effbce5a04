import type { FlightRecord } from '../image/flight.js';
import type { FlightCapability, FlightEntry, FlightMessages } from '../image/flight-entry.js';
import { type FlightResult, flightResults } from '../image/flight-results.js';
import { type FlightWrite, flightWrites } from '../image/flight-writes.js';
import * as regs from '../pci/regs.js';
import { hex } from '../pci/slot.js';
import type { Outcome } from '../quiesce/journal.js';
import type { Policy } from '../quiesce/policy.js';
import type { Data } from '../quiesce/schema-parts.js';
import { flightMs } from './flight-text.js';
import type { flightSchema } from './schema/flight.js';

type FlightData = Data<typeof flightSchema>;
type EntryData = FlightData['entries'][number];

/**
 * A flight record as one JSON value, schema `shootdown.flight/1`. What it has in common with `shootdown.journal/1`
 * has the same keys and words. `null` is what the record does not hold.
 */
export function flightJson(record: FlightRecord, file: string | null, policy?: Policy): FlightData {
  const { template, time, counts } = record;
  const results = flightResults(record, policy);
  return {
    schema: 'shootdown.flight/1',
    tool: template?.tool ?? null,
    at: 'between',
    jump: record.jump,
    policy: template?.policy.name ?? null,
    policySha256: template?.policy.sha256 ?? null,
    program: record.program,
    file,
    summary: record.summary,
    observe: record.observe,
    truncated: record.truncated,
    end: record.end,
    phase: record.phase,
    vector: record.vector,
    nmis: record.nmis,
    lastAccess: record.last,
    counts,
    time: {
      ms: flightMs(time.ticks, time.tscKhz),
      accessMs: flightMs(time.ioTicks, time.tscKhz),
      tscKhz: time.tscKhz,
      frequency: template?.tsc ?? null,
      start: hex64(time.start),
      ticks: hex64(time.ticks),
      accessTicks: hex64(time.ioTicks),
    },
    tailBytes: record.tailBytes,
    entries: results.flatMap(entriesOf),
    functions: results.map(functionJson),
    stillLive: results.filter(({ verdict }) => verdict === 'live').map(({ slot }) => slot),
  };
}

function functionJson({
  slot,
  verdict,
  outcome,
  reason,
  entry,
}: FlightResult): FlightData['functions'][number] {
  const capability = ({ before, became }: FlightCapability) => ({
    before: before === null ? null : hex(before, 4),
    outcome: became,
  });
  return {
    slot,
    verdict,
    outcome,
    reason,
    rule: entry.rule.id,
    ruleIndex: entry.rule.index,
    recorded: entry.outcome,
    vendor: entry.id && hex(entry.id.vendor, 4),
    device: entry.id && hex(entry.id.device, 4),
    bridge: entry.bridge,
    virtual: entry.vf,
    command: {
      before: hex(entry.command.before, 4),
      after: entry.command.after === null ? null : hex(entry.command.after, 4),
    },
    status: entry.status === null ? null : hex(entry.status, 4),
    msi: capability(entry.msi),
    msix: capability(entry.msix),
    pending: entry.pending.outcome,
  };
}

/** What was written to one function and waited for, in this order; the stub did each for all before the next. */
function entriesOf({ entry }: FlightResult): EntryData[] {
  return [
    commandEntry(entry),
    waitEntry(entry),
    messageEntry(entry, 'PCI_MSI_FLAGS'),
    messageEntry(entry, 'PCI_MSIX_FLAGS'),
  ].flatMap((found) => found ?? []);
}

function commandEntry(entry: FlightEntry): EntryData | undefined {
  const write = writeOf(entry, 'PCI_COMMAND');
  const { before, after } = entry.command;
  if (write === undefined) return undefined;
  return {
    slot: entry.slot,
    kind: 'write',
    register: 'PCI_COMMAND',
    offset: regs.PCI_COMMAND,
    before: hex(before, 4),
    wrote: hex(write.wrote, 4),
    after: after === null ? null : hex(after, 4),
    outcome: entry.outcome,
    rule: entry.rule.id,
  };
}

function waitEntry({ slot, pending, rule }: FlightEntry): EntryData | undefined {
  if (pending.outcome === 'none') return undefined;
  return {
    slot,
    kind: 'wait',
    register: pending.register,
    offset: pending.offset,
    before: null,
    wrote: null,
    after: null,
    outcome: pending.outcome === 'clear' ? 'done' : pending.outcome,
    rule: rule.id,
  };
}

const MESSAGES: Partial<Record<FlightMessages, Outcome>> = {
  disabled: 'done',
  ignored: 'ignored',
  skipped: 'skipped',
  vanished: 'vanished',
};

function messageEntry(
  entry: FlightEntry,
  register: 'PCI_MSI_FLAGS' | 'PCI_MSIX_FLAGS',
): EntryData | undefined {
  const msi = register === 'PCI_MSI_FLAGS';
  const { offset, before, became } = msi ? entry.msi : entry.msix;
  const outcome = MESSAGES[became];
  if (outcome === undefined) return undefined;
  const write = writeOf(entry, register);
  return {
    slot: entry.slot,
    kind: 'write',
    register,
    offset: offset === null ? null : offset + regs.PCI_MSI_FLAGS,
    before: before === null ? null : hex(before, 4),
    wrote: write === undefined ? null : hex(write.wrote, 4),
    after: null,
    outcome,
    rule: entry.rule.id,
  };
}

function writeOf(entry: FlightEntry, register: FlightWrite['register']): FlightWrite | undefined {
  return flightWrites(entry).find((write) => write.register === register);
}

function hex64(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}
