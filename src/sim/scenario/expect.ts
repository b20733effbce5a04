import { compareSlots, parseSlot, type Slot } from '../../pci/slot.js';
import type { JumpResult, JumpVerdict, Stage } from '../jump/result.js';
import { TICKS_PER_MS } from '../ticks.js';

/** What must be seen under one policy; what is left out may be anything. */
export interface Expectation {
  readonly verdict: JumpVerdict;
  /** Lesser verdicts that apply, too. */
  readonly also?: readonly JumpVerdict[] | undefined;
  /** Verdicts that chance may make of it instead. */
  readonly or?: readonly JumpVerdict[] | undefined;
  /** Functions that have a part in it. */
  readonly slots?: readonly Slot[] | undefined;
  /** Part of what it is stuck on. */
  readonly on?: string | undefined;
  readonly reached?: Stage | undefined;
  /** The interrupt line that was given up. */
  readonly line?: number | undefined;
  /** How long the jump takes. */
  readonly atLeastMs?: number | undefined;
  readonly atMostMs?: number | undefined;
  /** Why it is not prevented. */
  readonly why?: string | undefined;
}

/** Functions that had a part in what went wrong, in slot order. */
function involvedSlots(result: JumpResult): readonly Slot[] {
  const slots = [
    ...(result.stuckOn?.slots ?? []).map((text) => parseSlot(text)),
    ...[...result.corrupted, ...(result.dump?.torn ?? [])].flatMap(({ writers }) =>
      writers.map((w) => parseSlot(w)),
    ),
    ...result.storms.flatMap((storm) => storm.slots),
    ...[...result.lost, ...result.faults, ...result.wantedLost].map(({ slot }) => slot),
  ];
  return [...new Set(slots.filter((slot) => slot !== undefined))].sort(compareSlots);
}

/**
 * What of an expectation did not come true, each as a sentence; empty if all did, or if chance made another verdict of
 * it that the scenario allows.
 */
export function unmetExpectations(result: JumpResult, expected: Expectation): readonly string[] {
  if (expected.or?.includes(result.verdict)) return [];
  const unmet: string[] = [];
  const need = (met: boolean, text: string) => {
    if (!met) unmet.push(text);
  };
  const { verdict, verdicts, stuckOn, reached } = result;
  const stuck = stuckOn === null ? 'nothing' : stuckOn.on;
  need(
    verdict === expected.verdict,
    `the verdict is ${verdict}, not ${expected.verdict}${stuckOn === null ? '' : ` (stuck on ${stuck})`}`,
  );
  for (const one of expected.also ?? []) need(verdicts.includes(one), `${one} does not apply`);
  const involved = involvedSlots(result);
  for (const slot of expected.slots ?? [])
    need(involved.includes(slot), `${slot} had no part in it, only ${involved.join(', ') || 'nobody'}`);
  const { on, line, atLeastMs, atMostMs } = expected;
  need(on === undefined || (stuckOn?.on.includes(on) ?? false), `it is stuck on ${stuck}, not on ${on}`);
  need(
    expected.reached === undefined || reached === expected.reached,
    `it came to ${reached}, not to ${expected.reached}`,
  );
  need(
    line === undefined || result.storms.some((storm) => storm.line === line),
    `line ${line} was not given up`,
  );
  const ms = (result.endTick - result.startTick) / TICKS_PER_MS;
  need(atLeastMs === undefined || ms >= atLeastMs, `it took ${ms} ms, less than ${atLeastMs}`);
  need(atMostMs === undefined || ms <= atMostMs, `it took ${ms} ms, more than ${atMostMs}`);
  return unmet;
}
