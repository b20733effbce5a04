import type { Clock } from '../host/clock.js';
import { checkWritable, type Host } from '../host/port.js';
import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import * as regs from '../pci/regs.js';
import type { Slot } from '../pci/slot.js';
import { checkPlan } from './check-plan.js';
import { failed, type Journal, type JournalEnd, type JournalRecord, type JournalSink } from './journal.js';
import type { Plan, Step, WaitStep, WriteStep } from './plan-data.js';

export interface PerformOptions {
  /** A scan of the host made just now, which the plan must fit. */
  readonly machine: Machine;
  readonly journal: JournalSink;
  readonly clock: Clock;
  /** Version of the tool and the time of day, for the journal's header. */
  readonly tool: string;
  readonly started: string;
  /** Stops after the step at hand. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Steps after which pending events, signals among them, get their turn. */
const YIELD_EVERY = 128;

interface Gate {
  readonly bmeClear: boolean;
  readonly intxDisabled: boolean;
}

interface Run {
  readonly host: Host;
  readonly plan: Plan;
  readonly options: PerformOptions;
  readonly records: JournalRecord[];
  readonly gates: Map<Slot, Gate>;
  /** Functions that the plan gates. */
  readonly planned: ReadonlySet<Slot>;
  /** Functions in the middle of something that may still go on: a config access could hang behind it. */
  readonly entangled: Set<Slot>;
  failure: boolean;
}

/**
 * Performs a plan and journals it. Rejects before the first write with `read-only`, `stale`, `refused` or
 * `journal`; after it, only with `incomplete`. A function that fails is recorded and does not stop the others unless
 * the policy says so. Each register is read before it is written and read back after.
 */
export async function perform(host: Host, plan: Plan, options: PerformOptions): Promise<Journal> {
  checkWritable(host);
  checkPlan(plan, options.machine, host);
  const { bootId } = options.machine.machineFacts;
  const header = {
    schema: 'shootdown.journal-file/1',
    tool: options.tool,
    started: options.started,
    ...(bootId === undefined ? {} : { bootId }),
    plan,
  } as const;
  options.journal.begin(header);
  const planned = new Set(plan.steps.filter((step) => step.kind === 'write').map((step) => step.slot));
  const run: Run = {
    host,
    plan,
    options,
    planned,
    records: [],
    gates: new Map(),
    entangled: new Set(),
    failure: false,
  };
  try {
    const end = await performSteps(run);
    options.journal.end(end);
    return { header, records: run.records, end };
  } catch (cause) {
    if (!(cause instanceof ShootdownError) || cause.code !== 'journal') throw cause;
    const message = `${cause.message}; the run stopped there, and what is in the journal is enough to restore`;
    throw new ShootdownError('incomplete', message, { cause });
  }
}

async function performSteps(run: Run): Promise<JournalEnd> {
  const { options, plan } = run;
  const { steps } = plan;
  let end: JournalEnd = 'complete';
  for (let at = 0; at < steps.length; ) {
    if (options.signal?.aborted) end = 'interrupted';
    else if (run.failure && plan.onFailure === 'stop') end = 'stopped';
    if (end !== 'complete') break;
    at += await performNext(run, at);
    options.onProgress?.(at, steps.length);
    if (at % YIELD_EVERY === 0) await options.clock.sleep(0);
  }
  return end;
}

/** Performs the step at `at`, or a whole run of waits from there; returns how many steps that were. */
async function performNext(run: Run, at: number): Promise<number> {
  const step = run.plan.steps[at];
  if (!step) return 1;
  switch (step.kind) {
    case 'write':
      record(run, step, await caught(step, () => performWrite(run, step)));
      return 1;
    case 'wait': {
      const waits: WaitStep[] = [];
      for (const next of run.plan.steps.slice(at)) {
        if (next.kind !== 'wait') break;
        waits.push(next);
      }
      await performWaits(run, waits);
      return waits.length;
    }
    case 'unbind':
    case 'reset': {
      // What a driver does on its way out cannot be told from the registers: say it first.
      run.options.journal.flush();
      record(run, step, await caught(step, () => performAction(run, step)));
      run.options.journal.flush();
      return 1;
    }
  }
}

type Result = Omit<JournalRecord, 'step'>;

function record(run: Run, step: Step, result: Result): void {
  const entry = { step: step.id, ...result };
  run.records.push(entry);
  run.options.journal.record(entry);
  if (failed(entry)) run.failure = true;
}

async function caught(step: Step, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ShootdownError) || error.code === 'journal') throw error;
    const outcome = error.code === 'vanished' ? 'vanished' : error.code === 'timeout' ? 'timeout' : 'error';
    return {
      outcome,
      detail: `${step.slot}: ${error.message}`.replace(`${step.slot}: ${step.slot}`, step.slot),
    };
  }
}

