import * as v from 'valibot';
import { ShootdownError } from '../pci/error.js';
import { compareSlots, type Slot } from '../pci/slot.js';
import { parseJson } from './parse-json.js';
import { type Plan, planSchema, type Step } from './plan-data.js';
import type { JournalVerdict } from './verdict.js';

export const OUTCOMES = [
  'done', // as planned, and read back
  'already', // the register already held it; nothing was written
  'partial', // BME is clear, but INTx-disable did not stick
  'interrupting', // BME is clear, but INTx is asserted and INTx-disable did not stick
  'ignored', // written, but BME or the enable bit reads as before
  'skipped', // its condition was not met
  'refused', // doing it would have been unsafe by then
  'vanished', // the function no longer answers
  'error', // the host answered with an error
  'timeout', // a bounded wait ran out
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What became of one step. */
export interface JournalRecord {
  /** The step's id. */
  readonly step: number;
  /** The register just before the write, if that differs from what was scanned. */
  readonly before?: number | undefined;
  /** The register as it was read back. */
  readonly after?: number | undefined;
  /** Left out in the line that announces a `before` which differs. */
  readonly outcome?: Outcome | undefined;
  readonly detail?: string | undefined;
}

/** The first line of a journal: all that `restore` needs. */
export interface JournalHeader {
  readonly schema: 'shootdown.journal-file/1';
  /** Version of the tool. */
  readonly tool: string;
  /** Time of day, ISO 8601. */
  readonly started: string;
  /** Of the kernel that ran, where that is known. */
  readonly bootId?: string | undefined;
  readonly plan: Plan;
}

export const ENDS = ['complete', 'stopped', 'interrupted'] as const;
/** How a run ended: with its last step, at a failure because the policy says so, or by a signal. */
export type JournalEnd = (typeof ENDS)[number];

const word = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff));
/** @internal */
export const recordSchema = v.strictObject({
  step: v.pipe(v.number(), v.integer(), v.minValue(0)),
  before: v.optional(word),
  after: v.optional(word),
  outcome: v.optional(v.picklist(OUTCOMES)),
  detail: v.optional(v.string()),
});

/** @internal */
export const headerSchema = v.strictObject({
  schema: v.literal('shootdown.journal-file/1'),
  tool: v.string(),
  started: v.string(),
  bootId: v.optional(v.string()),
  plan: planSchema,
});

/** @internal */
export const endSchema = v.strictObject({ end: v.picklist(ENDS) });

/** What was really done. `end` is missing where the run was cut short. */
export interface Journal {
  readonly header: JournalHeader;
  readonly records: readonly JournalRecord[];
  readonly end?: JournalEnd;
}

/**
 * Where `perform` writes its journal. `begin` must have made the header durable when it returns; the records may
 * follow lazily, because the header alone is enough to restore from.
 */
export interface JournalSink {
  begin(header: JournalHeader): void;
  record(record: JournalRecord): void;
  /** Hands what was recorded to the system, so that it survives the end of this process. */
  flush(): void;
  end(end: JournalEnd): void;
}

/** Keeps the journal in memory only. */
export const memorySink: JournalSink = { begin() {}, record() {}, flush() {}, end() {} };

/** The step's final record, with what was announced before it. */
export function outcomeOf(journal: Journal): ReadonlyMap<number, JournalRecord> {
  const byStep = new Map<number, JournalRecord>();
  for (const record of journal.records) byStep.set(record.step, { ...byStep.get(record.step), ...record });
  return byStep;
}

/**
 * Reads a journal file: a header line, then a line a record. Returns `undefined` for one that was cut short before
 * its header was whole, when nothing had been written to any function yet. A torn last line is dropped.
 */
