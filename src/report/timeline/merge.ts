import { MARKS_MAX, type MarkKind, type StoryMark } from './story.js';

/** These stand for themselves as long as there is room. */
const SINGLE: ReadonlySet<MarkKind> = new Set([
  'gate',
  'open',
  'error',
  'storm',
  'lost',
  'hang',
  'dump',
  'driver',
]);
/** How far apart events may be that are drawn as one bar, in milliseconds: as little as there is room for. */
const GAPS_MS = [0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000] as const;
const SINGLES_MAX = 600;

/**
 * At most `max` marks: of one kind and lane those that are close together become one, with their number and from the
 * first to the last. `max` must be at least the number of pairs of kind and lane. Ordered by time.
 */
export function mergeMarks(marks: readonly StoryMark[], max: number = MARKS_MAX): StoryMark[] {
  const singles = marks.filter(({ kind }) => SINGLE.has(kind));
  const alone = singles.length <= Math.min(SINGLES_MAX, max / 2) ? singles : [];
  const many = alone.length > 0 ? marks.filter(({ kind }) => !SINGLE.has(kind)) : marks;
  const groups = grouped(many);
  const room = max - alone.length;
  for (const gap of [...GAPS_MS, Number.POSITIVE_INFINITY]) {
    const merged = groups.flatMap((group) => mergeGroup(group, gap));
    if (merged.length <= room || gap === Number.POSITIVE_INFINITY) return byTime([...merged, ...alone]);
  }
  return [];
}

/** Of one kind and lane each, by time. */
function grouped(marks: readonly StoryMark[]): StoryMark[][] {
  const groups = new Map<string, StoryMark[]>();
  for (const mark of marks) {
    const key = `${mark.lane} ${mark.kind}`;
    const group = groups.get(key);
    if (group) group.push(mark);
    else groups.set(key, [mark]);
  }
  return [...groups.values()].map(byTime);
}

function byTime(marks: StoryMark[]): StoryMark[] {
  return marks.sort((a, b) => a.startMs - b.startMs || a.lane - b.lane);
}

/** Times have a resolution of a tenth of a millisecond, give or take what adding them up costs. */
const ROUNDING_MS = 1e-6;

function mergeGroup(sorted: readonly StoryMark[], gap: number): StoryMark[] {
  const merged: StoryMark[] = [];
  for (const mark of sorted) {
    const last = merged.at(-1);
    if (!last || mark.startMs - last.endMs > gap + ROUNDING_MS) {
      merged.push(mark);
      continue;
    }
    merged[merged.length - 1] = {
      ...last,
      endMs: Math.max(last.endMs, mark.endMs),
      count: last.count + mark.count,
      text: last.text === mark.text ? last.text : '',
    };
  }
  return merged;
}