const VANISHED: Result = { outcome: 'vanished', detail: 'it reads all ones: it is gone or its link is down' };

async function performWrite(run: Run, step: WriteStep): Promise<Result> {
  const refusal = reasonToRefuse(run, step);
  if (refusal) return refusal;
  const { host, options } = run;
  const before = await host.read(step.slot, step.offset, step.width);
  if (before === 0xffff) return VANISHED;
  const target = (before & ~step.mask) | step.value;
  if (before === target) {
    noteGate(run, step, before);
    return { outcome: 'already', ...(before === step.before ? {} : { before }), after: before };
  }
  if (before !== step.before) {
    // The header holds what was scanned; the register has changed since, and restore needs to know.
    options.journal.record({ step: step.id, before });
    options.journal.flush();
  }
  await host.write(step.slot, step.offset, step.width, target);
  // Command and Status come in one read: what matters beside the bits is whether INTx is asserted.
  const read = step.register === 'PCI_COMMAND' ? 4 : step.width;
  const found = await host.read(step.slot, step.offset, read);
  const after = found & 0xffff;
  const result: Result = { ...(before === step.before ? {} : { before }), after };
  if (after === 0xffff) return { ...result, ...VANISHED };
  noteGate(run, step, after);
  return { ...result, ...verify(step, after, found >>> 16) };
}

function verify(step: WriteStep, after: number, status: number): Result {
  if (((after ^ step.value) & step.mask) === 0) return { outcome: 'done' };
  if (step.register !== 'PCI_COMMAND')
    return { outcome: 'ignored', detail: `${step.register} did not change` };
  if ((after & regs.PCI_COMMAND_MASTER) !== 0) {
    return { outcome: 'ignored', detail: 'BME reads set after it was cleared: it is not controllable' };
  }
  if ((status & regs.PCI_STATUS_INTERRUPT) !== 0) {
    return { outcome: 'interrupting', detail: 'INTx is asserted, and INTx-disable did not stick' };
  }
  return {
    outcome: 'partial',
    detail: 'INTx-disable did not stick: a PCI 2.2 function, or one without INTx',
  };
}

function noteGate(run: Run, step: WriteStep, command: number): void {
  if (step.register !== 'PCI_COMMAND') return;
  run.gates.set(step.slot, {
    bmeClear: (command & regs.PCI_COMMAND_MASTER) === 0,
    intxDisabled: (command & regs.PCI_COMMAND_INTX_DISABLE) !== 0,
  });
}

function reasonToRefuse(run: Run, step: WriteStep): Result | undefined {
  if (run.entangled.has(step.slot)) {
    return { outcome: 'refused', detail: 'an unbind or reset of it has not come to an end' };
  }
  const gate = run.gates.get(step.slot);
  if (step.onlyIf && !gate?.bmeClear) return { outcome: 'skipped', detail: 'BME is not clear' };
  if (step.onlyIf === 'intx-disabled' && !gate?.intxDisabled) {
    return {
      outcome: 'skipped',
      detail: 'INTx-disable did not stick, and with MSI off it would fall back to INTx',
    };
  }
  const live = step.below?.find((slot) => run.planned.has(slot) && !run.gates.get(slot)?.bmeClear);
  if (live) return { outcome: 'refused', detail: `${live} below it is still live` };
  return undefined;
}

