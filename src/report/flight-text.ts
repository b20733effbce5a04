import type { FlightEnd, FlightPhase, FlightRecord } from '../image/flight.js';
import type { FlightEntry } from '../image/flight-entry.js';
import { type FlightResult, flightResults } from '../image/flight-results.js';
import { printable } from '../pci/printable.js';
import { hex } from '../pci/slot.js';
import type { Policy } from '../quiesce/policy.js';
import { commandChange, liveTable, resultTable } from './results-text.js';
import { paragraph, type Style } from './table.js';

export interface FlightTextOptions {
  readonly style: Style;
  /** Whose reasons are shown if the kernel was wrapped with it. */
  readonly policy?: Policy;
}

/** What the stub did, for people. */
export function flightText(record: FlightRecord, { style, policy }: FlightTextOptions): string {
  const results = flightResults(record, policy);
  const live = results.filter(({ verdict }) => verdict === 'live');
  const touched = results.filter(({ outcome }) => outcome !== 'exempt');
  const would = touched.filter(({ entry }) => entry.outcome === 'wouldGate').length;
  const listed = touched.filter(({ verdict }) => verdict === 'gated').length;
  const gated = record.truncated ? record.counts.gated : listed;
  const done = record.observe ? `${would} would be gated` : `${gated} gated`;
  const parts = [
    style.bold(`${JUMP[record.jump]}: ${done}; ${live.length} still live.`),
    ...header(record, style),
  ];
  if (touched.length > 0) {
    const rows = touched.map((result) => {
      const { before, after } = result.entry.command;
      return {
        ...result,
        command: after === null ? hex(before, 4) : commandChange(before, after),
        reason: whatBecame(result),
      };
    });
    parts.push('', resultTable(rows, style));
  }
  const told = live.filter(({ entry }) => entry.outcome !== 'wouldGate');
  if (told.length > 0) {
    const rows = told.map((result) => ({
      slot: result.slot,
      reason: `${whyLive(result)}; ${advice(result.entry)}`,
    }));
    parts.push('', style.bold('Still live'), liveTable(rows, style));
  }
  const rest = results.length - touched.length - live.filter(({ outcome }) => outcome === 'exempt').length;
  if (rest > 0) parts.push('', style.dim(`${rest} more left alone: quiet, asleep, or bridges kept open.`));
  return `${parts.join('\n')}\n`;
}

const JUMP = { normal: 'Normal jump', crash: 'Crash jump' } as const;

function header(record: FlightRecord, style: Style): string[] {
  const { counts, template } = record;
  const { functions, buses, reads, writes } = counts;
  const lines: string[] = [];
  const say = (paint: (text: string) => string, text: string) => lines.push(paint(paragraph(text, 0, style)));
  const wrapped = template && `policy ${template.policy.name}, wrapped by shootdown ${template.tool}`;
  say(style.dim, wrapped ?? 'policy and tool are not in the record');
  const walk = [count(reads, 'read'), count(writes, 'write'), duration(record)].join(', ');
  say((text) => text, `${count(functions, 'function')} on ${count(buses, 'bus', 'buses')}; ${walk}`);
  if (record.end !== 'complete') say(style.red, endText(record));
  if (record.observe)
    say(
      style.yellow,
      'Observed only: nothing was written. To have it done, take shootdown=observe off the command line.',
    );
  if (record.nmis > 0)
    say(
      style.yellow,
      `Non-maskable interrupts during the walk: ${record.nmis}${record.nmis === 255 ? ' or more' : ''}.`,
    );
  if (record.truncated) {
    const more = record.summary ? '' : ' (wrap --tail gives it more)';
    const listed = `${record.entries.length} of ${counts.entries}`;
    say(style.yellow, `Only ${listed} functions are listed: the record had no more room${more}.`);
  }
  if (record.summary)
    say(style.dim, 'A summary: only what was to be stopped, and not what its registers read afterwards.');
  return lines;
}

function count(n: number, what: string, many = `${what}s`): string {
  return `${n} ${n === 1 ? what : many}`;
}

