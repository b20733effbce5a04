import type { JumpStory, MarkKind, StoryLane } from './story.js';
import { lookup, MARK_KINDS, REGIONS } from './story.js';

/** The same rows in each story, so that what is compared is at the same height. */
export function alignRows(stories: readonly JumpStory[]): JumpStory[] {
  if (stories.length < 2) return [...stories];
  const rows = commonRows(stories);
  return stories.map((story) => {
    const own = new Map(story.lanes.map((lane, at) => [lane.id, { lane, at }]));
    const lanes = rows.map((row) => own.get(row.id)?.lane ?? { ...row, gated: [] });
    const moved = new Map(rows.flatMap((row, to) => [[own.get(row.id)?.at ?? -1, to] as const]));
    return {
      ...story,
      lanes,
      marks: story.marks.map((mark) => ({ ...mark, lane: moved.get(mark.lane) ?? 0 })),
    };
  });
}

/** Those of the first story, and of each other one what is not there yet, after the row that it follows there. */
function commonRows(stories: readonly JumpStory[]): StoryLane[] {
  const rows: StoryLane[] = [...(stories[0]?.lanes ?? [])];
  for (const { lanes } of stories.slice(1)) {
    let after = -1;
    for (const lane of lanes) {
      const known = rows.findIndex(({ id }) => id === lane.id);
      if (known >= 0) after = known;
      else rows.splice(++after, 0, lane);
    }
  }
  return rows;
}

const WORDS: Partial<Readonly<Record<MarkKind, string>>> = {
  hit: 'hit',
  stray: 'stray',
  stopped: 'stopped',
  refused: 'refused',
};
const COUNTED = Object.keys(WORDS) as MarkKind[];
const SAID_MAX = 2;
const EXACT_BELOW = 10_000;

/** There is room for four digits. */
const short = (times: number) => (times < EXACT_BELOW ? String(times) : `${Math.round(times / 1000)}k`);

/** What a row comes to, worst first: `3 hit, 130 stray`. Empty where there is nothing to count. */
export function rowTotals({ marks }: Pick<JumpStory, 'marks'>): readonly string[] {
  const sums = new Map<number, Map<MarkKind, number>>();
  let last = -1;
  for (const { lane, kind, count } of marks) {
    const sum = sums.get(lane) ?? new Map<MarkKind, number>();
    sum.set(kind, (sum.get(kind) ?? 0) + count);
    sums.set(lane, sum);
    last = Math.max(last, lane);
  }
  return Array.from({ length: last + 1 }, (_, lane) => {
    const said = COUNTED.flatMap((kind) => {
      const times = sums.get(lane)?.get(kind) ?? 0;
      return times > 0 ? [`${short(times)} ${WORDS[kind]}`] : [];
    });
    return said.slice(0, SAID_MAX).join(', ');
  });
}

/** The kinds that occur, in the order of `MARK_KINDS`. */
export function kindsIn(stories: readonly Pick<JumpStory, 'marks'>[]): MarkKind[] {
  const seen = new Set(stories.flatMap(({ marks }) => marks.map(({ kind }) => kind)));
  return (Object.keys(MARK_KINDS) as MarkKind[]).filter((kind) => seen.has(kind));
}

export function regionWords(region: string): string {
  return lookup(REGIONS, region) ?? region;
}
