import type { JumpStory } from './story.js';

/** What a jump came to, the worst first. */
export function Verdicts({ story: { verdicts } }: { readonly story: Pick<JumpStory, 'verdicts'> }) {
  const good = verdicts[0]?.verdict === 'clean';
  return (
    <span class={good ? 'tl-good' : 'tl-bad'}>
      {good ? '✓ ' : '✗ '}
      {verdicts.map(({ verdict }) => verdict).join(', ')}
    </span>
  );
}
