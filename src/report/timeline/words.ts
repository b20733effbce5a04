import { regionWords } from './rows.js';
import { type JumpStory, msText, type StoryHit, shortSlot } from './story.js';

/** What tells a story from the others beside it. */
export function policyLabel({ policy, path }: Pick<JumpStory, 'policy' | 'path'>): string {
  return `policy ${policy}, ${path} path`;
}

/** What the moment is that times are counted from. */
export function zeroWords(stories: readonly Pick<JumpStory, 'source'>[]): string {
  return stories.some(({ source }) => source === 'lab')
    ? 'from the jump’s start'
    : 'from the jump, the moment at which the old kernel was gone';
}

const NAMED = 3;

/** A sentence: what was hit, where, when and by whom. */
export function hitWords({ region, pages, firstAddress, writers, firstMs }: StoryHit): string {
  const named = writers.slice(0, NAMED).map(shortSlot).join(', ');
  const by = writers.length === 0 ? '' : ` by ${named}${writers.length > NAMED ? ' and others' : ''}`;
  const from = firstMs === null ? '' : `, first at ${msText(firstMs)} ms`;
  const at = firstAddress === '' ? '' : ` (from ${firstAddress.replace(/^0+(?=.{8})/, '')})`;
  return `Hit: ${regionWords(region)}, ${pages} ${pages === 1 ? 'page' : 'pages'}${at}${by}${from}.`;
}
