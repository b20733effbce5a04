import { inView, ROW, rowTop } from './layout.js';
import type { TimeAxis } from './scale.js';
import { SHAPES } from './shapes.js';
import { type JumpStory, MARK_KINDS, type MarkKind, msText, type StoryMark } from './story.js';

interface MarksProps {
  readonly story: JumpStory;
  readonly axis: TimeAxis;
}

/** Of these each has an element and words of its own; of the others there are many, in one path a row and kind. */
const ALONE: ReadonlySet<MarkKind> = new Set([
  ...(['gate', 'open', 'error', 'storm', 'lost', 'hang', 'dump', 'driver'] as const),
]);

export function Marks({ story: { marks, lanes }, axis: { x } }: MarksProps) {
  const shown = marks.filter((mark) => inView(x, mark));
  const kinds = Object.keys(MARK_KINDS) as MarkKind[];
  return (
    <g class="tl-marks">
      {kinds.flatMap((kind) =>
        lanes.map((lane, at) => {
          const here = shown.filter((mark) => mark.kind === kind && mark.lane === at);
          if (here.length === 0) return null;
          const y = rowTop(lanes, at) + ROW / 2;
          return ALONE.has(kind) ? (
            here.map((mark) => <Alone key={`${lane.id} ${mark.startMs}`} mark={mark} axis={{ x }} y={y} />)
          ) : (
            <Many key={`${lane.id} ${kind}`} kind={kind} marks={here} axis={{ x }} y={y} who={lane.label} />
          );
        }),
      )}
    </g>
  );
}

/** From who wrote first to what was hit: a line each. */
export function HitLines({ story: { marks, lanes }, axis: { x } }: MarksProps) {
  const hits = marks.filter(({ kind }) => kind === 'hit');
  const of = (memory: boolean) => hits.filter(({ lane }) => (lanes[lane]?.kind === 'memory') === memory);
  const lines = new Map<string, { readonly ms: number; readonly from: number; readonly to: number }>();
  const writers = of(false);
  for (const { lane: to, startMs: ms } of of(true)) {
    const writer = writers.find((mark) => mark.startMs <= ms && ms <= mark.endMs);
    const key = `${writer?.lane} ${to}`;
    if (writer && !lines.has(key)) lines.set(key, { ms, from: writer.lane, to });
  }
  return (
    <g class="tl-to">
      {[...lines].map(([key, { ms, from, to }]) =>
        !inView(x, { startMs: ms, endMs: ms }) ? null : (
          <path
            key={key}
            d={`M${round(x(ms))} ${rowTop(lanes, from) + ROW / 2}V${rowTop(lanes, to) + ROW / 2}`}
          />
        ),
      )}
    </g>
  );
}

function Alone({
  mark: { kind, startMs, endMs, text, count },
  axis: { x },
  y,
}: {
  readonly mark: StoryMark;
  readonly axis: Pick<TimeAxis, 'x'>;
  readonly y: number;
}) {
  const { path, filled, bar } = SHAPES[kind];
  const [from, to] = [x(startMs), x(endMs)];
  const times = count > 1 ? ` (${count} times)` : '';
  return (
    <g class={`tl-mark tl-k-${kind}${filled ? ' tl-filled' : ''}`}>
      <title>{`${msText(startMs)} ms: ${text || MARK_KINDS[kind]}${times}`}</title>
      {to - from > 2 && <rect class="tl-bar" x={from} y={y - bar / 2} width={to - from} height={bar} />}
      <path class="tl-glyph" d={path} transform={`translate(${round(from)} ${y})`} />
    </g>
  );
}

function Many({
  kind,
  marks,
  axis: { x },
  y,
  who,
}: {
  readonly kind: MarkKind;
  readonly marks: readonly StoryMark[];
  readonly axis: Pick<TimeAxis, 'x'>;
  readonly y: number;
  readonly who: string;
}) {
  const { path, filled, bar } = SHAPES[kind];
  const first = marks[0]?.startMs ?? 0;
  const last = Math.max(...marks.map(({ endMs }) => endMs));
  const times = marks.reduce((sum, { count }) => sum + count, 0);
  const places = [...new Set(marks.map(({ startMs }) => Math.round(2 * x(startMs)) / 2))];
  const bars = marks
    .map(({ startMs, endMs }) => [x(startMs), x(endMs)] as const)
    .filter(([from, to]) => to - from > 2)
    .map(([from, to]) => `M${round(from)} ${y - bar / 2}H${round(to)}v${bar}H${round(from)}z`);
  return (
    <g class={`tl-mark tl-k-${kind}${filled ? ' tl-filled' : ''}`}>
      <title>
        {`${who}: ${MARK_KINDS[kind]}: ${times}, ${msText(first)}${last > first ? ` to ${msText(last)}` : ''} ms`}
      </title>
      {bars.length > 0 && <path class="tl-bar" d={bars.join('')} />}
      <path class="tl-glyph" d={places.map((at) => moved(path, at, y)).join('')} />
    </g>
  );
}

/** The first point of each stroke is absolute, and so is all that follows in capitals. */
function moved(path: string, dx: number, dy: number): string {
  return path.replace(/([MLHV])(-?[\d.]+)(?: (-?[\d.]+))?/g, (_, letter: string, a: string, b?: string) => {
    if (letter === 'V') return `V${round(Number(a) + dy)}`;
    if (letter === 'H') return `H${round(Number(a) + dx)}`;
    return `${letter}${round(Number(a) + dx)} ${round(Number(b) + dy)}`;
  });
}

const round = (value: number) => Math.round(value * 10) / 10;
