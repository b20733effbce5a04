import { isDeepStrictEqual } from 'node:util';
import { type Machine, scan } from '../../src/host/scan.js';
import type { ConfigAccess } from '../../src/image/config-ports.js';
import type { FlightEnd, FlightPhase } from '../../src/image/flight.js';
import { flightResults } from '../../src/image/flight-results.js';
import { STUB } from '../../src/image/stub.generated.js';
import { slotOfKey } from '../../src/pci/slot.js';
import { type FunctionResult, functionResults } from '../../src/quiesce/journal.js';
import { makePlan } from '../../src/quiesce/plan.js';
import type { Policy } from '../../src/quiesce/policy.js';
import { performPlan } from '../../src/quiesce/shootdown.js';
import { testClock } from './memory-host.js';
import { Board, type BoardFunction } from './stub-board.js';
import type { Seen } from './stub-kill.js';
import { entryProblems, flagProblems, gateProblems, rawProblems } from './stub-kill-listed.js';
import type { StubRunOptions } from './stub-run.js';

/** What a record says of the walk as a whole. */
export interface Expected {
  readonly summary: boolean;
  readonly jump: 'normal' | 'crash';
  readonly observe: boolean;
  readonly truncated: boolean;
  readonly end: FlightEnd;
  readonly vector: number | null;
  readonly phase: FlightPhase;
  readonly nmis: number;
  /** Whether the words that wrap laid ready are in it. */
  readonly template: boolean;
  readonly tailBytes: number;
}

const WHOLE: Expected = {
  ...{ summary: false, jump: 'crash', observe: false, truncated: false, template: true },
  tailBytes: 8192,
  ...{ end: 'complete', vector: null, phase: 'done', nmis: 0 },
};

const FAILURES = new Set<string>(['ignored', 'interrupting', 'vanished', 'timeout']);

/** What `perform` made of a board. */
export interface Performed {
  readonly writes: readonly string[];
  readonly space: ReadonlyMap<number, Uint8Array>;
  readonly results: readonly string[];
  /** The rule of each function that was gated, or left alone by a rule. */
  readonly rules: ReadonlyMap<string, string>;
}

/** `actual` as it should be, or a line that says how it is not. */
export function differs(what: string, actual: unknown, expected: unknown): readonly string[] {
  if (isDeepStrictEqual(actual, expected)) return [];
  return [`${what}: ${JSON.stringify(actual)} for ${JSON.stringify(expected)}`];
}

const words = ({ slot, verdict, outcome }: FunctionResult) => `${slot} ${verdict} ${outcome}`;
/** A bridge above what stays live is refused by the one and left open by the other. */
const isTouched = ({ outcome }: FunctionResult) => outcome !== 'exempt' && outcome !== 'refused';
/** Functions are gated in one order; messages may be switched off in any. */
const inOrder = (writes: readonly string[]) => [
  ...writes.filter((write) => write.includes('+4/')),
  ...writes.filter((write) => !write.includes('+4/')).sort(),
];

export async function performed(
  functions: Readonly<Record<string, BoardFunction>>,
  policy: Policy,
  knowsFacts: boolean,
): Promise<Performed> {
  const scanned = await scan(new Board(functions).host());
  // The drivers are gone by then, and without a machine nothing was known of them.
  const bare: Machine = { ...scanned, facts: new Map(), machineFacts: {} };
  const plan = makePlan(knowsFacts ? { ...scanned, machineFacts: {} } : bare, policy, { at: 'between' });
  const after = new Board(functions);
  const { journal } = await performPlan(after.host(), plan, bare, { clock: testClock() });
  const ruled = [...plan.steps, ...plan.skipped].filter(({ rule }) => rule !== 'ladder');
  return {
    writes: inOrder(after.writes),
    space: after.space(),
    results: functionResults(journal).filter(isTouched).map(words),
    rules: new Map(ruled.map(({ slot, rule }) => [slot, rule])),
  };
}

/** The same registers are left, by the same writes in the same order, and the record says so. */
export function performedProblems(
  wanted: Performed,
  { record, bus, writes }: Seen,
  policy: Policy,
): string[] {
  if (!record) return ['no record'];
  const results = flightResults(record, policy).filter(isTouched).map(words);
  const rules = record.entries.flatMap(({ slot, rule, outcome, planned }) => {
    if (record.template === null) return [];
    const other = wanted.rules.get(slot);
    return other !== undefined && (planned || outcome === 'exempt' || outcome === 'preserve')
      ? differs(`${slot} rule`, rule.id, other)
      : [];
  });
  if (record.observe) {
    const would = record.entries.filter(({ outcome }) => outcome === 'wouldGate').map(({ slot }) => slot);
    const gated = wanted.results.map((line) => line.split(' ')[0]);
    return [...differs('writes', writes, []), ...differs('would gate', would.sort(), gated), ...rules];
  }
  return [
    ...differs('writes', inOrder(writes), wanted.writes),
    ...differs('results', results, wanted.results),
    ...rules,
    ...(bus instanceof Board && !isDeepStrictEqual(bus.space(), wanted.space) ? ['registers differ'] : []),
  ];
}

