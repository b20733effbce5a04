import type { Memory, Owner, PageRange } from '../memory/memory.js';
import type { MemoryMap } from '../memory/memory-map.js';
import type { PageAllocator } from '../memory/page-allocator.js';
import { mix, type Random } from '../random.js';
import type { Region } from './result.js';

const REGIONS = [null, 'image', 'initramfs'] as const;

interface Segment {
  readonly region: 'image' | 'initramfs';
  readonly owner: Owner;
  /** Where it will run. */
  readonly pages: readonly number[];
  /** Where its pages lie until they are copied; empty for one that lies where it will run. */
  readonly staged: readonly number[];
}

/** A kernel and its initramfs as a kexec loader left them. */
export class NextImage {
  readonly #memory: Memory;
  readonly #segments: readonly Segment[];
  /** Of every page of RAM, the part that it holds now: its place in `REGIONS`. */
  readonly #parts: Uint8Array;
  /** Where the content of a page that will run was before; of a segment that was copied. */
  readonly #origins: { readonly first: number; readonly staged: readonly number[]; copied: number }[] = [];

  private constructor(memory: Memory, random: Random, segments: readonly Segment[]) {
    this.#memory = memory;
    this.#segments = segments;
    this.#parts = new Uint8Array(memory.size);
    for (const { region, owner, pages, staged } of segments) {
      const key = random.next();
      for (const [i, page] of (staged.length > 0 ? staged : pages).entries()) {
        memory.fill(page, mix(key, i));
        memory.own(page, staged.length > 0 ? 'staged' : owner);
        this.#mark(page, region);
      }
    }
  }

  /** Loads it relocated: into pages of the old kernel, to be copied over whatever lies at its place. */
  static staged(memory: Memory, random: Random, allocator: PageAllocator, map: MemoryMap): NextImage {
    const avoid = [map.image, map.initramfs];
    const load = (range: PageRange) => ({
      pages: pagesOf(range),
      staged: allocator.takeMany(range.count, 'staged', avoid),
    });
    return new NextImage(memory, random, segments(load(map.image), load(map.initramfs)));
  }

  /** Loads it into pages where it will run, one here and one there, those of `first` before any others. */
  static scattered(
    memory: Memory,
    random: Random,
    allocator: PageAllocator,
    map: MemoryMap,
    first: readonly number[],
  ): NextImage {
    const given = [...first];
    const load = ({ count }: PageRange) => {
      const pages = given.splice(0, count);
      return { pages: [...pages, ...allocator.takeMany(count - pages.length, 'staged')], staged: [] };
    };
    return new NextImage(memory, random, segments(load(map.image), load(map.initramfs)));
  }

  /** Loads it in place, at both ends of the region that is reserved for a capture kernel. */
  static reserved(memory: Memory, random: Random, map: MemoryMap): NextImage {
    const { first, count } = map.capture;
    const image = { first, count: map.image.count };
    const initramfs = { first: first + count - map.initramfs.count, count: map.initramfs.count };
    const load = (range: PageRange) => ({ pages: pagesOf(range), staged: [] });
    return new NextImage(memory, random, segments(load(image), load(initramfs)));
  }

  /** Copies page after page to where it will run, which is theirs from then on. */
  *relocate(): Generator<number, void, void> {
    for (const { region, staged, pages, owner } of this.#segments) {
      const origin = { first: pages[0] ?? 0, staged, copied: 0 };
      this.#origins.push(origin);
      for (const [i, from] of staged.entries()) {
        const to = pages[i];
        if (to === undefined) continue;
        this.#memory.copy(from, to);
        this.#memory.own(to, owner);
        this.#memory.own(from, 'free');
        this.#mark(from, null);
        this.#mark(to, region);
        origin.copied++;
        yield to;
      }
    }
  }

  /** Pages to copy. */
  get staged(): number {
    return this.#segments.reduce((sum, { staged }) => sum + staged.length, 0);
  }

  /** What a page that was loaded is part of, wherever it lies now; `null` for any other. */
  regionOf(page: number): Region | null {
    return REGIONS[this.#parts[this.#memory.indexOf(page)] ?? 0] ?? null;
  }

  /** Where the content of a page lay when it was loaded. */
  originOf(page: number): number {
    for (const { first, staged, copied } of this.#origins) {
      if (page >= first && page < first + copied) return staged[page - first] ?? page;
    }
    return page;
  }

  /** Pages of a part that are not what was loaded. */
  broken(region: Region): readonly number[] {
    const broken: number[] = [];
    for (const page of this.#memory.alteredPages()) if (this.regionOf(page) === region) broken.push(page);
    return broken.sort((a, b) => a - b);
  }

  /** What was unpacked is not needed any more. */
  discard(region: Region, to: Owner): void {
    for (const { region: own, pages } of this.#segments) {
      if (own !== region) continue;
      for (const page of pages) {
        this.#memory.own(page, to);
        this.#mark(page, null);
      }
    }
  }

  #mark(page: number, region: Segment['region'] | null): void {
    this.#parts[this.#memory.indexOf(page)] = REGIONS.indexOf(region);
  }
}

type Placed = Pick<Segment, 'pages' | 'staged'>;

function segments(image: Placed, initramfs: Placed): readonly Segment[] {
  return [
    { region: 'image', owner: 'next-kernel-image', ...image },
    { region: 'initramfs', owner: 'next-kernel-initramfs', ...initramfs },
  ];
}

function pagesOf(range: PageRange): number[] {
  return Array.from({ length: range.count }, (_, i) => range.first + i);
}
