import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressOf, Memory, PAGE_BYTES } from './memory.js';

const memory = () => new Memory([{ first: 16, count: 8 }]);

describe('memory', () => {
  it('holds what was written last, byte for byte', () => {
    const write = fc.record({
      offset: fc.nat(PAGE_BYTES - 1),
      length: fc.integer({ min: 1, max: 600 }),
      key: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 12 }), (writes) => {
        const one = memory();
        const model = one.bytes(17);
        for (const { offset, length, key } of writes) {
          const fits = Math.min(length, PAGE_BYTES - offset);
          one.write(addressOf(17) + offset, fits, key);
          const alone = memory();
          alone.write(addressOf(17), fits, key);
          model.set(alone.bytes(17).subarray(0, fits), offset);
        }
        expect(one.bytes(17)).toEqual(model);
      }),
    );
  });

  it('has one digest for one content, however it came about', () => {
    const one = memory();
    one.fill(16, 5);
    const pristine = one.digest(16);
    one.write(addressOf(16), 64, 9);
    expect(one.digest(16)).not.toBe(pristine);
    one.copy(16, 17);
    expect(one.digest(17)).toBe(one.digest(16));
    one.write(addressOf(16), PAGE_BYTES, 5);
    expect(one.digest(16)).toBe(pristine);
  });

  it('is where its banks are, and no request crosses a page', () => {
    const one = memory();
    expect(one.owner(15)).toBeNull();
    expect(one.owner(16)).toBe('free');
    expect(() => one.write(addressOf(24), 4, 1)).toThrow(RangeError);
    expect(() => one.write(addressOf(17) - 2, 4, 1)).toThrow(RangeError);
  });
});
