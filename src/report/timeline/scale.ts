import { type ScaleLinear, scaleLinear } from 'd3-scale';
import { type JumpStory, msText, type Span, type StoryStage } from './story.js';

type TimeScale = ScaleLinear<number, number>;

export interface TimeAxis {
  /** From milliseconds to where it is in the picture. */
  readonly x: TimeScale;
  readonly ticks: readonly { readonly ms: number; readonly text: string }[];
  /** Every stage has a scale of its own: the shortest are the interesting ones. */
  readonly uneven: boolean;
}

/** Of a letter in a stage's name, and what is left free around it; in units of the picture. */
const LETTER = 6.1;
const PADDING = 12;
/** Width of a stage by the root of its milliseconds, where its name needs less. */
const BY_ROOT = 8;
const TICK_GAP = 38;
const TICKS = 8;
/** From here on a tenth of a millisecond says nothing. */
const WHOLE_FROM_MS = 1000;

/**
 * One axis for several stories, which are aligned at their jumps: each stage is wide enough for its name, and beyond
 * that as the root of its length. `from` and `to` are the ends of the picture. With `zoom` that time alone, evenly.
 */
export function timeAxis(
  stories: readonly Pick<JumpStory, 'startMs' | 'endMs' | 'stages'>[],
  from: number,
  to: number,
  zoom?: Span,
): TimeAxis {
  if (zoom) return evenAxis(zoom, from, to);
  const startMs = Math.min(...stories.map((story) => story.startMs));
  const endMs = Math.max(...stories.map((story) => story.endMs));
  const stages = stories.flatMap((story) => story.stages);
  const knots = knotsOf(startMs, endMs, stages);
  const pieces = knots.slice(1).map((end, i) => pieceWidth(knots[i] ?? startMs, end, stages));
  const total = pieces.reduce((sum, width) => sum + width, 0);
  if (total === 0) return evenAxis({ startMs, endMs: startMs + 1 }, from, to);
  let at = from;
  const places = [from, ...pieces.map((width) => (at += (width * (to - from)) / total))];
  const x = scaleLinear(knots, places).clamp(true);
  const ticks = spaced([0, ...knots], x).map((ms) => ({ ms, text: tickText(ms) }));
  return { x, ticks, uneven: knots.length > 2 };
}

function evenAxis({ startMs, endMs }: Span, from: number, to: number): TimeAxis {
  const x = scaleLinear([startMs, endMs], [from, to]).clamp(true);
  return { x, ticks: x.ticks(TICKS).map((ms) => ({ ms, text: tickText(ms) })), uneven: false };
}

function knotsOf(startMs: number, endMs: number, stages: readonly StoryStage[]): number[] {
  const all = [startMs, endMs, ...stages.flatMap((stage) => [stage.startMs, stage.endMs])];
  const inside = all.filter((ms) => ms >= startMs && ms <= endMs).sort((a, b) => a - b);
  // Times are sums of tenths: what differs by less is one moment.
  return inside.filter((ms, i) => i === 0 || ms - (inside[i - 1] ?? ms) > 1e-6);
}

/** As wide as the stage there that needs most room. */
function pieceWidth(from: number, to: number, stages: readonly StoryStage[]): number {
  const middle = (from + to) / 2;
  const densities = stages
    .filter((stage) => stage.startMs <= middle && middle <= stage.endMs)
    .map((stage) => {
      const ms = stage.endMs - stage.startMs;
      return Math.max(stage.name.length * LETTER + PADDING, BY_ROOT * Math.sqrt(ms)) / ms;
    });
  return (to - from) * Math.max(0, ...densities) || BY_ROOT * Math.sqrt(to - from);
}

/** Those that come first stay; others only where there is room. */
function spaced(moments: readonly number[], x: TimeScale): number[] {
  const kept: number[] = [];
  for (const ms of moments) if (kept.every((other) => Math.abs(x(other) - x(ms)) >= TICK_GAP)) kept.push(ms);
  return kept.sort((a, b) => a - b);
}

function tickText(ms: number): string {
  if (ms === 0) return 'jump';
  const text = msText(ms);
  return Math.abs(ms) >= WHOLE_FROM_MS ? text.replace(/\.\d$/, '') : text.replace(/\.0$/, '');
}
