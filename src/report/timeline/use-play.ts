import { useEffect, useState } from 'preact/hooks';

/** From one end to the other. */
const PLAY_MS = 12_000;
/** Where motion is not wanted it goes in a few steps, each long enough to read. */
const REDUCED_STEPS = 24;

export interface Play {
  readonly playing: boolean;
  readonly toggle: () => void;
}

/** Moves on by itself, until the end or until it is stopped. */
export function usePlay({
  at,
  setAt,
  steps,
  enabled,
}: {
  readonly at: number;
  readonly setAt: (update: (at: number) => number) => void;
  readonly steps: number;
  readonly enabled: boolean;
}): Play {
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing || !enabled) return;
    const reduced = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    let last: number | undefined;
    let owed = 0;
    let frame = requestAnimationFrame(function next(time: number) {
      owed += last === undefined ? 0 : ((time - last) * steps) / PLAY_MS;
      last = time;
      const whole = reduced
        ? Math.floor(owed / (steps / REDUCED_STEPS)) * (steps / REDUCED_STEPS)
        : Math.floor(owed);
      if (whole > 0) {
        owed -= whole;
        setAt((now) => Math.min(steps, Math.round(now + whole)));
      }
      frame = requestAnimationFrame(next);
    });
    return () => cancelAnimationFrame(frame);
  }, [playing, enabled, steps, setAt]);
  useEffect(() => {
    if (at >= steps) setPlaying(false);
  }, [at, steps]);
  const toggle = () => {
    if (!playing && at >= steps) setAt(() => 0);
    setPlaying(!playing);
  };
  return { playing, toggle };
}
