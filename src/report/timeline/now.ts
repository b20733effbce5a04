import { regionWords } from './rows.js';
import { type JumpStory, stageAt } from './story.js';

/** What holds at a moment of a jump. */
export interface Now {
  readonly stage: string;
  readonly over: boolean;
  /** Rows of functions whose DMA nobody wants any more and that go on. */
  readonly writing: readonly string[];
  /** Rows whose bus mastering is off. */
  readonly gated: readonly string[];
  /** Regions of memory that were hit so far, and how often. */
  readonly hits: readonly { readonly region: string; readonly count: number }[];
  readonly stray: number;
  readonly refused: number;
}

/** Two writes with more between them are two matters. In milliseconds. */
const PAUSE_MS = 40;

export function nowOf(story: JumpStory, ms: number): Now {
  const { lanes, marks, endMs, end } = story;
  const over = ms >= endMs;
  const stage = stageAt(story, ms);
  const regions = new Map<string, number>();
  const before = new Map<number, number>();
  const after = new Map<number, number>();
  let [stray, refused] = [0, 0];
  for (const { lane, kind, startMs, endMs, count } of marks) {
    const so =
      startMs > ms ? 0 : endMs <= ms ? count : Math.ceil((count * (ms - startMs)) / (endMs - startMs));
    const row = lanes[lane];
    if (!row) continue;
    if (row.kind === 'memory') {
      if (kind === 'hit' && so > 0) regions.set(row.id, (regions.get(row.id) ?? 0) + so);
      continue;
    }
    if (kind === 'refused' || kind === 'stopped') refused += so;
    if (kind === 'stray') stray += so;
    if ((kind !== 'stray' && kind !== 'hit') || endMs < ms - PAUSE_MS || startMs > ms + PAUSE_MS) continue;
    if (startMs <= ms) before.set(lane, Math.max(before.get(lane) ?? startMs, Math.min(endMs, ms)));
    if (endMs >= ms) after.set(lane, Math.min(after.get(lane) ?? endMs, Math.max(startMs, ms)));
  }
  const goesOn = (lane: number) =>
    (after.get(lane) ?? Number.POSITIVE_INFINITY) - (before.get(lane) ?? 0) <= PAUSE_MS;
  const writing = [...before.keys()].filter(goesOn).sort((a, b) => a - b);
  const gated = lanes.filter((lane) => lane.gated.some((span) => span.startMs <= ms && ms <= span.endMs));
  return {
    stage: over && end.stuck ? end.text : stage ? `${stage.name}: ${stage.text}` : '',
    over,
    writing: over && end.stuck ? [] : writing.flatMap((lane) => lanes[lane]?.label ?? []),
    gated: gated.map(({ label }) => label),
    hits: [...regions].map(([id, count]) => ({ region: regionWords(id.slice('memory:'.length)), count })),
    ...{ stray, refused },
  };
}