/** Polls all functions in turn until each has nothing pending or the one bound they share runs out. */
async function performWaits(run: Run, steps: readonly WaitStep[]): Promise<void> {
  const { host, plan, options } = run;
  const deadline = options.clock.now() + plan.bounds.pendingTimeoutMs;
  let waiting: WaitStep[] = [];
  for (const step of steps) {
    if (run.gates.get(step.slot)?.bmeClear) waiting.push(step);
    else record(run, step, { outcome: 'skipped', detail: 'BME is not clear' });
  }
  for (;;) {
    const still: WaitStep[] = [];
    for (const [index, step] of waiting.entries()) {
      const result = await caught(step, async () => {
        const value = await host.read(step.slot, step.offset, step.width);
        if (value === (step.width === 1 ? 0xff : 0xffff)) return VANISHED;
        return (value & step.mask) === 0 ? { outcome: 'done' } : {};
      });
      if (result.outcome) record(run, step, result);
      else still.push(step);
      if (index % YIELD_EVERY === YIELD_EVERY - 1) await options.clock.sleep(0);
    }
    waiting = still;
    if (waiting.length === 0 || options.signal?.aborted || options.clock.now() >= deadline) break;
    await options.clock.sleep(1);
  }
  if (options.signal?.aborted) return;
  const detail = `transactions still pending after ${plan.bounds.pendingTimeoutMs} ms`;
  for (const step of waiting) record(run, step, { outcome: 'timeout', detail });
}

async function performAction(run: Run, step: Extract<Step, { kind: 'unbind' | 'reset' }>): Promise<Result> {
  const { host, plan, options } = run;
  if (run.entangled.has(step.slot)) return { outcome: 'refused', detail: 'its driver did not let go' };
  const { actions } = host;
  if (!actions)
    throw new ShootdownError('unsupported', `${host.name} can neither unbind nor reset`, { slot: step.slot });
  // A driver that stays bound must not be starved, and a config access behind a reset that hangs would hang, too.
  run.entangled.add(step.slot);
  if (step.kind === 'unbind')
    await within(actions.unbind(step.slot, step.driver), plan.bounds.stepTimeoutMs, options.clock);
  else await resetWithin(run, step.slot, () => actions.reset(step.slot));
  run.entangled.delete(step.slot);
  return { outcome: 'done' };
}

/** A reset that was refused or failed is over: the function can still be gated. One that hangs is not. */
async function resetWithin(run: Run, slot: Slot, reset: () => Promise<void>): Promise<void> {
  try {
    await within(reset(), run.plan.bounds.stepTimeoutMs, run.options.clock);
  } catch (error) {
    if (error instanceof ShootdownError && error.code !== 'timeout') run.entangled.delete(slot);
    throw error;
  }
}

/** Rejects with `timeout` if `action` takes longer than `ms`; what it does then goes on unheeded. */
export async function within(action: Promise<void>, ms: number, clock: Clock): Promise<void> {
  // One that is done at once needs no timer; on a simulated clock, waiting would make time pass.
  const atOnce = await Promise.race([action.then(() => true), clock.sleep(0).then(() => false)]);
  if (atOnce) return;
  const timer = new AbortController();
  const late = clock.sleep(ms, timer.signal).then(() => {
    if (!timer.signal.aborted) throw new ShootdownError('timeout', `it did not end within ${ms} ms`);
  });
  try {
    await Promise.race([action, late]);
  } finally {
    timer.abort();
    action.catch(() => {});
    late.catch(() => {});
  }
}
