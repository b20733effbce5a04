import { Glyph } from './legend.js';
import { type JumpStory, MARK_KINDS, type MarkKind, msText, type StoryEntry, shortSlot } from './story.js';

interface EntryTableProps {
  readonly story: JumpStory;
  readonly caption: string;
  /** The row that is looked at, or empty. */
  readonly only: string;
  readonly now?: number;
  readonly goTo?: (ms: number) => void;
}

/** What happened, in order: all that a picture says, as text. */
export function EntryTable({ story, caption, only, now, goTo }: EntryTableProps) {
  const entries = only === '' ? story.entries : story.entries.filter((entry) => about(entry, only));
  const last = now === undefined ? -1 : entries.findLastIndex(({ ms }) => ms <= now);
  return (
    <table class="tl-list">
      <caption>{caption}</caption>
      <thead>
        <tr>
          <th scope="col" class="tl-ms">
            ms
          </th>
          <th scope="col">what</th>
          <th scope="col">who</th>
          <th scope="col">how</th>
        </tr>
      </thead>
      <tbody>
        {entries.map(({ ms, kind, who, text }, at) => (
          <tr
            key={at}
            class={rowClass(kind, at, last, now !== undefined)}
            aria-current={at === last ? 'step' : undefined}
          >
            <th scope="row" class="tl-ms">
              {goTo ? (
                <button type="button" class="tl-go" onClick={() => goTo(ms)}>
                  {msText(ms)}
                </button>
              ) : (
                msText(ms)
              )}
            </th>
            <td class="tl-kind">
              <Kind kind={kind} />
            </td>
            <td class="tl-who">{who}</td>
            <td>{text}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function rowClass(kind: StoryEntry['kind'], at: number, last: number, live: boolean): string {
  const when = !live ? '' : at > last ? ' tl-yet' : at === last ? ' tl-last' : '';
  return `tl-r-${kind}${when}`;
}

function about({ kind, who }: StoryEntry, only: string): boolean {
  return kind === 'stage' || who === '' || who.split(' ').includes(shortSlot(only));
}

function Kind({ kind }: { readonly kind: StoryEntry['kind'] }) {
  if (kind === 'stage' || kind === 'note') return null;
  return (
    <svg viewBox="0 0 20 18" role="img" aria-label={MARK_KINDS[kind as MarkKind]}>
      <Glyph kind={kind} />
    </svg>
  );
}
