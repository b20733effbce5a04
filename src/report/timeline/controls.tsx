import type { JumpStory, Span } from './story.js';
import type { Play } from './use-play.js';

interface ControlsProps {
  readonly index: number;
  readonly at: number;
  readonly steps: number;
  readonly setAt: (at: number) => void;
  /** The moment that is looked at. */
  readonly time: string;
  /** The same for those who do not see it. */
  readonly said: string;
  readonly play: Play;
  readonly zoom: Span | undefined;
  readonly zoomTo: (span: Span | undefined) => void;
  readonly only: string;
  readonly setOnly: (lane: string) => void;
  readonly stories: readonly JumpStory[];
  /** Rows by name. */
  readonly lanes: readonly (readonly [string, string])[];
}

export function Controls(props: ControlsProps) {
  const { index, at, steps, setAt, time, said, play, zoom, zoomTo, only, setOnly } = props;
  const functions = props.lanes.filter(([id]) => id !== 'cpu' && !id.startsWith('memory:'));
  const spans = stageSpans(props.stories);
  const zoomed = zoom
    ? spans.findIndex(({ span }) => span.startMs === zoom.startMs && span.endMs === zoom.endMs)
    : -1;
  return (
    <div class="tl-controls">
      <button type="button" onClick={play.toggle} aria-pressed={play.playing}>
        {play.playing ? '❚❚ Pause' : '▶ Play'}
      </button>
      <output class="tl-at">{time}</output>
      <label>
        Stage{' '}
        <select
          id={`tl-stage-${index}`}
          value={String(zoomed)}
          onChange={(event) => zoomTo(spans[Number(event.currentTarget.value)]?.span)}
        >
          <option value="-1">all of the jump</option>
          {spans.map(({ name }, i) => (
            <option key={i} value={String(i)}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {functions.length > 1 && (
        <label>
          Function{' '}
          <select
            id={`tl-function-${index}`}
            value={only}
            onChange={(event) => setOnly(event.currentTarget.value)}
          >
            <option value="">all</option>
            {functions.map(([id, label]) => (
              <option key={id} value={id}>
                {label}
              </option>
            ))}
          </select>
        </label>
      )}
      <div class="tl-slide">
        <input
          id={`tl-slider-${index}`}
          type="range"
          min="0"
          max={String(steps)}
          step="1"
          value={String(at)}
          aria-label="Moment of the jump"
          aria-valuetext={said}
          onInput={(event) => setAt(Number(event.currentTarget.value))}
        />
      </div>
    </div>
  );
}

/** Of all stories the stages by name, each as long as in all of them together. */
function stageSpans(stories: readonly JumpStory[]): { readonly name: string; readonly span: Span }[] {
  const spans = new Map<string, Span>();
  for (const { stages } of stories) {
    for (const { name, startMs, endMs } of stages) {
      const known = spans.get(name);
      spans.set(name, {
        startMs: Math.min(known?.startMs ?? startMs, startMs),
        endMs: Math.max(known?.endMs ?? endMs, endMs),
      });
    }
  }
  return [...spans].map(([name, span]) => ({ name, span })).sort((a, b) => a.span.startMs - b.span.startMs);
}
