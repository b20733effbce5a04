import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fakeStub, makeBzImage, makePayload } from '../../test/support/bzimage.js';
import { ShootdownError } from '../pci/error.js';
import { findBlock } from './block.js';
import { parseBzImage } from './bzimage.js';
import { BLOCK, ENTRY, ENTRY_64, GUARD, SETUP } from './layout.js';
import { unwrapImage, type WrapOptions, wrapImage } from './wrap.js';

const stub = fakeStub();
const OPTIONS: WrapOptions = { stub, table: new Uint8Array(512).fill(7), tailBytes: 65_536 };

function wrap(image: Uint8Array, options: Partial<WrapOptions> = {}): Uint8Array {
  return wrapImage(image, { ...OPTIONS, ...options });
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function u32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ShootdownError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
}

/** Signed afterwards, as far as the file's layout goes. */
function signed(image: Uint8Array): Uint8Array {
  const pe = parseBzImage(image).pe;
  const out = new Uint8Array(image.length + 1000);
  out.set(image);
  out.fill(0x55, image.length);
  const view = new DataView(out.buffer);
  view.setUint32(pe?.certificateEntryAt ?? 0, image.length, true);
  view.setUint32((pe?.certificateEntryAt ?? 0) + 4, 1000, true);
  view.setUint32(pe?.checksumAt ?? 0, 0x1234_5678, true);
  return out;
}

