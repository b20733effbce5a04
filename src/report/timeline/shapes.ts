import type { MarkKind } from './story.js';

/** What one kind of event looks like: its form says what it is, its color only repeats that. */
interface Shape {
  /** Around 0, 0. */
  readonly path: string;
  /** Filled, or drawn with a line. */
  readonly filled: boolean;
  /** Height of a bar that stands for many. */
  readonly bar: number;
}

const cross = (r: number) => `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}`;
const square = (r: number) => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`;
const circle = (r: number) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
const diamond = (r: number) => `M0 ${-r}L${r} 0L0 ${r}L${-r} 0z`;
const tick = (top: number, bottom: number) => `M0 ${top}V${bottom}`;

export const SHAPES: Readonly<Record<MarkKind, Shape>> = {
  work: { path: tick(-1, 5), filled: false, bar: 3 },
  interrupt: { path: 'M-2 -4L0 -7L2 -4', filled: false, bar: 2 },
  config: { path: square(2.5), filled: false, bar: 5 },
  driver: { path: circle(3.5), filled: false, bar: 5 },
  dump: { path: square(4), filled: true, bar: 8 },
  refused: { path: cross(2.5), filled: false, bar: 5 },
  stopped: { path: `${square(3.5)}${cross(3.5)}`, filled: false, bar: 7 },
  stray: { path: tick(-6, 6), filled: false, bar: 12 },
  open: { path: 'M-5 4.5L0 -4.5L5 4.5z', filled: true, bar: 6 },
  gate: { path: 'M-5.5 -5L0 5L5.5 -5z', filled: true, bar: 6 },
  error: { path: `${diamond(5)}M0 -2.5V1`, filled: false, bar: 6 },
  storm: { path: 'M-6 3L-3 -3L0 3L3 -3L6 3', filled: false, bar: 8 },
  lost: { path: `${circle(5)}M-3.5 3.5L3.5 -3.5`, filled: false, bar: 8 },
  hit: { path: diamond(5.5), filled: true, bar: 9 },
  hang: { path: `${square(6)}${cross(3.5)}`, filled: true, bar: 9 },
};
