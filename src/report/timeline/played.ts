import * as v from 'valibot';
import type { SimEvent } from '../../sim/events.js';
import type { PlayedJump } from '../../sim/policies/play.js';
import { recordGaps } from '../../sim/policies/record-gaps.js';
import { eventJson, jumpJson } from '../jump-json.js';
import { RECORDED_JUMP, type RecordedJump } from './recorded.js';
import { type StoryFrame, simStory } from './sim.js';
import type { JumpStory } from './story.js';

/** The story of a jump that was just played; `events` is all that was observed, or `null`. */
export function playedStory(
  played: PlayedJump,
  events: readonly SimEvent[] | null,
  frame: Omit<StoryFrame, 'policy'>,
): JumpStory {
  return simStory(recordedJump(played, events), {
    ...frame,
    policy: played.policy,
    describe: (slot) => ({
      note: frame.describe?.(slot).note ?? '',
      above: played.above.get(slot) ?? [],
    }),
  });
}

/** What would be read back if the jump were printed with --json. */
function recordedJump(played: PlayedJump, events: readonly SimEvent[] | null): RecordedJump {
  const { result } = played;
  const { startTick, endTick } = result;
  // Neither what was before the jump nor the boot after a reboot.
  const trace = events?.filter(({ tick }) => tick >= startTick && tick <= endTick);
  return v.parse(RECORDED_JUMP, {
    ...jumpJson(played),
    recordGaps: recordGaps(played),
    ...(trace ? { trace: trace.map((event) => eventJson(event, result)) } : {}),
  });
}
