import type { Clock } from '../host/clock.js';
import { checkWritable, type Host } from '../host/port.js';
import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { compareSlots, hex, type Slot } from '../pci/slot.js';
import { fingerprint } from './fingerprint.js';
import { type Journal, type JournalRecord, outcomeOf } from './journal.js';
import { within } from './perform.js';
import type { Step, WriteStep } from './plan-data.js';

export type RestoreOutcome =
  | 'restored'
  | 'already' // it reads as before the shootdown
  | 'rebound' // the driver is bound again and sets the function up itself
  | 'left' // cannot be undone by writing: a driver must initialise it
  | 'refused' // the register no longer holds what the shootdown wrote
  | 'ignored'
  | 'vanished'
  | 'error'
  | 'timeout';

export interface RestoreEntry {
  readonly slot: Slot;
  readonly register: string;
  /** As found, as wanted and as read back; `null` where that does not apply. */
  readonly found: number | null;
  readonly wanted: number | null;
  readonly after: number | null;
  readonly outcome: RestoreOutcome;
  readonly detail: string;
}

export interface RestoreOptions {
  readonly machine: Machine;
  readonly clock: Clock;
  /** Restore registers that have changed since, and on a machine that has. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Puts back what a journal says was there before, in reverse order, from a journal that is whole or was cut short.
 * Doing it twice does no harm. A function that was unbound or reset gets its driver back instead of its registers:
 * BME or MSI restored by hand would let it go on with rings that are no longer there.
 */
export async function restore(
  host: Host,
  journal: Journal,
  options: RestoreOptions,
): Promise<RestoreEntry[]> {
  checkWritable(host);
  const { plan, bootId } = journal.header;
  const now = options.machine.machineFacts.bootId;
  if (bootId !== undefined && now !== undefined && bootId !== now) {
    const message =
      'the machine has booted since this journal was written: its registers belong to another kernel now';
    throw new ShootdownError('refused', message);
  }
  // Within one boot the registers themselves tell whether they are as they were left.
  if (bootId === undefined && !options.force && fingerprint(options.machine.topology) !== plan.fingerprint) {
    const message =
      'the machine is not the one in the journal, or it has changed since: --force restores what still fits';
    throw new ShootdownError('stale', message);
  }
  const outcomes = outcomeOf(journal);
  const released = releasedSlots(plan.steps, outcomes, options.machine);
  const entries: RestoreEntry[] = [];
  for (const [index, step] of [...plan.steps].reverse().entries()) {
    if (options.signal?.aborted) break;
    const entry = await restoreStep(host, journal, step, outcomes.get(step.id), released, options);
    if (entry) entries.push(entry);
    options.onProgress?.(index + 1, plan.steps.length);
    if (index % 128 === 127) await options.clock.sleep(0);
  }
  return entries;
}

/** Functions whose driver was unbound or which were reset, as far as the journal or the machine tells. */
function releasedSlots(
  steps: readonly Step[],
  outcomes: ReadonlyMap<number, JournalRecord>,
  machine: Machine,
): ReadonlySet<Slot> {
  const released = new Set<Slot>();
  for (const step of steps) {
    if (step.kind !== 'unbind' && step.kind !== 'reset') continue;
    const outcome = outcomes.get(step.id)?.outcome;
    const unknown = outcome === undefined || outcome === 'timeout';
    const gone = step.kind === 'unbind' && machine.facts.get(step.slot)?.driver === null;
    if (outcome === 'done' || (unknown && (gone || step.kind === 'reset'))) released.add(step.slot);
  }
  return released;
}

async function restoreStep(
  host: Host,
  journal: Journal,
  step: Step,
  record: JournalRecord | undefined,
  released: ReadonlySet<Slot>,
  options: RestoreOptions,
): Promise<RestoreEntry | undefined> {
  // A run that came to its end has a record for every step that it reached.
  if (record === undefined && journal.end !== undefined) return undefined;
  try {
    switch (step.kind) {
      case 'wait':
        return undefined;
      case 'write':
        if (released.has(step.slot)) return undefined;
        return await restoreWrite(host, step, record, options);
      case 'reset': {
        if (!released.has(step.slot)) return undefined;
        const detail = 'a reset cannot be undone; its driver initialises it when it is bound';
        return entry(step, 'left', detail);
      }
      case 'unbind':
        if (!released.has(step.slot)) return undefined;
        return await rebind(host, step, journal.header.plan.bounds.stepTimeoutMs, options);
    }
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    const outcome = error.code === 'vanished' || error.code === 'timeout' ? error.code : 'error';
    return entry(step, outcome, error.message);
  }
}

async function restoreWrite(
  host: Host,
  step: WriteStep,
  record: JournalRecord | undefined,
  options: RestoreOptions,
): Promise<RestoreEntry | undefined> {
  const before = record?.before ?? step.before;
  const written = record?.after ?? (before & ~step.mask) | step.value;
  if (!wasPerformed(record)) return undefined;
  const found = await host.read(step.slot, step.offset, step.width);
  if (found === 0xffff) return entry(step, 'vanished', 'it reads all ones', found);
  const wanted = (found & ~step.mask) | (before & step.mask);
  if (found === wanted) return entry(step, 'already', '', found, wanted, found);
  const driver = options.machine.facts.get(step.slot)?.driver;
  if (driver)
    return entry(
      step,
      'refused',
      `${driver} is bound to it by now, and has it set up its own way`,
      found,
      wanted,
    );
  if (!options.force && ((found ^ written) & step.mask) !== 0) {
    const detail = `it holds ${hex(found, 4)}, not ${hex(written, 4)} as the shootdown left it: something else wrote it since`;
    return entry(step, 'refused', detail, found, wanted);
  }
  await host.write(step.slot, step.offset, step.width, wanted);
  const after = await host.read(step.slot, step.offset, step.width);
  const took = ((after ^ wanted) & step.mask) === 0;
  return entry(
    step,
    took ? 'restored' : 'ignored',
    took ? '' : 'the register did not change',
    found,
    wanted,
    after,
  );
}

/** False only if the journal says that the step wrote nothing; a journal that was cut short may not know. */
function wasPerformed(record: JournalRecord | undefined): boolean {
  const outcome = record?.outcome;
  return outcome === undefined || !['already', 'skipped', 'refused'].includes(outcome);
}

async function rebind(
  host: Host,
  step: Extract<Step, { kind: 'unbind' }>,
  stepTimeoutMs: number,
  options: RestoreOptions,
): Promise<RestoreEntry> {
  const bound = options.machine.facts.get(step.slot)?.driver;
  if (bound != null) return entry(step, 'already', `${bound} is bound to it`);
  if (!host.actions) return entry(step, 'error', `${host.name} cannot bind drivers`);
  await within(host.actions.bind(step.slot, step.driver), stepTimeoutMs, options.clock);
  return entry(step, 'rebound', `${step.driver} is bound to it again`);
}

function entry(
  step: Step,
  outcome: RestoreOutcome,
  detail: string,
  found: number | null = null,
  wanted: number | null = null,
  after: number | null = null,
): RestoreEntry {
  const register = step.kind === 'write' ? step.register : step.kind === 'unbind' ? 'driver' : 'reset';
  return { slot: step.slot, register, found, wanted, after, outcome, detail };
}

/** Functions that are not as they were, in slot order. */
export function notRestored(entries: readonly RestoreEntry[]): RestoreEntry[] {
  const bad: ReadonlySet<RestoreOutcome> = new Set(['refused', 'ignored', 'vanished', 'error', 'timeout']);
  return entries.filter((entry) => bad.has(entry.outcome)).sort((a, b) => compareSlots(a.slot, b.slot));
}
