import type { Verdict } from '../../quiesce/verdict.js';

/** A shape for each verdict, within 10 by 10 around its middle; what a verdict is, is never said by colour alone. */
const SHAPES: Readonly<Record<Verdict, string>> = {
  live: 'M-5 4.5 0-5 5 4.5z',
  open: 'M-5 0 0-5 5 0 0 5z',
  quiet: 'M-4 0a4 4 0 1 1 8 0a4 4 0 1 1-8 0z',
  unknown: 'M-4-4h8v8h-8z',
};

/** The shape of a verdict in a picture, at a place of the picture; without a verdict a dot. */
export function Mark({
  verdict,
  x,
  y,
}: {
  readonly verdict: Verdict | null;
  readonly x: number;
  readonly y: number;
}) {
  if (verdict === null) return <circle class="root" cx={x} cy={y} r="3" />;
  return (
    <>
      <path class={`m ${verdict}`} transform={`translate(${x} ${y})`} d={SHAPES[verdict]} />
      {verdict === 'unknown' ? (
        <text class="q" x={x} y={y + 3} text-anchor="middle">
          ?
        </text>
      ) : null}
    </>
  );
}
