import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Controls } from './controls.js';
import { EntryTable } from './entry-table.js';
import { AXIS, LEFT, NAMES_WIDTH, pictureHeight, RIGHT } from './layout.js';
import { Legend } from './legend.js';
import { NowPanel } from './now-panel.js';
import { Picture, RowNames } from './picture.js';
import { alignRows } from './rows.js';
import { type TimeAxis, timeAxis } from './scale.js';
import { type JumpStory, msText, type Span, stageAt } from './story.js';
import { usePlay } from './use-play.js';
import { Verdicts } from './verdicts.js';
import { hitWords, policyLabel } from './words.js';

/** Of a picture, in its own units. */
const PICTURE_WIDTH = 960;
const STEPS = 1000;

interface TimelineProps {
  /** Of one machine, for instance under two policies; aligned at their jumps. */
  readonly stories: readonly JumpStory[];
  /** Which of the timelines of a page it is: for names within the page. */
  readonly index: number;
}

/**
 * One or several jumps. Without a script it is pictures and tables; with one there is a moment that is looked at,
 * which a slider moves in all of them.
 */
export function Timeline({ stories, index }: TimelineProps) {
  const rows = useMemo(() => alignRows(stories), [stories]);
  const [live, setLive] = useState(false);
  const [zoom, setZoom] = useState<Span | undefined>(undefined);
  const [only, setOnly] = useState('');
  // In milliseconds: only the slider is rounded to its steps.
  const [moment, goTo] = useState(0);
  const root = useRef<HTMLDivElement>(null);
  // What is there without a script is what the server wrote; what needs one comes after.
  useEffect(() => setLive(true), []);
  const axis = useMemo(() => timeAxis(rows, LEFT, PICTURE_WIDTH - RIGHT, zoom), [rows, zoom]);
  const shown = useMemo(() => (only === '' ? rows : rows.map((story) => onlyRow(story, only))), [rows, only]);
  const now = within(moment, axis);
  const at = stepOf(now, axis);
  const setAt = useCallback(
    (update: (at: number) => number) => goTo((ms) => momentOf(update(stepOf(within(ms, axis), axis)), axis)),
    [axis],
  );
  const pick = (ms: number) => {
    if (zoom && (ms < zoom.startMs || ms > zoom.endMs)) setZoom(undefined);
    goTo(ms);
  };
  const zoomTo = (span: Span | undefined) => {
    setZoom(span);
    goTo(within(now, timeAxis(rows, LEFT, PICTURE_WIDTH - RIGHT, span)));
  };
  const play = usePlay({ at, setAt, steps: STEPS, enabled: live });
  useEffect(() => follow(root.current, axis.x(now)), [now, axis]);
  const said = rows.map((story) => `${policyLabel(story)}: ${stageAt(story, now)?.name ?? 'over'}`);
  const names = [...new Map(rows.flatMap(({ lanes }) => lanes.map((lane) => [lane.id, lane.label])))];
  return (
    <div class={`tl-body${live ? ' tl-live' : ''}`} ref={root}>
      <Legend stories={rows} uneven={axis.uneven} />
      {live && (
        <Controls
          {...{ at, play, zoom, zoomTo, only, setOnly, index }}
          steps={STEPS}
          setAt={(step) => goTo(momentOf(step, axis))}
          time={`${msText(now)} ms`}
          said={`${msText(now)} ms. ${said.join('; ')}`}
          stories={rows}
          lanes={names}
        />
      )}
      <div class="tl-stories">
        {rows.map((story, which) => (
          <section class="tl-story" key={which} aria-labelledby={`tl-${index}-${which}`}>
            <h4 id={`tl-${index}-${which}`}>
              <StoryHead story={story} />
            </h4>
            <p>{[story.summary, ...story.hits.map(hitWords)].join(' ')}</p>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
            <section class="tl-scroll" tabIndex={0} aria-label={`Picture: ${policyLabel(story)}`}>
              <div class="tl-wide">
                <svg
                  class="tl-svg tl-names"
                  viewBox={`0 0 ${NAMES_WIDTH} ${pictureHeight(shown[which] ?? story) - AXIS}`}
                  aria-hidden="true"
                >
                  <RowNames story={shown[which] ?? story} />
                </svg>
                <svg
                  class="tl-svg"
                  viewBox={`0 0 ${PICTURE_WIDTH} ${pictureHeight(shown[which] ?? story)}`}
                  role="img"
                  aria-label={`${policyLabel(story)}: ${story.summary} The table below says what happened.`}
                >
                  <Picture
                    story={shown[which] ?? story}
                    axis={axis}
                    width={PICTURE_WIDTH}
                    {...(live ? { now, onPick: pick } : {})}
                  />
                </svg>
              </div>
            </section>
            {live && <NowPanel story={story} ms={now} />}
          </section>
        ))}
      </div>
      <div class="tl-lists">
        {rows.map((story, which) => (
          <EntryTable
            key={which}
            story={story}
            caption={`${policyLabel(story)}: what happened`}
            only={only}
            {...(live ? { now, goTo: pick } : {})}
          />
        ))}
      </div>
      {rows.some(({ notes }) => notes.length > 0) && (
        <ul class="tl-words">
          {[...new Set(rows.flatMap(({ notes }) => notes))].map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

const SLIDE = PICTURE_WIDTH - RIGHT - LEFT;

/** The slider's step that is nearest to a moment. */
function stepOf(ms: number, { x }: TimeAxis): number {
  return Math.round((STEPS * (x(ms) - LEFT)) / SLIDE);
}

function momentOf(step: number, { x }: TimeAxis): number {
  return x.invert(LEFT + (SLIDE * step) / STEPS);
}

/** A moment, or the end of the axis that is nearest to it. */
function within(ms: number, { x }: TimeAxis): number {
  const domain = x.domain();
  return Math.min(domain.at(-1) ?? ms, Math.max(domain[0] ?? ms, ms));
}

/** Keeps the cursor in sight, beside the rows' names, where the picture is wider than the page. */
function follow(root: HTMLElement | null, x: number): void {
  for (const scroll of root?.querySelectorAll<HTMLElement>('.tl-scroll') ?? []) {
    const { scrollWidth, clientWidth, firstElementChild: wide } = scroll;
    if (!wide || scrollWidth <= clientWidth) continue;
    const place = (x / PICTURE_WIDTH) * wide.clientWidth;
    const names = (NAMES_WIDTH / PICTURE_WIDTH) * wide.clientWidth;
    const { scrollLeft } = scroll;
    if (place < scrollLeft + names + 20 || place > scrollLeft + clientWidth - 40)
      scroll.scrollLeft = place - (names + clientWidth) / 2;
  }
}

/** The rows of one function, and those that tell of the whole machine. */
function onlyRow(story: JumpStory, only: string): JumpStory {
  const kept = story.lanes.flatMap((lane, at) =>
    lane.id === only || lane.kind !== 'function' ? [{ lane, at }] : [],
  );
  const moved = new Map(kept.map(({ at }, to) => [at, to]));
  return {
    ...story,
    lanes: kept.map(({ lane }) => lane),
    marks: story.marks.flatMap((mark) => {
      const lane = moved.get(mark.lane);
      return lane === undefined ? [] : [{ ...mark, lane }];
    }),
  };
}

function StoryHead({ story }: { readonly story: JumpStory }) {
  const [worst] = story.verdicts;
  return (
    <>
      <b>{policyLabel(story)}</b>: <Verdicts story={story} />
      {worst && worst.words !== '' && ` (${worst.words})`}
      {story.policyWords !== '' && <span class="tl-words"> — {story.policyWords}</span>}
    </>
  );
}