function touchedNothing({ run, record }: Seen): string[] {
  return [
    ...(record ? ['a record'] : []),
    ...differs('accesses', run.image.ports.trace, []),
    ...differs('port 80', run.image.ports.progress, []),
  ];
}

/** The record against what is expected, and against what went over the bus. */
export function recordProblems(
  seen: Seen,
  wanted: Partial<Expected> | 'none' | null,
  options: StubRunOptions,
  from: number,
): string[] {
  if (wanted === null) return touchedNothing(seen);
  const { run, record } = seen;
  if (wanted === 'none') return record ? ['a record'] : [];
  if (!record) return ['no record'];
  const { ports, machine } = run.image;
  const { trace, reads, writes } = ports;
  const reading = new Map<number, ConfigAccess[]>();
  for (const access of trace) {
    if (access.write) continue;
    const key = access.rid * 256 + access.offset;
    const alike = reading.get(key);
    if (alike) alike.push(access);
    else reading.set(key, [access]);
  }
  const at = (rid: number, offset: number) => reading.get(rid * 256 + offset) ?? [];
  const looked = [...new Set(trace.map(({ rid }) => rid))];
  const there = looked.filter((rid) => (at(rid, 4)[0]?.value ?? 0xffff_ffff) !== 0xffff_ffff);
  const gated = new Set(trace.filter(({ write, offset }) => write && offset === 4).map(({ rid }) => rid));
  for (const rid of gated) {
    const after = at(rid, 4).at(-1)?.value ?? 0;
    if ((after & 0xffff) === 0xffff || (after & 4) !== 0) gated.delete(rid);
  }
  const failed = record.entries.flatMap(({ outcome, pending, msi, msix }) =>
    [outcome, pending.outcome, msi.became, msix.became].filter((word) => FAILURES.has(word)),
  );
  const { counts, time } = record;
  const accesses = reads + writes;
  const last = trace.at(-1);
  const between = (what: string, value: bigint, low: number, high: number) =>
    value >= low && value <= high ? [] : [`${what}: ${value}, not within ${low} and ${high}`];
  const now = machine.instructions + machine.requests * 1000;
  const expected: Expected = { ...WHOLE, ...wanted };
  const { template, ...told } = record;
  const heads = Object.entries(expected).flatMap(([key, value]) =>
    differs(key, key === 'template' ? template !== null : told[key as keyof typeof told], value),
  );
  return [
    ...heads,
    ...(template === null ? [] : differs('tool', template.tool, options.tool ?? 'test')),
    ...differs('kHz', time.tscKhz, options.tscKhz),
    ...differs('program', record.program, STUB.sha256.slice(0, 8)),
    // An exception may come between an access and its count.
    ...(record.end === 'exception' && counts.reads === reads - 1
      ? []
      : differs('reads in the record', counts.reads, reads)),
    ...differs('writes in the record', counts.writes, writes),
    ...differs('gated', counts.gated, gated.size),
    ...(record.truncated || record.summary ? [] : differs('failed', counts.failed, failed.length)),
    ...(record.end === 'complete'
      ? differs('buses', counts.buses, new Set(looked.map((rid) => rid >> 8)).size)
      : []),
    ...differs('functions in the record', counts.functions, there.length),
    // A walk that was cut off names the access that it was about to make.
    ...(record.end === 'complete' || record.end === 'nothing'
      ? differs('last access', record.last, last ? slotOfKey(last.rid) : null)
      : []),
    ...between('began at', time.start, record.phase === 'start' ? 0 : from + 1, from + 20_000),
    ...between('ticks in accesses', time.ioTicks, (accesses - 1) * 1000, accesses * 1050),
    ...between('ticks', time.ticks, (accesses - 1) * 2000, now),
    ...record.entries.flatMap((entry) => entryProblems(entry, record, at)),
    ...(record.summary ? [] : rawProblems(seen, at)),
    ...flagProblems(seen),
    ...gateProblems(seen),
    ...(options.progress ? [] : differs('port 80', ports.progress, [])),
  ];
}
