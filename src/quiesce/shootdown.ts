import { type Clock, systemClock } from '../host/clock.js';
import type { Host } from '../host/port.js';
import { type Machine, type ScanOptions, scan } from '../host/scan.js';
import type { PciFunction } from '../pci/function.js';
import { defaultPolicy } from './default-policy.js';
import {
  type FunctionResult,
  functionResults,
  type Journal,
  type JournalSink,
  memorySink,
} from './journal.js';
import { acquireLock } from './lock.js';
import { perform } from './perform.js';
import { makePlan, needsHeadersOnly } from './plan.js';
import type { Plan } from './plan-data.js';
import type { Place, Policy } from './policy.js';
import { verdictOf } from './verdict.js';

export interface ShootdownOptions {
  /** Default `before`. */
  readonly at?: Place;
  /** Default: the policy that ships with the project. */
  readonly policy?: Policy;
  /** Only these functions may be written. */
  readonly select?: (fn: PciFunction) => boolean;
  /** Where the journal goes; in memory only if left out. */
  readonly journal?: JournalSink;
  readonly clock?: Clock;
  /** For the journal's header: the version of the tool and the time of day. */
  readonly tool?: string;
  readonly started?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ShootdownResult {
  readonly plan: Plan;
  readonly journal: Journal;
  /** Functions that could still hit the next kernel, with the reason why. */
  readonly stillLive: readonly FunctionResult[];
}

/**
 * Scans a host, plans, performs and verifies: the routine of 2006 under its old name, done right. Takes the host's
 * lock for as long as it runs. Rejects with a `ShootdownError`: before the first write with any code, after it only
 * with `incomplete`.
 */
export async function deviceShootdown(host: Host, options: ShootdownOptions = {}): Promise<ShootdownResult> {
  return locked(host, async () => {
    const { select, policy = defaultPolicy() } = options;
    const machine = await scanForPlan(host, policy);
    const plan = makePlan(machine, policy, {
      at: options.at ?? 'before',
      ...(select ? { select } : {}),
    });
    return performPlan(host, plan, machine, options);
  });
}

/** Performs a plan on a machine that was scanned just now; the caller holds the lock. */
export async function performPlan(
  host: Host,
  plan: Plan,
  machine: Machine,
  options: ShootdownOptions = {},
): Promise<ShootdownResult> {
  const journal = await perform(host, plan, {
    machine,
    journal: options.journal ?? memorySink,
    clock: options.clock ?? systemClock,
    tool: options.tool ?? 'library',
    started: options.started ?? '',
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
  });
  return { plan, journal, stillLive: functionResults(journal).filter(({ verdict }) => verdict === 'live') };
}

/**
 * Scans for no more than a plan under this policy needs; without a policy, for no more than `restore` does. Where the
 * host knows the virtual functions, the extended list is not read.
 */
export function scanForPlan(host: Host, policy?: Policy, options: ScanOptions = {}): Promise<Machine> {
  return scan(host, {
    extended: !host.knowsVirtualFunctions,
    skipQuiet: policy === undefined || needsHeadersOnly(policy),
    keep: (fn) => verdictOf(fn) === 'live',
    ...options,
  });
}

/** Runs `action` while holding the host's lock, if it has one. */
export async function locked<T>(host: Host, action: () => Promise<T>): Promise<T> {
  const release = host.lockName === undefined ? undefined : await acquireLock(host.lockName);
  try {
    return await action();
  } finally {
    await release?.();
  }
}