describe('wrapImage', () => {
  const image = makeBzImage();
  const wrapped = wrap(image);
  const parsed = parseBzImage(wrapped);
  const block = findBlock(parsed);

  it('puts the guard, the jump and the block where the layout says', () => {
    const { codeAt } = parsed;
    expect(block?.offset).toBe(0xd000);
    expect([...wrapped.slice(codeAt + ENTRY_64, codeAt + ENTRY_64 + 4)]).toEqual([0xeb, 0x82, 0x31, 0xc0]);
    const guard = codeAt + GUARD.offset;
    expect(u32(wrapped, guard + 4)).toBe(0xd000 - 0x184 - 12);
    expect(u32(wrapped, guard + 13)).toBe(0xd000 + 64 - 0x184 - 17);
    expect(block?.program).toEqual(stub.program);
    expect(block?.table).toEqual(OPTIONS.table);
    expect(u32(wrapped, codeAt + 0xd000 + BLOCK.table) % 8).toBe(0);
    expect(u32(wrapped, codeAt + 0xd000 + BLOCK.kernelAlignment)).toBe(0x20_0000);
    expect(u32(wrapped, codeAt + 0xd000 + BLOCK.blockBytes)).toBe(wrapped.length - codeAt - 0xd000);
  });

  it('says in the header what a loader must know', () => {
    expect(wrapped.length % 16).toBe(0);
    expect(u32(wrapped, SETUP.syssize) * 16).toBe(wrapped.length - parsed.codeAt);
    expect(u32(wrapped, SETUP.initSize)).toBe(0x80_0000 + 65_536);
    expect(block).toMatchObject({ tailBytes: 65_536, initSize: 0x80_0000 });
  });

  it('removes the certificate table and its entry', () => {
    expect(parsed.pe).toMatchObject({ certificate: undefined });
    expect(u32(wrapped, parsed.pe?.checksumAt ?? 0)).toBe(0);
  });

  it('gives the list all the room up to the original init_size, as far as an index reaches', () => {
    expect(block?.scratch).toBe(0xd000 + Math.ceil((block?.bytes.length ?? 0) / 4096) * 4096);
    expect(block?.scratchEntries).toBe(65_535);
    const small = findBlock(parseBzImage(wrap(makeBzImage({ initSize: 0x2_0000 }))));
    expect(small?.scratchEntries).toBe((0x2_0000 - (small?.scratch ?? 0)) / ENTRY.bytes);
  });

  it('stays clear of the stack of the 32-bit entry, which lies behind the code', () => {
    const at = (shape: Parameters<typeof makeBzImage>[0]) =>
      findBlock(parseBzImage(wrap(makeBzImage(shape))))?.offset;
    expect(at({ stackEnd: 0x8100 })).toBe(0x9000);
    expect(at({ stackEnd: 0x1_0000 })).toBe(0x1_0000);
    expect(at({ stackEnd: 0x1_0010 })).toBe(0x1_1000);
    // Not known: behind all that the PE header says is in use.
    expect(at({ stackEnd: null })).toBe(0xe000);
    expect(at({ stackEnd: null, pe: null, certificateBytes: 0 })).toBe(0x9000);
    // Not a stack: no code is that large.
    expect(at({ stackEnd: 0x7fff_0000 })).toBe(0x9000);
  });

  it('leaves all else as it was', () => {
    const changed = [...image.subarray(0, parsed.codeAt + 0x8200)].flatMap((byte, i) =>
      byte === wrapped[i] ? [] : [i],
    );
    const entry = parsed.pe?.certificateEntryAt ?? 0;
    const checksum = parsed.pe?.checksumAt ?? 0;
    const imageBytes = parsed.pe?.imageBytesAt ?? 0;
    const allowed = (at: number) =>
      (at >= entry && at < entry + 8) ||
      (at >= checksum && at < checksum + 4) ||
      (at >= imageBytes && at < imageBytes + 4) ||
      (at >= SETUP.syssize && at < SETUP.syssize + 4) ||
      (at >= SETUP.initSize && at < SETUP.initSize + 4) ||
      (at >= parsed.codeAt + GUARD.offset && at < parsed.codeAt + ENTRY_64 + 2);
    expect(changed.filter((at) => !allowed(at))).toEqual([]);
  });

  it('lets the image as firmware sees it grow with init_size', () => {
    const [before, after] = [parseBzImage(image), parseBzImage(wrapped)];
    const grown = after.setup.initSize - before.setup.initSize;
    expect(grown).toBeGreaterThan(0);
    expect(after.pe?.imageBytes).toBe((before.pe?.imageBytes ?? 0) + grown);
  });

  it('gives the same bytes each time', () => {
    expect(same(wrap(image), wrapped)).toBe(true);
  });

  it('does not change its input', () => {
    expect(same(image, makeBzImage())).toBe(true);
  });

  it('takes kernels without a PE header, and without a certificate', () => {
    for (const shape of [{ pe: null, certificateBytes: 0 }, { certificateBytes: 0 }] as const) {
      const plain = makeBzImage(shape);
      expect(same(unwrapImage(wrap(plain)), plain)).toBe(true);
    }
  });

  it('replaces a stub, signed since or not, and keeps the first original', () => {
    const again = { replace: true, tailBytes: 131_072 };
    expect(same(wrap(wrapped, again), wrap(image, again))).toBe(true);
    expect(same(wrap(signed(wrapped), again), wrap(image, again))).toBe(true);
    expect(same(wrap(image, { replace: true }), wrapped)).toBe(true);
  });
});

