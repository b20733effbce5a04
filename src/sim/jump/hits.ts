import type { Slot } from '../../pci/slot.js';
import type { Region } from './result.js';

interface Hit {
  readonly by: Slot | 'platform';
  readonly tick: number;
  readonly region: Region;
}

/** Writes to memory that somebody used, by page. */
export class Hits {
  readonly #byPage = new Map<number, Hit[]>();

  add(page: number, hit: Hit): void {
    const hits = this.#byPage.get(page);
    if (hits) hits.push(hit);
    else this.#byPage.set(page, [hit]);
  }

  /** Who hit any of these pages as part of a region, and when that began; `null` if nobody was seen to. */
  of(
    pages: ReadonlySet<number>,
    region: Region,
  ): { readonly writers: readonly Hit['by'][]; readonly firstTick: number | null } {
    const hits = [...pages]
      .flatMap((page) => this.#byPage.get(page) ?? [])
      .filter((hit) => hit.region === region);
    const writers = [...new Set(hits.map(({ by }) => by))];
    return { writers, firstTick: hits.length === 0 ? null : Math.min(...hits.map(({ tick }) => tick)) };
  }
}
