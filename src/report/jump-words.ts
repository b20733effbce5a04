import type { Decider } from '../quiesce/decide.js';
import type { FunctionResult } from '../quiesce/journal.js';
import type { JumpResult } from '../sim/jump/result.js';
import type { Scenario } from '../sim/scenario/scenario.js';

/** A verdict never stands alone where it is not known that all was done. */
export function verdictRemark(gaps: readonly string[]): string {
  return gaps.length === 0 ? '' : `, but ${gaps.join(', ')}`;
}

/** What a scenario is about, and whether that is what was played: another path may have been asked for. */
export function scenarioStory(
  { story, path }: Pick<Scenario, 'story' | 'path'>,
  played: Pick<JumpResult, 'path'>,
): string {
  return path === played.path
    ? story
    : `This is the ${played.path} path. The story of the scenario, which is of the ${path} path: ${story}`;
}

/** Why a function stays as it is, with the rule that said so. */
export function whyLive(claim: Pick<FunctionResult, 'slot' | 'outcome' | 'reason'>, decide: Decider): string {
  const { slot, outcome, reason } = claim;
  const { action, rule, reason: why } = decide(slot);
  if (outcome !== 'exempt') return reason;
  if (action === 'preserve') return `preserved by rule ${rule}: ${why}`;
  // It may also be left alone for what it is: asleep, or above something that is still live.
  return action === 'exempt' && reason === why ? `exempt by rule ${rule}: ${why}` : reason;
}

/** Functions of which the same is said, as `0000:00:1d.0 and 2 more`. */
export function someSlots(slots: readonly string[]): string {
  const [first = ''] = slots;
  return slots.length <= 1 ? first : `${first} and ${slots.length - 1} more`;
}

/** `1 function is`, `2 functions are`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