describe('what is refused', () => {
  it.each([
    ['wrapped already', wrap(makeBzImage()), /^refused: it is wrapped already: --replace/],
    [
      'an old boot protocol',
      makeBzImage({ version: 0x20b }),
      /^unsupported: its boot protocol is 2\.11, older/,
    ],
    ['a 32-bit kernel', makeBzImage({ xloadflags: 0, pe: 'pe32' }), /^unsupported: it has no 64-bit entry/],
    [
      'a kernel that stays where it is',
      makeBzImage({ relocatable: false }),
      /^unsupported: .*not relocatable/,
    ],
    [
      'another entry',
      makeBzImage({ entry: [0x31, 0xc0] }),
      /^unsupported: its 64-bit entry begins with 31 c0, not fc fa/,
    ],
    ['a payload outside', makeBzImage({ payloadLength: 0x9000 }), /^bad-input: its payload lies outside/],
    [
      'a payload over the entry',
      makeBzImage({ payloadOffset: 0x1f0 }),
      /^bad-input: its payload lies outside/,
    ],
    [
      'a header that lies',
      makeBzImage({ payloadOffset: 0xffff_fff0 }),
      /^bad-input: its payload lies outside/,
    ],
    ['no room', makeBzImage({ initSize: 0x1_1000 }), /^unsupported: its memory \(init_size, 69632 bytes\)/],
    [
      'something behind the signature',
      makeBzImage({ behind: 8 }),
      /^bad-input: its signature table is not the last/,
    ],
    ['a cut file', makeBzImage().subarray(0, 0x5000), /^bad-input: (its signature table|its header wants)/],
    [
      'a cut file without signature',
      makeBzImage({ certificateBytes: 0 }).subarray(0, 0x5000),
      /^bad-input: its header wants 37376 bytes, 20480 are there/,
    ],
  ])('%s', (_, image, expected) => {
    expect(refusal(() => wrap(image))).toMatch(expected);
  });

  it('code where the guard would go', () => {
    const image = makeBzImage();
    image[parseBzImage(image).codeAt + GUARD.end - 1] = 1;
    expect(refusal(() => wrap(image))).toMatch(/^unsupported: there is code at 0x184-0x1ff/);
  });

  it('a tail that is no multiple of a page', () => {
    for (const tailBytes of [0, -4096, 100, 0xffff_f000]) {
      expect(refusal(() => wrap(makeBzImage(), { tailBytes }))).toMatch(/^usage: /);
    }
  });

  it('unwrapping what is not wrapped', () => {
    expect(refusal(() => unwrapImage(makeBzImage()))).toMatch(/^refused: it is not wrapped/);
  });
});

describe('unwrapImage', () => {
  it('gives back the original, whatever its shape', () => {
    fc.assert(
      fc.property(
        fc.record({
          codeBytes: fc.integer({ min: 0x500, max: 0x900 }).map((n) => n * 16),
          setupSects: fc.integer({ min: 1, max: 60 }),
          certificateBytes: fc.integer({ min: 0, max: 3000 }),
          stackEnd: fc.option(fc.integer({ min: 0, max: 0x2_0000 })),
          pe: fc.constantFrom('pe32+', null),
          table: fc.uint8Array({ maxLength: 300 }),
          programBytes: fc.integer({ min: 1, max: 20_000 }),
          pages: fc.integer({ min: 1, max: 64 }),
        }),
        ({ pe, table, programBytes, pages, ...shape }) => {
          const certificateBytes = pe === null ? 0 : shape.certificateBytes;
          const image = makeBzImage({ ...shape, pe, certificateBytes, payload: makePayload(0x2000) });
          const wrapped = wrapImage(image, {
            stub: fakeStub(programBytes),
            table,
            tailBytes: pages * 4096,
          });
          expect(same(unwrapImage(wrapped), image)).toBe(true);
          if (pe !== null) expect(same(unwrapImage(signed(wrapped)), image)).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('says when something was changed since', () => {
    const wrapped = wrap(makeBzImage());
    wrapped[0x1000] = (wrapped[0x1000] ?? 0) ^ 1;
    expect(refusal(() => unwrapImage(wrapped))).toMatch(
      /^bad-input: the wrapped kernel was changed or damaged/,
    );
  });

  it('says when the stub is gone', () => {
    const wrapped = wrap(makeBzImage());
    const { codeAt } = parseBzImage(wrapped);
    const cut = wrapped.slice(0, codeAt + 0x8200);
    new DataView(cut.buffer).setUint32(SETUP.syssize, 0x820, true);
    expect(refusal(() => unwrapImage(cut))).toMatch(
      /^bad-input: it jumps to a guard .* and there is no stub/,
    );
  });

  it('does not take another version for its own', () => {
    const wrapped = wrap(makeBzImage());
    const { codeAt } = parseBzImage(wrapped);
    wrapped[codeAt + 0xd000 + BLOCK.versionAt] = 2;
    expect(refusal(() => unwrapImage(wrapped))).toMatch(/^unsupported: it was wrapped in another way/);
  });
});
