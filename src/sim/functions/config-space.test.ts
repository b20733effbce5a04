import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigSpace } from './config-space.js';

const register = fc.record({ config: byte(), writable: byte(), w1c: byte() });
const access = fc
  .constantFrom(1, 2, 4)
  .chain((width) => fc.record({ width: fc.constant(width), value: fc.nat(2 ** 32 - 1), slot: fc.nat(3) }));

function byte() {
  return fc.nat(0xff);
}

function spaceOf(registers: readonly { config: number; writable: number; w1c: number }[]): ConfigSpace {
  const space = new ConfigSpace();
  for (const [at, { config, writable, w1c }] of registers.entries()) {
    space.set(at, 1, config);
    // A bit is one of read-only, writable and cleared by one.
    space.allowWrites(at, 1, writable & ~w1c);
    space.clearByOne(at, 1, w1c);
  }
  return space;
}

describe('the write loop', () => {
  it('keeps, takes or clears each bit by its kind, and only where it was written', () => {
    fc.assert(
      fc.property(fc.array(register, { minLength: 16, maxLength: 16 }), access, (registers, write) => {
        const space = spaceOf(registers);
        const before = space.config.slice();
        const offset = write.slot * 4;
        space.write(offset, write.width, write.value);
        for (let at = 0; at < 16; at++) {
          const inside = at >= offset && at < offset + write.width;
          const wrote = inside ? (write.value >>> (8 * (at - offset))) & 0xff : 0;
          for (let bit = 1; bit <= 0x80; bit <<= 1) {
            const old = (before[at] ?? 0) & bit;
            let expected = old;
            if (inside && (space.w1c[at] ?? 0) & bit) expected = wrote & bit ? 0 : old;
            else if (inside && (space.writable[at] ?? 0) & bit) expected = wrote & bit;
            expect((space.config[at] ?? 0) & bit).toBe(expected);
          }
        }
      }),
    );
  });

  it('reads back what it may hold, in any width', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), (value) => {
        const space = new ConfigSpace();
        space.allowWrites(8, 4, 0xffff_ffff);
        space.write(8, 4, value);
        expect(space.read(8, 4)).toBe(value);
        expect(space.read(8, 2) + space.read(10, 2) * 0x10000).toBe(value);
        expect(space.read(11, 1)).toBe(value >>> 24);
      }),
    );
  });
});
