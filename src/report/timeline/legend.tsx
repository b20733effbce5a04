import { kindsIn } from './rows.js';
import { SHAPES } from './shapes.js';
import { type JumpStory, MARK_KINDS, type MarkKind } from './story.js';
import { zeroWords } from './words.js';

/** One mark as it stands in a picture, in a box of 20 by 18. */
export function Glyph({ kind }: { readonly kind: MarkKind }) {
  const { path, filled } = SHAPES[kind];
  return (
    <g class={`tl-mark tl-k-${kind}${filled ? ' tl-filled' : ''}`}>
      <path class="tl-glyph" d={path} transform="translate(10 9)" />
    </g>
  );
}

/** What the marks mean; only those that occur. */
export function Legend({
  stories,
  uneven,
}: {
  readonly stories: readonly JumpStory[];
  readonly uneven: boolean;
}) {
  return (
    <>
      <ul class="tl-legend" aria-label="What the marks mean">
        {kindsIn(stories).map((kind) => (
          <li key={kind}>
            <svg viewBox="0 0 20 18" aria-hidden="true">
              <Glyph kind={kind} />
            </svg>
            {MARK_KINDS[kind]}
          </li>
        ))}
        <li>
          <svg viewBox="0 0 20 18" aria-hidden="true">
            <g class="tl-gated">
              <rect x="1" y="3" width="18" height="12" />
            </g>
          </svg>
          bus mastering is off
        </li>
      </ul>
      <p class="tl-words">
        Time is in milliseconds {zeroWords(stories)} (the thick line).
        {uneven && ' Each stage is drawn to a scale of its own, the short ones wider.'}
      </p>
    </>
  );
}
