import type { Place } from '../../quiesce/policy.js';
import { STAGES } from '../jump/result.js';
import { OURS } from './index.js';
import type { PlayedJump } from './play.js';

const TURNS = [
  { place: 'before', stage: 'before' },
  { place: 'between', stage: 'stub' },
  { place: 'after', stage: 'after' },
] as const;

/**
 * What is missing in what ours said of itself: a place in which it had its turn and left no record, or one that ended
 * before all was done. Each as words after a verdict; none for a policy that leaves no record.
 */
export function recordGaps(played: PlayedJump): readonly string[] {
  return turnsTaken(played).flatMap((place) => {
    const record = played.records.find((one) => one.place === place);
    if (!record) return [`ours ${place} left no record`];
    return record.end === 'complete' ? [] : [`ours ${place} ended early: ${record.end}`];
  });
}

/** The places in which ours had its turn before the jump ended, in order; each has to have left a record. */
export function turnsTaken({ policy, result }: PlayedJump): readonly Place[] {
  if (!OURS.has(policy)) return [];
  const reached = STAGES.indexOf(result.reached);
  return TURNS.filter(
    ({ place, stage }) => hasTurn(policy, place, result.path) && reached > STAGES.indexOf(stage),
  ).map(({ place }) => place);
}

/** Why a policy of ours left no record at all, as a sentence; `null` if it left one, or is none of ours. */
export function whyNoRecord(played: PlayedJump): string | null {
  const { policy, result, records } = played;
  if (!OURS.has(policy) || records.length > 0) return null;
  if (!TURNS.some(({ place }) => hasTurn(policy, place, result.path)))
    return 'Ours before does nothing at a crash: no userspace runs between the panic and the next kernel.';
  return turnsTaken(played).length > 0
    ? 'Ours left no record.'
    : `Ours had no turn: the jump ended before it, at ${result.reached}.`;
}

function hasTurn(policy: PlayedJump['policy'], place: Place, path: PlayedJump['result']['path']): boolean {
  if (place === 'before' && path === 'crash') return false;
  return policy === 'ours' ? place !== 'after' : policy === place;
}
