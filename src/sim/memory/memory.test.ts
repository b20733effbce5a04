import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../random.js';
import { addressOf, Memory, PAGE_BYTES, within } from './memory.js';
import { memoryMap, oldKernelPages } from './memory-map.js';
import { PageAllocator } from './page-allocator.js';

const memory = () => new Memory([{ first: 16, count: 8 }]);

describe('memory', () => {
  it('holds something else after each write, and the same after the same fill', () => {
    const one = memory();
    one.fill(17, 5);
    const seen = new Set([one.digest(17)]);
    for (let i = 0; i < 100; i++) {
      one.write(addressOf(17) + i, 4, 9);
      seen.add(one.digest(17));
    }
    expect(seen.size).toBe(101);
    one.fill(17, 5);
    expect([one.digest(17), one.altered(17)]).toEqual([5, false]);
  });

  it('knows which pages were written since when, and forgets that with a fill', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), page: fc.nat(7) }),
      fc.record({ kind: fc.constant('fill' as const), page: fc.nat(7) }),
      fc.record({ kind: fc.constant('copy' as const), page: fc.nat(7), to: fc.nat(7) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), fc.nat(80), (steps, mark) => {
        const one = memory();
        const altered = new Set<number>();
        const late = new Set<number>();
        let sequence = 0;
        for (const [i, s] of steps.entries()) {
          if (i === mark) {
            sequence = one.sequence;
            late.clear();
          }
          const page = 16 + s.page;
          if (i % 3 === 0) expect(one.alteredPages().length).toBe(altered.size);
          if (s.kind === 'write') {
            one.write(addressOf(page), 4, i);
            altered.add(page);
            late.add(page);
          } else if (s.kind === 'fill') {
            one.fill(page, i);
            altered.delete(page);
            late.delete(page);
          } else if (page !== 16 + s.to) {
            const to = 16 + s.to;
            one.copy(page, to);
            expect(one.digest(to)).toBe(one.digest(page));
            if (altered.has(page)) altered.add(to).has(to) && late.add(to);
            else altered.delete(to) && late.delete(to);
          }
        }
        if (mark >= steps.length) sequence = one.sequence;
        expect([...one.alteredPages()].sort()).toEqual([...altered].sort());
        if (mark < steps.length) expect([...one.writtenSince(sequence)].sort()).toEqual([...late].sort());
        else expect([...one.writtenSince(sequence)]).toEqual([]);
      }),
    );
  });

  it('is where its banks are, and no request crosses a page', () => {
    const one = memory();
    expect(one.owner(15)).toBeNull();
    expect(one.owner(16)).toBe('free');
    expect(() => one.write(addressOf(24), 4, 1)).toThrow(RangeError);
    expect(() => one.write(addressOf(17) - 2, 4, 1)).toThrow(RangeError);
    expect(() => one.write(addressOf(17), PAGE_BYTES + 1, 1)).toThrow(RangeError);
  });

  it('counts the pages of each owner, and hands them over in bulk', () => {
    const one = memory();
    one.ownRange({ first: 16, count: 5 }, 'old-kernel');
    one.own(18, 'dma-buffer');
    one.write(addressOf(16), 4, 1);
    one.write(addressOf(23), 4, 1);
    expect([one.count('free'), one.count('old-kernel'), one.count('dma-buffer')]).toEqual([3, 4, 1]);
    expect(one.pages(['dma-buffer', 'old-kernel'])).toEqual([16, 17, 18, 19, 20]);
    one.own(23, 'firmware');
    one.reown(['old-kernel', 'dma-buffer'], 'free');
    expect([one.count('free'), one.count('old-kernel'), one.owner(17)]).toEqual([7, 0, 'free']);
    expect([...one.alteredPages()]).toEqual([23]);
    one.clear();
    expect([one.count('free'), one.altered(23), one.owner(23)]).toEqual([8, false, 'free']);
  });
});

describe('the map', () => {
  it('has room for all that it names, apart from each other, at any size', () => {
    for (const n of [0, 1, 2, 16, 64, 300, 1000, 2000, 3000, 4096, 8192]) {
      const { ram, capture, image, initramfs } = memoryMap(n);
      for (const part of [capture, image, initramfs]) {
        const inside = ram.some(
          (bank) => within(part.first, bank) && within(part.first + part.count - 1, bank),
        );
        expect([n, part.count > 0, inside]).toEqual([n, true, true]);
      }
      const parts = [...ram].sort((a, b) => a.first - b.first);
      for (const [i, bank] of parts.entries()) {
        expect(bank.first + bank.count).toBeLessThanOrEqual(parts[i + 1]?.first ?? Number.POSITIVE_INFINITY);
      }
      const named = [capture, image, initramfs].sort((a, b) => a.first - b.first);
      for (const [i, part] of named.entries()) {
        expect(part.first + part.count).toBeLessThanOrEqual(named[i + 1]?.first ?? Number.POSITIVE_INFINITY);
      }
      const total = ram.reduce((sum, bank) => sum + bank.count, 0);
      const taken = capture.count + image.count + initramfs.count + oldKernelPages(n) + 66 * n;
      expect(total - taken).toBeGreaterThan(100 * n);
    }
  });
});

describe('the allocator', () => {
  it('hands out each page once, only from where it may, and until none is left', () => {
    const one = new Memory([
      { first: 16, count: 100 },
      { first: 1000, count: 50 },
    ]);
    const avoid = [{ first: 20, count: 10 }];
    const ranges = [
      { first: 16, count: 60 },
      { first: 1000, count: 50 },
    ];
    const allocator = new PageAllocator(one, new Random(1), ranges);
    const pages = allocator.takeMany(1000, 'old-kernel', avoid);
    expect(new Set(pages).size).toBe(100);
    expect(pages.every((page) => (page < 76 || page >= 1000) && !(page >= 20 && page < 30))).toBe(true);
    expect(allocator.takeMany(1000, 'old-kernel')).toHaveLength(10);
    expect(allocator.take('old-kernel')).toBeUndefined();
    allocator.giveBack(1003);
    expect(allocator.take('dma-buffer')).toBe(1003);
  });
});
