import { describe, expect, it } from 'vitest';
import type { Slot } from '../../pci/slot.js';
import type { DmaEvent, SimEvent } from '../events.js';
import { addressOf, Memory, type Owner } from '../memory/memory.js';
import { PageAllocator } from '../memory/page-allocator.js';
import { Random } from '../random.js';
import { NextImage } from './next-image.js';
import { JumpWatch } from './watch.js';

const NIC = '0000:00:05.0' as Slot;
const DISK = '0000:00:1f.2' as Slot;

function write(page: number, owner: Owner, of: Partial<DmaEvent> = {}): SimEvent {
  const at = { tick: 10, sent: 9, slot: NIC, address: addressOf(page), length: 64 };
  return { kind: 'dma', ...at, owner, refusedBy: null, faulted: false, ...of };
}

function watch(holder: Slot | null = null, origin: (page: number) => number = (page) => page): JumpWatch {
  return new JumpWatch({
    functions: new Map(),
    regionOf: (page) => (page === 7 ? 'image' : null),
    originOf: origin,
    holderOf: () => holder,
  });
}

describe('a write after the jump', () => {
  it('into a buffer of the next kernel is a stray unless it is the function\u2019s own', () => {
    for (const [holder, strays] of [
      [NIC, 0],
      [DISK, 1],
      [null, 1],
    ] as const) {
      const seen = watch(holder);
      seen.jumped();
      seen.observer(write(40, 'next-dma-buffer'));
      expect([holder, seen.writes.length, [...seen.spoiledBuffers]]).toEqual([
        holder,
        strays,
        strays === 1 ? [40] : [],
      ]);
    }
  });

  it('breaks what the page is for at that moment', () => {
    const seen = watch();
    seen.jumped();
    const broke = (owner: Owner, page = 40) => {
      seen.observer(write(page, owner));
      return seen.writes.at(-1)?.broke;
    };
    expect(broke('next-kernel-image')).toBe('image');
    expect(broke('next-kernel')).toBe('kernel-memory');
    expect(broke('staged', 7)).toBe('image');
    expect(broke('old-kernel')).toBeNull();
    seen.saving = true;
    expect(broke('old-kernel')).toBe('dump');
    for (const owner of ['free', 'firmware', 'capture'] as const) expect(broke(owner)).toBeNull();
  });

  it('before the jump counts only where it hits what was loaded', () => {
    const seen = watch();
    seen.observer(write(40, 'dma-buffer'));
    seen.observer(write(7, 'staged'));
    expect(seen.writes.map(({ broke }) => broke)).toEqual(['image']);
  });
});

describe('a broken page', () => {
  it('is blamed on whoever wrote to it, also where it lay before it was copied', () => {
    const memory = new Memory([{ first: 0, count: 64 }]);
    const random = new Random(1);
    const map = {
      ram: memory.banks,
      capture: { first: 60, count: 4 },
      image: { first: 2, count: 2 },
      initramfs: { first: 6, count: 1 },
    };
    const image = NextImage.staged(memory, random, new PageAllocator(memory, random, memory.banks), map);
    const staged = memory.pages(['staged']);
    expect(staged).toHaveLength(3);
    const [hit = 0] = staged.filter((page) => image.regionOf(page) === 'image');
    const seen = new JumpWatch({
      functions: new Map(),
      regionOf: (page) => image.regionOf(page),
      originOf: (page) => image.originOf(page),
      holderOf: () => null,
    });
    memory.write(addressOf(hit), 64, 1);
    seen.observer(write(hit, 'staged'));
    for (const _ of image.relocate());
    const [broken = 0] = image.broken('image');
    expect([2, 3]).toContain(broken);
    expect(image.broken('initramfs')).toEqual([]);
    expect(seen.blame(broken, 'image')).toEqual({
      address: addressOf(broken),
      region: 'image',
      owner: 'staged',
      writers: [NIC],
      firstTick: 10,
    });
  });
});
