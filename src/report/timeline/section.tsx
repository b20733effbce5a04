import { jsonForScript } from '../page/document.js';
import type { JumpStory } from './story.js';
import { Timeline } from './timeline.js';
import { Verdicts } from './verdicts.js';
import { policyLabel } from './words.js';

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

/** Links to each jump of a page, with its verdict. */
export function JumpLinks({ stories }: { readonly stories: readonly JumpStory[] }) {
  const groups = groupsOf(stories);
  const links = groups.flatMap((group, index) => group.map((story, which) => ({ story, index, which })));
  if (links.length === 0) return null;
  return (
    <ul class="tl-links">
      {links.slice(0, LINKS_MAX).map(({ story, index, which }) => (
        <li key={`${index}-${which}`}>
          <a href={`#tl-${index}-${which}`}>
            {groups.length > 1 && `${story.title}, `}
            {policyLabel(story)}
          </a>
          : <Verdicts story={story} />
        </li>
      ))}
      {links.length > LINKS_MAX && (
        <li>
          <a href="#jump">and {links.length - LINKS_MAX} more</a>
        </li>
      )}
    </ul>
  );
}

const LINKS_MAX = 8;

function groupsOf(stories: readonly JumpStory[]): JumpStory[][] {
  const groups = new Map<string, JumpStory[]>();
  for (const story of stories) {
    const key = `${story.source} ${story.path} ${story.name}`;
    groups.set(key, [...(groups.get(key) ?? []), story]);
  }
  return [...groups.values()];
}
