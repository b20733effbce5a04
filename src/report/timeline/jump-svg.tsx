import { render } from 'preact-render-to-string';
import { COLOURS } from '../page/picture-style.js';
import { LEFT, pictureHeight, RIGHT } from './layout.js';
import { Glyph } from './legend.js';
import { Picture } from './picture.js';
import { alignRows, kindsIn } from './rows.js';
import { timeAxis } from './scale.js';
import { type JumpStory, MARK_KINDS } from './story.js';
import { JUMP_PICTURE_STYLE, TIMELINE_COLORS } from './style.js';
import { policyLabel, zeroWords } from './words.js';

const WIDTH = 900;
const PAD = 8;
const LETTER = 5.9;
const KEY_LETTER = 6.2;
const LINE = 15;
const LINES_MAX = 3;
/** Of the legend. */
const KEY_ROW = 18;

const STYLE = `
.tl-paper{fill:var(--bg)}
.tl-title{font-size:15px;font-weight:700}
.tl-head{font-size:12.5px;font-weight:700}
.tl-words{fill:var(--muted)}
.tl-bad{fill:var(--live)}
.tl-good{fill:var(--tl-gate)}
`.trim();

/** The jumps of one scenario, one above the other and aligned at the jump, as an SVG file that explains itself. */
export function jumpSvg(stories: readonly JumpStory[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${render(<JumpSvg stories={alignRows(stories)} />)}\n`;
}

function JumpSvg({ stories }: { readonly stories: readonly JumpStory[] }) {
  const [first] = stories;
  const axis = timeAxis(stories, LEFT, WIDTH - RIGHT);
  let y = 24;
  const parts = stories.map((story) => {
    const head = { ...headOf(story), y: y + 26 };
    const top = head.y + head.lines.length * LINE + 6;
    y = top + pictureHeight(story);
    return { story, head, top };
  });
  const keys = placedKeys(kindsIn(stories).map((kind) => MARK_KINDS[kind]));
  const keysAt = y + 14;
  const height = keysAt + ((keys.at(-1)?.row ?? 0) + 1) * KEY_ROW + LINE + PAD;
  const kinds = kindsIn(stories);
  return (
    <svg
      xmlns="http://www.w3.org/2000/svg"
      class="tl-svg"
      viewBox={`0 0 ${WIDTH} ${height}`}
      width={WIDTH}
      height={height}
      role="img"
      aria-labelledby="t d"
    >
      <title id="t">{first?.title ?? ''}</title>
      <desc id="d">{stories.map((story) => `${policyLabel(story)}: ${story.summary}`).join(' ')}</desc>
      <style>{[COLOURS, TIMELINE_COLORS, JUMP_PICTURE_STYLE, STYLE].join('\n')}</style>
      <rect class="tl-paper" width={WIDTH} height={height} />
      <text class="tl-title" x={PAD} y={24}>
        {first?.title ?? ''}
      </text>
      {parts.map(({ story, head, top }, at) => (
        <g key={at}>
          <text class="tl-head" x={PAD} y={head.y}>
            {policyLabel(story)}: <tspan class={head.good ? 'tl-good' : 'tl-bad'}>{head.verdict}</tspan>
          </text>
          {head.lines.map((line, row) => (
            <text key={row} class="tl-words" x={PAD} y={head.y + (row + 1) * LINE}>
              {line}
            </text>
          ))}
          <g transform={`translate(0 ${top})`}>
            <Picture story={story} axis={axis} width={WIDTH} />
          </g>
        </g>
      ))}
      {kinds.map((kind, at) => (
        <g key={kind} transform={`translate(${keys[at]?.x ?? 0} ${keysAt + (keys[at]?.row ?? 0) * KEY_ROW})`}>
          <Glyph kind={kind} />
          <text x={22} y={13}>
            {MARK_KINDS[kind]}
          </text>
        </g>
      ))}
      <text class="tl-words" x={PAD} y={height - PAD}>
        Green bands: bus mastering is off. Milliseconds {zeroWords(stories)}
        {axis.uneven ? '; each stage has a scale of its own.' : '.'}
      </text>
    </svg>
  );
}

function headOf(story: JumpStory) {
  const good = story.verdicts[0]?.verdict === 'clean';
  const verdicts = story.verdicts.map(({ verdict }) => verdict).join(', ');
  const words = story.policyWords === '' ? '' : `${story.policyWords}. `;
  const lines = wrapped(`${words}${story.summary}`, Math.floor((WIDTH - 2 * PAD) / LETTER));
  return { good, verdict: `${good ? '✓' : '✗'} ${verdicts}`, lines };
}

/** At most three lines; the last one ends with dots if there is more. */
function wrapped(text: string, letters: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line === '') lines[lines.length - 1] = word.slice(0, letters);
    else if (line.length + 1 + word.length <= letters) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word.slice(0, letters));
  }
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX - 1), `${(lines[LINES_MAX - 1] ?? '').slice(0, letters - 2)} …`];
}

/** Where each key of the legend stands, from left to right and then below. */
function placedKeys(words: readonly string[]): { readonly x: number; readonly row: number }[] {
  let [x, row] = [PAD, 0];
  return words.map((text) => {
    const width = 22 + text.length * KEY_LETTER + 14;
    if (x > PAD && x + width > WIDTH - PAD) [x, row] = [PAD, row + 1];
    const place = { x, row };
    x += width;
    return place;
  });
}
