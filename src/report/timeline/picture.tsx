import { useMemo } from 'preact/hooks';
import {
  AXIS,
  BAND,
  INDENT,
  inView,
  LEFT,
  LETTER,
  NOTE_MAX,
  pictureHeight,
  RIGHT,
  ROW,
  rowTop,
} from './layout.js';
import { HitLines, Marks } from './marks.js';
import { rowTotals } from './rows.js';
import type { TimeAxis } from './scale.js';
import { type JumpStory, msText, type StoryLane, type StoryStage } from './story.js';

export interface PictureProps {
  readonly story: JumpStory;
  readonly axis: TimeAxis;
  readonly width: number;
  /** The moment that is looked at. */
  readonly now?: number;
  /** Told of a click on a mark or beside it. */
  readonly onPick?: (ms: number) => void;
}

/** One jump: stages across the top, a row for each who did something, and an axis. */
export function Picture({ story, axis, width, now, onPick }: PictureProps) {
  const { x } = axis;
  const bottom = pictureHeight(story) - AXIS;
  const right = width - RIGHT;
  // What does not move with the moment is drawn once.
  const drawn = useMemo(() => <Drawn {...{ story, axis, bottom, right }} />, [story, axis, bottom, right]);
  const pick = (event: MouseEvent) => {
    const at = placeOf(event);
    if (at >= LEFT && at <= right) onPick?.(x.invert(at));
  };
  return (
    // The slider does the same by keyboard.
    <g class="tl-picture" {...(onPick ? { onClick: pick } : {})}>
      <rect class="tl-ground" x={LEFT} y={0} width={right - LEFT} height={bottom} />
      {story.stages.map((stage, at) => (
        <Stage key={at} stage={stage} axis={axis} bottom={bottom} odd={at % 2 === 1} now={now} />
      ))}
      {drawn}
      {now !== undefined && <line class="tl-cursor" x1={x(now)} x2={x(now)} y1={0} y2={bottom + 4} />}
    </g>
  );
}

/** Where in the picture's own units somebody clicked. */
function placeOf(event: MouseEvent): number {
  const matrix = (event.currentTarget as SVGGraphicsElement).getScreenCTM();
  return matrix ? (event.clientX - matrix.e) / matrix.a : Number.NaN;
}

interface DrawnProps extends Pick<PictureProps, 'story' | 'axis'> {
  readonly bottom: number;
  readonly right: number;
}

function Drawn({ story, axis, bottom, right }: DrawnProps) {
  const { lanes, endMs, end } = story;
  const { x } = axis;
  const totals = rowTotals(story);
  const over = x(endMs);
  return (
    <>
      {lanes.map((lane, at) => (
        <Row
          key={lane.id}
          lane={lane}
          y={rowTop(lanes, at)}
          axis={axis}
          right={right}
          total={totals[at] ?? ''}
        />
      ))}
      {over < right - 1 && (
        <g class="tl-after">
          <rect x={over} y={BAND} width={right - over} height={bottom - BAND} />
          {end.stuck && right - over > STUCK_WIDTH && (
            <text x={over + 8} y={rowTop(lanes, 0) + 15}>
              stuck
            </text>
          )}
        </g>
      )}
      {inView(x, { startMs: 0, endMs: 0 }) && (
        <line class="tl-jump" x1={x(0)} x2={x(0)} y1={0} y2={bottom + 4} />
      )}
      <HitLines story={story} axis={axis} />
      <Marks story={story} axis={axis} />
      <Axis axis={axis} y={bottom} right={right} />
    </>
  );
}

/** Of the word, with what is left free beside it. */
const STUCK_WIDTH = 40;

