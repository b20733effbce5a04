import { Mark } from './mark.js';

const MEANINGS = {
  live: 'could write to memory or interrupt',
  open: 'a bridge that is silent itself and lets through what is below',
  quiet: 'can do neither',
  unknown: 'could not be told',
} as const;

/** What the shapes mean. */
export function Legend() {
  return (
    <span class="legend">
      {(['live', 'open', 'quiet', 'unknown'] as const).map((verdict) => (
        <>
          <span>
            <svg class="picture" width="12" height="12" viewBox="-6 -6 12 12" aria-hidden="true">
              <Mark verdict={verdict} x={0} y={0} />
            </svg>{' '}
            <b>{verdict}</b>
          </span>{' '}
          {MEANINGS[verdict]}
          {verdict === 'unknown' ? '.' : '; '}
        </>
      ))}
    </span>
  );
}