function endText({ end, phase, last, vector, counts }: FlightRecord): string {
  const place = last === null ? '' : `, at ${last}`;
  const why = end === 'exception' ? `exception ${vector}` : WHY_ENDED[end];
  return `The walk ended early, while ${DURING[phase]}${place}: ${why}.${left()}`;

  function left(): string {
    if (end === 'nothing') return '';
    return end === 'time' && phase === 'discover' && counts.gated > 0
      ? ' What it had found by then was gated; bridges, and what it had not found, were left as they were.'
      : ' What it had not come to was left as it was.';
  }
}

const WHY_ENDED: Readonly<Record<Exclude<FlightEnd, 'exception'>, string>> = {
  complete: 'nothing is left to do',
  accesses:
    'it had made as many accesses as it may. Wrapped for this machine (wrap --for this), it needs fewer',
  time: 'its time was up. Wrapped for this machine (wrap --for this), it needs less; a policy can give it more',
  stopped: 'a function failed, and the policy says to stop there',
  nothing: 'ports CF8 and CFC answer nothing here, and this machine cannot be stopped between the kernels',
  room: 'there are more functions than its list holds',
  confidential: 'this is a TDX guest, in which it cannot work',
};

const DURING: Readonly<Record<FlightPhase, string>> = {
  start: 'starting',
  discover: 'looking for functions',
  gate: 'gating',
  wait: 'waiting for pending transactions',
  messages: 'disabling MSI',
  record: 'writing the record',
  done: 'ending',
};

/** Milliseconds, if the TSC runs as the table says. */
export function flightMs(ticks: bigint, tscKhz: number): number | null {
  return tscKhz === 0 ? null : Math.round((Number(ticks) / tscKhz) * 1000) / 1000;
}

function duration({ time, template }: FlightRecord): string {
  const ms = (ticks: bigint) => {
    const value = flightMs(ticks, time.tscKhz) ?? 0;
    return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
  };
  if (time.tscKhz === 0) return `${time.ticks} ticks of the TSC`;
  const says = { measured: 'measured when it was wrapped', assumed: 'which is assumed' } as const;
  const how = template?.tsc === undefined ? 'if the TSC has' : 'at';
  const sure = template?.tsc === undefined ? '' : `, ${says[template.tsc]}`;
  return `${ms(time.ticks)} (${how} ${time.tscKhz / 1000} MHz${sure})`;
}

/** Beside the outcome: why, or what became of MSI and of what was pending. */
function whatBecame({ reason, entry }: FlightResult): string {
  const notes: string[] = [];
  if (entry.pending.outcome === 'clear') notes.push('nothing pending');
  if (entry.pending.outcome === 'skipped') notes.push('not waited for');
  for (const [what, { became }] of [
    ['MSI', entry.msi],
    ['MSI-X', entry.msix],
  ] as const) {
    if (became === 'disabled') notes.push(`${what} off`);
    if (became === 'skipped' || became === 'left') notes.push(`${what} left on`);
  }
  return [reason, notes.join(', ')].filter((text) => text !== '').join('; ');
}

function whyLive({ reason, entry }: FlightResult): string {
  if (entry.outcome !== 'exempt' && entry.outcome !== 'preserve') return reason;
  const { id, index } = entry.rule;
  const rule = id ?? `${(index ?? 0) + 1} of its table`;
  return `${reason} (rule ${printable(rule)})`;
}

/** What to do about a function that stayed live. */
function advice(entry: FlightEntry): string {
  switch (entry.outcome) {
    case 'exempt':
    case 'preserve':
      return 'only another policy stops it';
    case 'asleep':
      return 'nothing to do unless something wakes it';
    case 'liveBelow':
      return 'see what is live below it';
    case 'ignored':
      return 'switch it off in the firmware setup, or exempt it if it does no harm';
    case 'interrupting':
      return 'load its driver early, or boot with irqpoll';
    default:
      return 'it was left as it was';
  }
}
