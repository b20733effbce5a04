import { hydrate } from 'preact';
import type { JumpStory } from './story.js';
import { Timeline } from './timeline.js';

/** Brings the timelines of a page to life, each from the JSON beside it. */
export function startTimelines(document: Document): void {
  for (const root of document.querySelectorAll<HTMLElement>('.tl-island')) {
    const json = root.parentElement?.querySelector('script.tl-data')?.textContent;
    if (!json) continue;
    const stories = JSON.parse(json) as readonly JumpStory[];
    hydrate(<Timeline stories={stories} index={Number(root.dataset['index'] ?? 0)} />, root);
  }
}