function Stage({
  stage,
  axis: { x },
  bottom,
  odd,
  now,
}: {
  readonly stage: StoryStage;
  readonly axis: TimeAxis;
  readonly bottom: number;
  readonly odd: boolean;
  readonly now: number | undefined;
}) {
  const [from, to] = [x(stage.startMs), x(stage.endMs)];
  const width = to - from;
  if (width <= 0) return null;
  const is = now !== undefined && stage.startMs <= now && now < stage.endMs;
  const name = fitted(stage.name, width - 4);
  return (
    <g class={`tl-stage${odd ? ' tl-odd' : ''}${is ? ' tl-is' : ''}`}>
      <title>{`${stage.name}: ${stage.text} (${msText(stage.startMs)} to ${msText(stage.endMs)} ms)`}</title>
      <rect x={from} y={0} width={width} height={bottom} />
      <rect class="tl-band" x={from} y={0} width={width} height={BAND} />
      {name !== '' && (
        <text x={from + width / 2} y={14} text-anchor="middle">
          {name}
        </text>
      )}
    </g>
  );
}

/** As much of a name as there is room for; nothing rather than a letter or two. */
function fitted(name: string, width: number): string {
  const letters = Math.floor(width / LETTER);
  if (name.length <= letters) return name;
  return letters >= 4 ? `${name.slice(0, letters - 1)}…` : '';
}

/** The names of the rows alone: they stay where the picture behind them scrolls. */
export function RowNames({ story: { lanes } }: Pick<PictureProps, 'story'>) {
  return (
    <>
      {lanes.map((lane, at) => (
        <RowName key={lane.id} lane={lane} y={rowTop(lanes, at)} />
      ))}
    </>
  );
}

function RowName({ lane, y }: { readonly lane: StoryLane; readonly y: number }) {
  const { kind, label, note, depth } = lane;
  const middle = y + ROW / 2;
  const indent = Math.min(depth, 4) * INDENT;
  const letters = Math.max(0, NOTE_MAX - label.length - indent / LETTER);
  const said = note.length > letters ? `${note.slice(0, Math.max(0, letters - 1))}…` : note;
  return (
    <>
      {depth > 0 && <path class="tl-branch" d={`M${indent + 1} ${y}V${middle}H${indent + 6}`} />}
      <text class="tl-label" x={8 + indent} y={middle + 4}>
        <title>{note === '' ? label : `${label}: ${note}`}</title>
        <tspan class={kind === 'function' ? 'tl-slot' : undefined}>{label}</tspan>
        {said !== '' && (
          <tspan class="tl-note" dx="5">
            {said}
          </tspan>
        )}
      </text>
    </>
  );
}

function Row({
  lane,
  y,
  axis: { x },
  right,
  total,
}: {
  readonly lane: StoryLane;
  readonly y: number;
  readonly axis: TimeAxis;
  readonly right: number;
  readonly total: string;
}) {
  const middle = y + ROW / 2;
  return (
    <g class={`tl-row tl-row-${lane.kind}`}>
      <RowName lane={lane} y={y} />
      <line class="tl-base" x1={LEFT} x2={right} y1={middle} y2={middle} />
      {lane.gated
        .filter((span) => inView(x, span))
        .map(({ startMs, endMs }) => (
          <g class="tl-gated" key={startMs}>
            <title>{`bus mastering is off from ${msText(startMs)} to ${msText(endMs)} ms`}</title>
            <rect x={x(startMs)} y={y + 3} width={Math.max(1, x(endMs) - x(startMs))} height={ROW - 6} />
          </g>
        ))}
      {total !== '' && (
        <text class="tl-total" x={right + 6} y={middle + 4}>
          {total}
        </text>
      )}
    </g>
  );
}

function Axis({
  axis: { x, ticks },
  y,
  right,
}: {
  readonly axis: TimeAxis;
  readonly y: number;
  readonly right: number;
}) {
  return (
    <g class="tl-axis">
      <line x1={LEFT} x2={right} y1={y} y2={y} />
      {ticks.map(({ ms, text }) => (
        <g key={ms}>
          <line x1={x(ms)} x2={x(ms)} y1={y} y2={y + 4} />
          <text x={x(ms)} y={y + 16} text-anchor="middle" class={ms === 0 ? 'tl-zero' : undefined}>
            {text}
          </text>
        </g>
      ))}
    </g>
  );
}
