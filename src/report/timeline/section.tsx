import { jsonForScript } from '../page/document.js';
import type { JumpStory } from './story.js';
import { Timeline } from './timeline.js';

/** All jumps of a page: those of one scenario and path are one timeline. */
export function Jumps({ stories }: { readonly stories: readonly JumpStory[] }) {
  return (
    <>
      {groupsOf(stories).map((group, index) => (
        <JumpGroup key={index} stories={group} index={index} />
      ))}
    </>
  );
}

function JumpGroup({ stories, index }: { readonly stories: readonly JumpStory[]; readonly index: number }) {
  const [first] = stories;
  if (!first) return null;
  return (
    <article class="tl" aria-labelledby={`tl-h-${index}`}>
      <h3 id={`tl-h-${index}`}>
        {first.title}{' '}
        <small class="tl-words">({first.source === 'lab' ? `lab: ${first.name}` : first.name})</small>
      </h3>
      {first.about !== '' && <p class="tl-words">{first.about}</p>}
      <div class="tl-island" data-index={index}>
        <Timeline stories={stories} index={index} />
      </div>
      <script
        type="application/json"
        class="tl-data"
        dangerouslySetInnerHTML={{ __html: jsonForScript(stories) }}
      />
    </article>
  );
}

function groupsOf(stories: readonly JumpStory[]): JumpStory[][] {
  const groups = new Map<string, JumpStory[]>();
  for (const story of stories) {
    const key = `${story.source} ${story.path} ${story.name}`;
    groups.set(key, [...(groups.get(key) ?? []), story]);
  }
  return [...groups.values()];
}
