import { describe, expect, it } from 'vitest';
import type { Slot } from '../../pci/slot.js';
import type { DmaEvent, SimEvent } from '../events.js';
import type { SimFunction } from '../functions/function.js';
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

const WANTED = new Map([[NIC, { description: { wanted: true } } as unknown as SimFunction]]);

function watch(
  holder: Slot | null = null,
  origin: (page: number) => number = (page) => page,
  functions: ReadonlyMap<Slot, SimFunction> = new Map(),
): JumpWatch {
  return new JumpWatch({
    functions,
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

describe('a function whose DMA is wanted', () => {
  const wanted = () => watch(null, (page) => page, WANTED);

  it('goes astray like any other where it writes elsewhere than was handed on', () => {
    const seen = wanted();
    seen.jumped();
    seen.observer(write(40, 'preserved'));
    expect([seen.writes.length, seen.wantedLanded.get(NIC)]).toEqual([0, 9]);
    seen.observer(write(41, 'next-kernel', { sent: 12 }));
    expect([seen.writes.map(({ broke }) => broke), seen.wantedLanded.get(NIC)]).toEqual([
      ['kernel-memory'],
      9,
    ]);
  });

  it('loses it by a refused write or read, before the jump, too, when nobody else\u2019s counts', () => {
    const seen = wanted();
    seen.observer(write(40, 'preserved', { refusedBy: DISK }));
    seen.observer({ kind: 'read-refused', tick: 10, slot: NIC, refusedBy: NIC, faulted: false });
    seen.observer(write(40, 'free', { slot: DISK, refusedBy: DISK }));
    expect(seen.wantedRefused).toEqual([
      { slot: NIC, by: DISK, count: 1 },
      { slot: NIC, by: NIC, count: 1 },
    ]);
    expect(seen.refused).toEqual([]);
    seen.jumped();
    seen.observer(write(40, 'free', { slot: DISK, refusedBy: DISK }));
    expect(seen.refused).toEqual([{ slot: DISK, by: DISK, count: 1 }]);
  });
});

describe('what is told of a jump', () => {
  const texts = (seen: JumpWatch) => seen.timeline.map(({ tick, slot, text }) => [tick, slot, text]);
  const message = (slot: Slot, tick: number, count = 1): SimEvent => {
    return { kind: 'message', slot, tick, count, sent: tick, refusedBy: null };
  };
  const hung = (cause: 'storm' | 'error'): SimEvent => {
    return { kind: 'hung', tick: 90, on: 'interrupts', slots: [NIC], cause };
  };

  it('names who floods a processor since when, and nobody who spoke once or is bound', () => {
    for (const cause of ['storm', 'error'] as const) {
      const seen = watch();
      seen.observer(message(NIC, 10));
      seen.booted();
      const other = '0000:00:06.0' as Slot;
      seen.observer({ kind: 'bound', tick: 20, slot: other, driver: 'igb', problem: null });
      seen.observer(message(DISK, 30));
      seen.observer(message(NIC, 31, 50));
      seen.observer(message(other, 32, 50));
      seen.observer({ kind: 'stage', tick: 40, text: 'it looks for devices' });
      seen.observer(hung(cause));
      expect(texts(seen)).toEqual([
        [20, other, 'igb is bound'],
        ...(cause === 'storm'
          ? [[31, NIC, 'floods the processor with MSI interrupts that nobody claims']]
          : []),
        [40, null, 'it looks for devices'],
        [90, null, 'stuck on interrupts'],
      ]);
    }
  });

  it('says nothing of messages where a storm is of a line', () => {
    const seen = watch();
    seen.booted();
    seen.observer(message(DISK, 30, 50));
    seen.observer(hung('storm'));
    expect(texts(seen)).toEqual([[90, null, 'stuck on interrupts']]);
  });

  it('has the first write of a function whose DMA is wanted, once the old kernel is gone', () => {
    const seen = watch(null, (page) => page, WANTED);
    seen.observer(write(40, 'preserved'));
    seen.jumped();
    for (const tick of [20, 30]) seen.observer(write(40, 'preserved', { tick }));
    expect(texts(seen)).toEqual([
      [20, NIC, 'its DMA is wanted, and goes on: 64 bytes at 00028000 (preserved)'],
    ]);
  });

  it('has before the jump what a bridge refuses, with its error, and not what a function’s own BME does', () => {
    const seen = watch();
    seen.observer(write(40, 'free', { refusedBy: NIC }));
    seen.observer(write(40, 'free', { refusedBy: DISK }));
    expect(texts(seen)).toEqual([[10, NIC, 'a write is refused: 0000:00:1f.2 above it does not forward']]);
    expect(seen.refused).toEqual([]);
  });
});

describe('what the old kernel still saw', () => {
  it('says nothing of the next one: its storms, its bindings, its interrupts', () => {
    const seen = watch();
    const all = () => [seen.storms.length, seen.bound.size, seen.served.size];
    const see = () => {
      seen.observer({ kind: 'line-disabled', tick: 10, line: 18, slots: [NIC] });
      seen.observer({ kind: 'bound', tick: 10, slot: NIC, driver: 'e1000e', problem: null });
      seen.observer({ kind: 'served', tick: 10, slot: NIC });
    };
    see();
    seen.jumped();
    see();
    expect(all()).toEqual([0, 0, 0]);
    seen.booted();
    see();
    expect(all()).toEqual([1, 1, 1]);
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
