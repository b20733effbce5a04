import { describe, expect, it } from 'vitest';
import { fakeStub, makeBzImage } from '../../test/support/bzimage.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { findBlock } from './block.js';
import { parseBzImage } from './bzimage.js';
import { inspectImage } from './inspect.js';
import { BLOCK, GUARD } from './layout.js';
import { sha256 } from './original.js';
import { compileTable } from './table.js';
import { wrapImage } from './wrap.js';

const stub = fakeStub();
const policy = defaultPolicy();
const { bytes: table, table: compiled } = compileTable(policy, { tool: 'test', scanAll: true });
const image = makeBzImage();

function wrapped(): { bytes: Uint8Array; codeAt: number; blockAt: number } {
  const bytes = wrapImage(image, { stub, table, tailBytes: 8192 });
  const { codeAt } = parseBzImage(bytes);
  return { bytes, codeAt, blockAt: codeAt + 0xd000 };
}

describe('inspectImage', () => {
  it('tells what a plain kernel is', () => {
    expect(inspectImage(image, stub)).toEqual({
      bytes: image.length,
      sha256: sha256(image),
      kernel: {
        version: '6.1.0-test (nobody@nowhere) #1 SMP',
        protocol: '2.15',
        typeOfLoader: 0,
        loadflags: 1,
        xloadflags: 0x7f,
        relocatable: true,
        kernelAlignment: 0x20_0000,
        cmdlineSize: 2047,
        prefAddress: 0x100_0000n,
        initSize: 0x80_0000,
        payload: { offset: 0x2cc, bytes: 0x6000, compression: 'xz' },
      },
      signature: 'present',
      wrapped: null,
      unfit: null,
    });
  });

  it('tells why one cannot be wrapped, and that one without a PE header cannot be signed', () => {
    const info = inspectImage(makeBzImage({ relocatable: false, pe: null, certificateBytes: 0 }), stub);
    expect(info.unfit).toMatch(/not relocatable/);
    expect(info.signature).toBe('impossible');
  });

  it('tells what is in a wrapped one', () => {
    const info = inspectImage(wrapped().bytes, stub);
    expect(info.signature).toBe('absent');
    expect(info.wrapped).toMatchObject({
      stub: { bytes: 3000, sha256: sha256(stub.program), ofThisVersion: true },
      blockOffset: 0xd000,
      initSize: 0x80_0000,
      tailBytes: 8192,
      table: {
        template: { tool: 'test', policy: { name: policy.name } },
        scanAll: true,
        rules: compiled.rules.map(({ action }) => expect.objectContaining({ action })),
        knownFunctions: 0,
      },
      original: { bytes: image.length, sha256: sha256(image), restorable: true },
      problems: [],
    });
  });

  it('does not take one byte of another program or guard for ours', () => {
    const ours = (change: (at: ReturnType<typeof wrapped>) => number) => {
      const made = wrapped();
      const at = change(made);
      made.bytes[at] = (made.bytes[at] ?? 0) ^ 0x10;
      return inspectImage(made.bytes, stub).wrapped?.stub.ofThisVersion;
    };
    expect(ours(({ blockAt }) => blockAt + BLOCK.headerBytes)).toBe(false);
    expect(ours(({ blockAt }) => blockAt + BLOCK.headerBytes + 2999)).toBe(false);
    expect(ours(({ codeAt }) => codeAt + GUARD.offset)).toBe(false);
    // Behind the guard: it could be jumped to.
    expect(ours(({ codeAt }) => codeAt + GUARD.end - 1)).toBe(false);
    expect(ours(({ codeAt }) => codeAt + 0x1000)).toBe(true);
  });

  it('says what is damaged, and what can still be read', () => {
    const { bytes, blockAt } = wrapped();
    const view = new DataView(bytes.buffer);
    const tableAt = view.getUint32(blockAt + BLOCK.table, true);
    const originalAt = view.getUint32(blockAt + BLOCK.original, true);
    bytes[blockAt + tableAt] = 0;
    expect(inspectImage(bytes, stub).wrapped).toMatchObject({
      table: null,
      original: { restorable: true },
      problems: [expect.stringMatching(/not a table/)],
    });
    bytes[0x1000] = (bytes[0x1000] ?? 0) ^ 1;
    expect(inspectImage(bytes, stub).wrapped).toMatchObject({
      original: { sha256: sha256(image), restorable: false },
      problems: [expect.stringMatching(/not a table/), expect.stringMatching(/changed or damaged/)],
    });
    bytes[blockAt + originalAt] = 0;
    expect(inspectImage(bytes, stub).wrapped).toMatchObject({ original: null });
  });
});

describe('a header that would lead the stub astray', () => {
  it.each([
    ['the list at the start of the image', BLOCK.scratch, 0, /do not load this image/],
    ['a list without end', BLOCK.scratchEntries, 0x7fff_ffff, /do not load this image/],
    ['another alignment', BLOCK.kernelAlignment, 1, /alignment of 1/],
    ['another program', BLOCK.programId, 0, /another program/],
  ])('%s', (_, field, value, problem) => {
    const image = makeBzImage();
    const { bytes: table } = compileTable(defaultPolicy(), { tool: 'test' });
    const wrapped = wrapImage(image, { stub, table, tailBytes: 4096 });
    expect(inspectImage(wrapped, stub).wrapped?.problems).toEqual([]);
    const parsed = parseBzImage(wrapped);
    const at = parsed.codeAt + (findBlock(parsed)?.offset ?? 0) + field;
    new DataView(wrapped.buffer).setUint32(at, value, true);
    expect(inspectImage(wrapped, stub).wrapped?.problems.join()).toMatch(problem);
  });
});
