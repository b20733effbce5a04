import type { TimeAxis } from './scale.js';
import type { JumpStory, Span, StoryLane } from './story.js';

/** Where the parts of a picture lie, in its own units. */
export const LEFT = 158;
export const RIGHT = 120;
/** Of the rows' names: what stands at the left end of the axis reaches a little into the room beside them. */
export const NAMES_WIDTH = 152;
/** Height of the stages' names, of a row, and of the axis. */
export const BAND = 20;
export const ROW = 22;
export const AXIS = 22;
const GAP = 6;
/** Width of a letter, on average, and by how much what is below a bridge is moved in. */
export const LETTER = 5.9;
export const INDENT = 10;
/** Letters of a row's name and note. */
export const NOTE_MAX = 24;

/** Memory has its rows a little apart. */
export const rowTop = (lanes: readonly StoryLane[], at: number): number =>
  BAND + 4 + at * ROW + (lanes[at]?.kind === 'memory' ? GAP : 0);

export function pictureHeight({ lanes }: Pick<JumpStory, 'lanes'>): number {
  return rowTop(lanes, lanes.length - 1) + ROW + AXIS;
}

/** Some of it lies between the ends of the axis. */
export function inView(x: TimeAxis['x'], { startMs, endMs }: Span): boolean {
  const domain = x.domain();
  return endMs >= (domain[0] ?? 0) && startMs <= (domain.at(-1) ?? 0);
}
