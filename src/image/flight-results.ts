import * as regs from '../pci/regs.js';
import { compareSlots } from '../pci/slot.js';
import type { FunctionResult } from '../quiesce/journal.js';
import type { Policy } from '../quiesce/policy.js';
import { policyDigest } from '../quiesce/policy-digest.js';
import type { JournalVerdict } from '../quiesce/verdict.js';
import type { FlightRecord } from './flight.js';
import type { FlightEntry, FlightMessages, FlightOutcome } from './flight-entry.js';

/** What the stub made of one function, in a journal's words. */
export interface FlightResult extends FunctionResult {
  readonly entry: FlightEntry;
}

/**
 * The result for every function that the record lists, in slot order. A record has no reasons: they are those of
 * `policy`, if it is the one that the kernel was wrapped with.
 */
export function flightResults(record: FlightRecord, policy?: Policy): FlightResult[] {
  const fits = policy !== undefined && record.template?.policy.sha256 === policyDigest(policy);
  const reasons = new Map(fits ? policy.rules.map(({ id, reason }) => [id, reason]) : []);
  if (fits) reasons.set('otherwise', policy.otherwise.reason);
  return record.entries
    .map((entry) => {
      const reason = reasons.get(entry.rule.id ?? '') ?? DEFAULT_REASON[entry.outcome] ?? '';
      return { slot: entry.slot, ...resultOf(entry, reason), entry };
    })
    .sort((a, b) => compareSlots(a.slot, b.slot));
}

/** Something did not go as it was meant to, or was only observed: what exit status 2 stands for. */
export function flightFinds(record: FlightRecord): boolean {
  return record.end !== 'complete' || record.counts.failed > 0 || flightResults(record).some(unfinished);
}

function unfinished({ verdict, outcome }: FlightResult): boolean {
  if (outcome === 'exempt') return false;
  return verdict === 'live' || (outcome !== 'done' && outcome !== 'partial');
}

type Result = Pick<FunctionResult, 'verdict' | 'outcome' | 'reason'>;

function resultOf(entry: FlightEntry, ruleReason: string): Result {
  const exempt = (reason: string): Result => ({ verdict: registersSay(entry), outcome: 'exempt', reason });
  switch (entry.outcome) {
    case 'none':
      if (entry.preserve) return exempt(ruleReason);
      if (entry.quiet) return exempt(QUIET);
      return {
        verdict: entry.planned ? 'live' : registersSay(entry),
        outcome: 'skipped',
        reason: 'the walk ended before its turn',
      };
    case 'done':
      return gated(entry, 'done', '');
    case 'partial':
      return gated(entry, 'partial', 'INTx-disable did not stick: a PCI 2.2 function, or one without INTx');
    case 'interrupting':
      return {
        verdict: 'live',
        outcome: 'interrupting',
        reason: 'INTx is asserted, and INTx-disable did not stick',
      };
    case 'ignored':
      return {
        verdict: 'live',
        outcome: 'ignored',
        reason: 'BME reads set after it was cleared: it is not controllable',
      };
    case 'vanished':
      return VANISHED;
    case 'exempt':
    case 'preserve':
      return exempt(ruleReason);
    case 'asleep':
      return exempt('not in D0: it can make no requests, and is not written');
    case 'liveBelow':
      return exempt('something below it is not known to be quiet: a refused request may hang the machine');
    case 'quiet':
      return { verdict: 'quiet', outcome: 'exempt', reason: QUIET };
    case 'wouldGate':
      return { verdict: 'live', outcome: 'skipped', reason: 'observed only: it would have been gated' };
  }
}

const QUIET = 'quiet: BME is clear and INTx does not fire';
const DEFAULT_REASON: Partial<Record<FlightOutcome, string>> = {
  exempt: 'the policy leaves it alone',
  none: 'the policy preserves it, or what is below it',
  preserve: 'the policy preserves it, or what is below it',
};
const VANISHED: Result = {
  verdict: 'unknown',
  outcome: 'vanished',
  reason: 'it reads all ones: it is gone or its link is down',
};

/** BME is clear; what is left is the wait and the messages. */
function gated(entry: FlightEntry, outcome: 'done' | 'partial', reason: string): Result {
  if (entry.pending.outcome === 'timeout')
    return {
      verdict: 'gated',
      outcome: 'timeout',
      reason: 'transactions still pending when the bound ran out',
    };
  if (entry.pending.outcome === 'vanished') return { ...VANISHED, verdict: 'gated' };
  const { msi, msix } = entry;
  const is = (what: FlightMessages) => msi.became === what || msix.became === what;
  if (is('ignored')) {
    const register = msi.became === 'ignored' ? 'PCI_MSI_FLAGS' : 'PCI_MSIX_FLAGS';
    return { verdict: 'gated', outcome: 'ignored', reason: `${register} did not change` };
  }
  if (is('vanished')) return { ...VANISHED, verdict: 'gated' };
  return { verdict: 'gated', outcome, reason };
}

/** What the registers say it could do, as `verdictOf`, as far as the record has them. */
function registersSay({ command, status, bridge, msi, msix }: FlightEntry): JournalVerdict {
  const now = command.after ?? command.before;
  if (now === 0xffff) return 'unknown';
  const disabled = (now & regs.PCI_COMMAND_INTX_DISABLE) !== 0;
  if (((status ?? 0) & regs.PCI_STATUS_INTERRUPT) !== 0 && !disabled) return 'live';
  if ((now & regs.PCI_COMMAND_MASTER) === 0) return 'quiet';
  if (!bridge) return 'live';
  const enabled =
    ((msi.before ?? 0) & regs.PCI_MSI_FLAGS_ENABLE) !== 0 ||
    ((msix.before ?? 0) & regs.PCI_MSIX_FLAGS_ENABLE) !== 0;
  // Whether a bridge that is kept open has a pin, and often its MSI, is not in the record.
  return enabled ? 'live' : 'unknown';
}
