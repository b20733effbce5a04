import { compareSlots, parseSlot, type Slot } from '../../pci/slot.js';
import { JUMP_VERDICTS, VERDICT_MEANINGS } from '../../sim/jump/result.js';
import { jumpPolicy } from '../../sim/policies/index.js';
import { POLICY_NAMES, type PolicyName } from '../../sim/policies/names.js';
import { whatBroke } from '../jump-text.js';
import { shown } from '../page/text.js';
import { entriesOf, stagesOf } from './entries.js';
import { eventsOfTimeline, eventsOfTrace } from './events.js';
import { gatedSpans, type LaneWords, lanesOf, REST_LANE } from './lanes.js';
import { mergeMarks } from './merge.js';
import type { RecordedJump, RecordedPage } from './recorded.js';
import { type JumpStory, lookup, type StoryHit, type StoryMark, type StoryVerdict } from './story.js';

/** What a recorded jump does not say of itself. */
export interface StoryFrame {
  readonly name: string;
  readonly title: string;
  readonly about?: string;
  readonly policy: string;
  /** What is known of a function, for its row. */
  readonly describe?: (slot: Slot) => LaneWords;
}

/** The story of a simulated jump. */
export function simStory(jump: RecordedJump, frame: StoryFrame): JumpStory {
  const { jumpMs, timeline, trace, stuckOn, recordGaps = [] } = jump;
  const events = trace ? eventsOfTrace(jump, trace) : eventsOfTimeline(jump);
  const startMs = timeline.reduce((least, { ms }) => Math.min(least, ms), 0) - jumpMs;
  const endMs = Math.max(jump.endMs - jumpMs, startMs);
  const drivers = new Map(
    (trace ?? []).flatMap(({ slot, driver }) => (slot && driver ? [[slot, driver]] : [])),
  );
  const describe = (slot: Slot): LaneWords =>
    frame.describe?.(slot) ?? { note: drivers.get(slot) ?? '', above: [] };
  const { lanes, laneOf } = lanesOf(events, describe);
  const within = (ms: number) => Math.min(endMs, Math.max(startMs, ms - jumpMs));
  const all = events.map(({ lane, kind, ms, count, text }): StoryMark => {
    const at = within(ms);
    return { lane: laneOf(lane), kind, startMs: at, endMs: at, count, text };
  });
  const marks = mergeMarks(dumpAsBar(all));
  const notes = recordGaps.slice(0, GAPS_MAX).map((gap) => `Of the record: ${gap}.`);
  if (!trace) notes.push('Recorded without --trace: of what repeats only the first time is shown.');
  return {
    ...{ name: shown(frame.name), title: shown(frame.title), about: paragraphOf(frame.about ?? '') },
    ...{ source: 'sim', path: jump.path },
    policy: frame.policy,
    policyWords: isPolicy(frame.policy) ? jumpPolicy(frame.policy).title : '',
    verdicts: jump.verdicts.slice(0, JUMP_VERDICTS.length).map(verdictWords),
    summary: paragraphOf(whatBroke(jump)),
    ...{ startMs, endMs },
    end: { stuck: stuckOn !== null, text: stuckOn === null ? '' : `stuck on ${stuckOn.on}` },
    stages: stagesOf(jump).map((stage) => ({ ...stage, startMs: Math.max(startMs, stage.startMs) })),
    lanes: lanes.map((lane, at) => ({
      ...lane,
      gated: lane.id === REST_LANE ? [] : gatedSpans(all, at, { startMs, endMs }),
    })),
    marks,
    entries: entriesOf(jump).map((entry) => ({ ...entry, ms: Math.min(endMs, Math.max(startMs, entry.ms)) })),
    hits: hitsOf(jump),
    notes,
  };
}

/** Longer than a line may be, and bounded too. */
function paragraphOf(about: string): string {
  return (about.slice(0, ABOUT_MAX).match(/.{1,300}/gsu) ?? []).map(shown).join('');
}

const ABOUT_MAX = 2000;
const GAPS_MAX = 5;
const REGIONS_MAX = 8;

const isPolicy = (name: string): name is PolicyName => POLICY_NAMES.some((known) => known === name);

function verdictWords(verdict: string): StoryVerdict {
  const words = lookup<string>(VERDICT_MEANINGS, verdict) ?? '';
  return {
    verdict,
    words: verdict === 'clean' ? 'nothing of the next kernel, nor of the dump, was hit' : words,
  };
}

/** From the moment at which the dump begins to be saved until it is. */
function dumpAsBar(marks: readonly StoryMark[]): readonly StoryMark[] {
  const [begins, ends] = marks.filter(({ kind }) => kind === 'dump');
  if (!begins || !ends) return marks;
  const bar = { ...begins, endMs: Math.max(begins.endMs, ends.startMs), count: 1, text: ends.text };
  return [...marks.filter((mark) => mark !== begins && mark !== ends), bar];
}

function hitsOf({ corrupted, dump, jumpMs }: RecordedJump): StoryHit[] {
  const byRegion = new Map<string, RecordedPage[]>();
  for (const page of [...corrupted, ...(dump?.torn ?? [])])
    byRegion.set(page.region, [...(byRegion.get(page.region) ?? []), page]);
  return [...byRegion].slice(0, REGIONS_MAX).map(([region, pages]) => {
    const times = pages.flatMap(({ firstMs }) => (firstMs === null ? [] : [firstMs - jumpMs]));
    const writers = [...new Set(pages.flatMap((page) => page.writers))];
    return {
      region,
      pages: pages.length,
      firstAddress: pages.map(({ address }) => address).sort()[0] ?? '',
      writers: writers.sort(bySlot).slice(0, WRITERS_NAMED),
      firstMs: times.length > 0 ? times.reduce((a, b) => Math.min(a, b)) : null,
    };
  });
}

const WRITERS_NAMED = 20;

function bySlot(a: string, b: string): number {
  const [x, y] = [parseSlot(a), parseSlot(b)];
  return x && y ? compareSlots(x, y) : a.localeCompare(b);
}
