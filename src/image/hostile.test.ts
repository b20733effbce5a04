import fc from 'fast-check';
import { describe, it } from 'vitest';
import { fakeStub, makeBzImage, makePayload } from '../../test/support/bzimage.js';
import { ShootdownError } from '../pci/error.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { inspectImage } from './inspect.js';
import { BLOCK, GUARD, SETUP } from './layout.js';
import { compileTable } from './table.js';
import { unwrapImage, wrapImage } from './wrap.js';

// Files come from anywhere: whatever is in them, the answer is an image, what is in it, or one clear error.

const stub = fakeStub(500);
const { bytes: table } = compileTable(defaultPolicy(), { tool: 'test' });
const options = { stub, table, tailBytes: 4096, replace: true };
const SETUP_BYTES = 0x400;
const plain = makeBzImage({
  setupSects: 1,
  codeBytes: 0x3000,
  payload: makePayload(0x2000),
  stackEnd: 0x3000,
});
const wrapped = wrapImage(plain, options);
const block = SETUP_BYTES + 0x3000;

interface Change {
  readonly at: number;
  readonly width: 1 | 4;
  readonly value: number;
}

const places = [
  ...Object.values(SETUP),
  ...Object.values(BLOCK)
    .filter((value) => typeof value === 'number')
    .map((at) => block + at),
  0x3c,
  0x46,
  0x54,
  ...[56, 60, 64, 108, 144, 148, 172, 176].map((at) => 0x58 + at),
  SETUP_BYTES + GUARD.offset + 4,
  SETUP_BYTES + GUARD.offset + 13,
  SETUP_BYTES + 0x200,
  SETUP_BYTES + 0x2e,
];
const values = [0, 1, 0x40, 0x1f0, 0x1000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.oneof(
    fc.constantFrom(...places),
    fc.integer({ min: 0, max: SETUP_BYTES + 0x300 }),
    fc.integer({ min: block, max: wrapped.length - 4 }),
  ),
  width: fc.constantFrom(1, 4),
  value: fc.oneof(fc.constantFrom(...values), fc.integer({ min: 0, max: 0xffff_ffff })),
});

function changed(image: Uint8Array, changes: readonly Change[], keep: number): Uint8Array {
  const bytes = image.slice();
  const view = new DataView(bytes.buffer);
  for (const { at, width, value } of changes) {
    if (at + width > bytes.length) continue;
    if (width === 1) view.setUint8(at, value & 0xff);
    else view.setUint32(at, value, true);
  }
  return bytes.subarray(0, keep);
}

/** All other errors come through. */
function clearly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof ShootdownError && /^[^\n]+$/.test(error.message)) return undefined;
    throw error;
  }
}

describe('hostile images', () => {
  for (const [name, image] of [
    ['plain', plain],
    ['wrapped', wrapped],
  ] as const) {
    it(`${name}: change bytes and cut it as you like`, () => {
      fc.assert(
        fc.property(
          fc.array(change, { maxLength: 5 }),
          fc.oneof({ weight: 4, arbitrary: fc.constant(image.length) }, fc.nat(image.length)),
          (changes, keep) => {
            const bytes = changed(image, changes, keep);
            clearly(() => inspectImage(bytes, stub));
            clearly(() => unwrapImage(bytes));
            const again = clearly(() => wrapImage(bytes, options));
            // What was taken must be whole: it can be undone, and be looked at.
            if (!again) return;
            unwrapImage(again);
            inspectImage(again, stub);
          },
        ),
        { numRuns: 3000 },
      );
    });
  }

  it('anything at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        clearly(() => inspectImage(bytes, stub));
        clearly(() => unwrapImage(bytes));
      }),
    );
  });
});
