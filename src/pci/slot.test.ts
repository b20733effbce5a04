import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareSlots, formatSlot, hex, parseSlot, slotKey, slotOfKey, slotParts } from './slot.js';

const parts = fc.record({
  domain: fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 0xffff_ffff })),
  bus: fc.integer({ min: 0, max: 0xff }),
  device: fc.integer({ min: 0, max: 0x1f }),
  function: fc.integer({ min: 0, max: 7 }),
});

describe('slots', () => {
  it('come back from their text', () => {
    fc.assert(
      fc.property(parts, (of) => {
        const slot = formatSlot(of);
        expect(slotParts(slot)).toEqual(of);
        expect(parseSlot(slot)).toBe(slot);
        expect(parseSlot(slot.toUpperCase())).toBe(slot);
        expect(slotOfKey(slotKey(of))).toBe(slot);
      }),
    );
  });

  it('are in the order of their numbers', () => {
    const rank = fc.tuple(parts, parts);
    fc.assert(
      fc.property(rank, ([a, b]) => {
        const numbers = [a.domain - b.domain, a.bus - b.bus, a.device - b.device, a.function - b.function];
        const expected = Math.sign(numbers.find((difference) => difference !== 0) ?? 0);
        expect(Math.sign(compareSlots(formatSlot(a), formatSlot(b)))).toBe(expected);
      }),
    );
  });

  it.each([
    ['1:2.3', '0000:01:02.3'],
    ['00:1f.2', '0000:00:1f.2'],
    ['0:00:1F.2', '0000:00:1f.2'],
    ['10000:e0:06.0', '10000:e0:06.0'],
    ['00010000:e0:06.0', '10000:e0:06.0'],
    ['FFFFFFFF:ff:1f.7', 'ffffffff:ff:1f.7'],
  ])('%s is %s', (text, slot) => expect(parseSlot(text)).toBe(slot));

  it.each([
    '',
    '1f.2',
    '00:20.0',
    '00:1f.8',
    '000:1f.0',
    '100000000:00:00.0',
    '00:1f.2 ',
    ' 00:1f.2',
    '00:1f',
    '0x0:1:2.3',
  ])('%j is none', (text) => expect(parseSlot(text)).toBeUndefined());

  it('hex has no prefix and at least so many digits', () => {
    expect([hex(0, 2), hex(255, 2), hex(0x1000, 2)]).toEqual(['00', 'ff', '1000']);
  });
});
