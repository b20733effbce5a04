import type { Slot } from '../../pci/slot.js';
import type { Owner } from '../memory/memory.js';
import type { CorruptedPage, Region } from './result.js';

interface Hit {
  readonly by: Slot | 'platform';
  readonly tick: number;
  readonly region: Region;
  /** Of the page at that moment. */
  readonly owner: Owner | null;
}

/** Writes to memory that somebody used, by page. */
export class Hits {
  readonly #byPage = new Map<number, Hit[]>();

  add(page: number, hit: Hit): void {
    const hits = this.#byPage.get(page);
    if (hits) hits.push(hit);
    else this.#byPage.set(page, [hit]);
  }

  /** Who hit any of these pages as part of a region, when that began, and whose they were then; `null` for nobody. */
  of(pages: ReadonlySet<number>, region: Region): Pick<CorruptedPage, 'writers' | 'firstTick' | 'owner'> {
    const hits = [...pages]
      .flatMap((page) => this.#byPage.get(page) ?? [])
      .filter((hit) => hit.region === region);
    const writers = [...new Set(hits.map(({ by }) => by))];
    const [first = null] = hits.sort((a, b) => a.tick - b.tick);
    return { writers, firstTick: first?.tick ?? null, owner: first?.owner ?? null };
  }
}
