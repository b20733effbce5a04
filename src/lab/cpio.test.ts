import { describe, expect, it } from 'vitest';
import { type CpioEntry, cpioArchive } from './cpio.js';

interface Unpacked {
  readonly name: string;
  readonly mode: number;
  readonly data: string;
  readonly device: readonly [number, number];
}

/** A reader of its own, by the format's description and not by the writer. */
function unpack(archive: Uint8Array): Unpacked[] {
  const bytes = Buffer.from(archive);
  const found: Unpacked[] = [];
  let at = 0;
  for (;;) {
    expect(bytes.toString('latin1', at, at + 6)).toBe('070701');
    const field = (i: number) =>
      Number.parseInt(bytes.toString('latin1', at + 6 + i * 8, at + 14 + i * 8), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const nameAt = at + 110;
    const name = bytes.toString('utf8', nameAt, nameAt + nameSize - 1);
    expect(bytes[nameAt + nameSize - 1]).toBe(0);
    const dataAt = align(nameAt + nameSize);
    if (name === 'TRAILER!!!') {
      expect(align(dataAt + size)).toBe(bytes.length);
      return found;
    }
    const device = [field(9), field(10)] as const;
    found.push({ name, mode, data: bytes.toString('utf8', dataAt, dataAt + size), device });
    at = align(dataAt + size);
  }
}

function align(at: number): number {
  return Math.ceil(at / 4) * 4;
}

const FILE: CpioEntry = { path: 'a/b/file', kind: 'file', bytes: Buffer.from('12345') };

describe('an archive', () => {
  it('holds files, folders, links and devices, with the folders that they need before them', () => {
    const entries = unpack(
      cpioArchive([
        FILE,
        { path: 'a/run', kind: 'file', bytes: Buffer.from('#!'), executable: true },
        { path: 'a/link', kind: 'link', target: 'b/file' },
        { path: 'empty', kind: 'folder' },
        { path: 'dev/console', kind: 'device', major: 5, minor: 1 },
      ]),
    );
    expect(entries.map(({ name, mode, data }) => [name, mode.toString(8), data])).toEqual([
      ['a', '40755', ''],
      ['a/b', '40755', ''],
      ['a/b/file', '100644', '12345'],
      ['a/run', '100755', '#!'],
      ['a/link', '120777', 'b/file'],
      ['empty', '40755', ''],
      ['dev', '40755', ''],
      ['dev/console', '20600', ''],
    ]);
    expect(entries.at(-1)?.device).toEqual([5, 1]);
  });

  it('pads names and contents of every length', () => {
    for (let length = 1; length <= 9; length++) {
      const path = 'n'.repeat(length);
      const bytes = Buffer.from('d'.repeat(length));
      expect(unpack(cpioArchive([{ path, kind: 'file', bytes }]))[0]).toMatchObject({
        name: path,
        data: 'd'.repeat(length),
      });
    }
  });

  it('is the same for the same entries', () => {
    expect(cpioArchive([FILE])).toEqual(cpioArchive([FILE]));
  });

  it('refuses a path that is not one, and one that comes twice', () => {
    for (const path of ['/etc', 'a//b', '../up', './here', '']) {
      expect(() => cpioArchive([{ path, kind: 'folder' }])).toThrow(RangeError);
    }
    expect(() => cpioArchive([FILE, FILE])).toThrow(/twice/);
  });
});
