import { nowOf } from './now.js';
import type { JumpStory } from './story.js';

const NAMED = 12;

/** What holds at the moment that is looked at. */
export function NowPanel({ story, ms }: { readonly story: JumpStory; readonly ms: number }) {
  const { stage, writing, gated, hits, stray, refused } = nowOf(story, ms);
  const hit = hits.map(({ region, count }) => `${region} (${count})`).join(', ');
  return (
    <dl class="tl-now">
      <dt>now</dt>
      <dd>{stage || 'over'}</dd>
      <dt>still writes</dt>
      <dd class={writing.length > 0 ? 'tl-bad' : ''}>{named(writing)}</dd>
      <dt>gated</dt>
      <dd>{named(gated)}</dd>
      <dt>hit so far</dt>
      <dd class={hits.length > 0 ? 'tl-bad' : ''}>{hit || 'nothing'}</dd>
      <dt>so far</dt>
      <dd>
        {stray} stray {stray === 1 ? 'write' : 'writes'}, {refused} refused{' '}
        {refused === 1 ? 'request' : 'requests'}
      </dd>
    </dl>
  );
}

function named(labels: readonly string[]): string {
  if (labels.length === 0) return 'none';
  const more = labels.length > NAMED ? ` and ${labels.length - NAMED} more` : '';
  return `${labels.slice(0, NAMED).join(', ')}${more}`;
}
