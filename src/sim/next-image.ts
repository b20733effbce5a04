import type { Region } from './jump-result.js';
import { type Memory, type Owner, type PageRange, pageOf } from './memory.js';
import type { PageAllocator } from './page-allocator.js';
import { mix, type Random } from './random.js';

const IMAGE_PAGES = 512;
const INITRAMFS_PAGES = 1536;
/** 16 MiB, where x86 kernels prefer to run. */
const IMAGE_FIRST = pageOf(0x100_0000);
/** Loaders put an initramfs high. */
const INITRAMFS_FIRST = pageOf(0xb00_0000);

interface Segment {
  readonly region: Region;
  readonly owner: Owner;
  readonly target: PageRange;
  /** Where its pages lie until they are copied; empty for one that lies where it will run. */
  readonly staged: readonly number[];
  readonly digests: readonly number[];
}

/** A kernel and its initramfs as a kexec loader left them, with a checksum of each page. */
export class NextImage {
  readonly #memory: Memory;
  readonly #segments: readonly Segment[];

  private constructor(memory: Memory, segments: readonly Segment[]) {
    this.#memory = memory;
    this.#segments = segments;
  }

  /** Loads it relocated: into pages of the old kernel, to be copied over whatever lies at its place. */
  static staged(memory: Memory, random: Random, allocator: PageAllocator): NextImage {
    const targets = [
      { first: IMAGE_FIRST, count: IMAGE_PAGES },
      { first: INITRAMFS_FIRST, count: INITRAMFS_PAGES },
    ] as const;
    return NextImage.#load(memory, random, targets, (range) => {
      const pages = allocator.takeMany(range.count, 'staged', targets);
      return { pages, staged: pages };
    });
  }

  /** Loads it in place, at both ends of the region that is reserved for a capture kernel. */
  static inPlace(memory: Memory, random: Random, region: PageRange): NextImage {
    const end = region.first + region.count;
    const targets = [
      { first: region.first, count: IMAGE_PAGES },
      { first: end - INITRAMFS_PAGES, count: INITRAMFS_PAGES },
    ] as const;
    return NextImage.#load(memory, random, targets, (range) => ({ pages: pagesOf(range), staged: [] }));
  }

  static #load(
    memory: Memory,
    random: Random,
    [image, initramfs]: readonly [PageRange, PageRange],
    place: (range: PageRange) => { pages: readonly number[]; staged: readonly number[] },
  ): NextImage {
    const segment = (region: Region, owner: Owner, target: PageRange): Segment => {
      const { pages, staged } = place(target);
      const key = random.next();
      for (const [i, page] of pages.entries()) memory.fill(page, mix(key, i));
      if (staged.length === 0) for (const page of pages) memory.own(page, owner);
      return { region, owner, target, staged, digests: pages.map((page) => memory.digest(page)) };
    };
    return new NextImage(memory, [
      segment('image', 'next-kernel-image', image),
      segment('initramfs', 'next-kernel-initramfs', initramfs),
    ]);
  }

  /** Copies page after page to where it will run, which is theirs from then on. */
  *relocate(): Generator<number, void, void> {
    for (const { staged, target, owner } of this.#segments) {
      for (const [i, page] of staged.entries()) {
        this.#memory.copy(page, target.first + i);
        this.#memory.own(target.first + i, owner);
        this.#memory.own(page, 'free');
        yield target.first + i;
      }
    }
  }

  /** Pages of a part that are not what was loaded. */
  broken(region: Region): readonly number[] {
    const segment = this.#segments.find((one) => one.region === region);
    if (!segment) return [];
    const { target, digests } = segment;
    return pagesOf(target).filter((page, i) => this.#memory.digest(page) !== digests[i]);
  }

  /** What was unpacked is not needed any more. */
  discard(region: Region, to: Owner): void {
    for (const { region: own, target } of this.#segments) {
      if (own === region) for (const page of pagesOf(target)) this.#memory.own(page, to);
    }
  }
}

function pagesOf(range: PageRange): number[] {
  return Array.from({ length: range.count }, (_, i) => range.first + i);
}