export function parseJournal(text: string, name: string): Journal | undefined {
  const foreign = () =>
    new ShootdownError(
      'bad-input',
      `${name}: not a journal: name the file that apply left, not what it printed`,
    );
  const lines = text.split('\n');
  const torn = lines.pop() ?? '';
  const first = lines.shift();
  if (first === undefined) {
    if (torn === '' || torn.startsWith('{"schema":"shootdown.journal-file/1"'.slice(0, torn.length)))
      return undefined;
    throw foreign();
  }
  if (!first.startsWith('{"schema":"shootdown.journal-file/')) throw foreign();
  const header = parseJson(headerSchema, first, name, 'journal');
  const records: JournalRecord[] = [];
  let end: JournalEnd | undefined;
  for (const [index, line] of lines.entries()) {
    const at = `${name}, line ${index + 2}`;
    if (line.startsWith('{"end"')) end = parseJson(endSchema, line, at, 'journal').end;
    else records.push(parseJson(recordSchema, line, at, 'journal'));
  }
  return end === undefined ? { header, records } : { header, records, end };
}

/** What a shootdown made of one function. */
export interface FunctionResult {
  readonly slot: Slot;
  readonly verdict: JournalVerdict;
  /** Of the step that decided the verdict. */
  readonly outcome: Outcome | 'exempt';
  readonly reason: string;
}

const FAILED: ReadonlySet<Outcome> = new Set([
  'interrupting',
  'ignored',
  'refused',
  'vanished',
  'error',
  'timeout',
]);

export function failed(record: JournalRecord): boolean {
  return record.outcome !== undefined && FAILED.has(record.outcome);
}

/** The result for every function of the plan, those that were skipped among them, in slot order. */
export function functionResults(journal: Journal): FunctionResult[] {
  const { plan } = journal.header;
  const outcomes = outcomeOf(journal);
  const stepsOf = new Map<Slot, Step[]>();
  for (const step of plan.steps) {
    const steps = stepsOf.get(step.slot);
    if (steps) steps.push(step);
    else stepsOf.set(step.slot, [step]);
  }
  const results: FunctionResult[] = plan.skipped.map(({ slot, verdict, reason }) => ({
    slot,
    verdict: verdict === 'open' ? 'quiet' : verdict,
    outcome: 'exempt',
    reason,
  }));
  for (const [slot, steps] of stepsOf) results.push({ slot, ...resultOf(steps, outcomes) });
  return results.sort((a, b) => compareSlots(a.slot, b.slot));
}

function resultOf(
  steps: readonly Step[],
  outcomes: ReadonlyMap<number, JournalRecord>,
): Omit<FunctionResult, 'slot'> {
  const recordOf = (match: (step: Step) => boolean) => {
    const step = steps.find(match);
    return step && outcomes.get(step.id);
  };
  const gate = recordOf((step) => step.kind === 'write' && step.register === 'PCI_COMMAND');
  const outcome = gate?.outcome;
  if (outcome === undefined)
    return { verdict: 'live', outcome: 'skipped', reason: 'the run ended before its turn' };
  const reason = gate?.detail ?? '';
  if (outcome === 'vanished') return { verdict: 'unknown', outcome, reason };
  if (outcome !== 'done' && outcome !== 'already' && outcome !== 'partial')
    return { verdict: 'live', outcome, reason };
  const wait = recordOf((step) => step.kind === 'wait');
  if (wait?.outcome !== undefined && wait.outcome !== 'done') {
    return { verdict: 'gated', outcome: wait.outcome, reason: wait.detail ?? '' };
  }
  const message = steps
    .filter((step) => step.kind === 'write' && step.register !== 'PCI_COMMAND')
    .map((step) => outcomes.get(step.id))
    .find((record) => record && failed(record));
  if (message?.outcome) return { verdict: 'gated', outcome: message.outcome, reason: message.detail ?? '' };
  const released = steps.some(
    (step) => (step.kind === 'unbind' || step.kind === 'reset') && outcomes.get(step.id)?.outcome === 'done',
  );
  return { verdict: released ? 'stopped' : 'gated', outcome, reason };
}

/** Registers were written, or a driver or reset was. */
export function wroteAnything(journal: Journal): boolean {
  const { steps } = journal.header.plan;
  return [...outcomeOf(journal)].some(([id, { outcome }]) => {
    if (steps[id]?.kind === 'wait') return false;
    return (
      outcome === 'done' ||
      outcome === 'partial' ||
      outcome === 'interrupting' ||
      outcome === 'ignored' ||
      outcome === 'timeout'
    );
  });
}
