import { spawnSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { addToTree, fakeSystem, makeTree, removeTree } from '../../test/support/system-tree.js';
import { cpioArchive } from '../lab/cpio.js';
import { initramfsFiles } from './initramfs-file.js';
import { openSystem } from './system.js';

const TABLE = 'usr/lib/shootdown/table';
const early = cpioArchive([
  { path: 'kernel/x86/microcode/x.bin', kind: 'file', bytes: Buffer.alloc(1001, 7) },
]);
const main = cpioArchive([
  { path: 'bin/sh', kind: 'file', bytes: Buffer.from('x') },
  { path: TABLE, kind: 'file', bytes: Buffer.from('the table\n') },
  { path: 'init', kind: 'file', bytes: Buffer.from('#!') },
]);

let root = '';
afterEach(() => removeTree(root));

function look(image: Uint8Array, onThisSystem = false) {
  root = makeTree({ '/initrd': { text: image, mode: 0o600 } });
  // It only reads that file, and starts a program that unpacks it.
  if (onThisSystem) return initramfsFiles(openSystem('', true), `${root}/initrd`, [TABLE, 'absent']);
  return initramfsFiles(fakeSystem(root), '/initrd', [TABLE, 'absent']);
}

describe('a file in an initramfs', () => {
  it('is found in a plain archive, behind others, and in one packed by gzip', async () => {
    const padded = Buffer.concat([early, Buffer.alloc(512), main]);
    for (const image of [main, padded, gzipSync(main), Buffer.concat([early, gzipSync(main)])]) {
      const files = await look(image);
      expect([...(files ?? [])].map(([path, bytes]) => [path, bytes.toString()])).toEqual([
        [TABLE, 'the table\n'],
      ]);
      removeTree(root);
    }
  });

  for (const [program, ...args] of [
    ['zstd', '-qc'],
    ['xz', '-qc', '--check=crc32'],
    ['lz4', '-qlc'],
    ['bzip2', '-qc'],
  ]) {
    const command = program ?? '';
    const packed = spawnSync(command, args, { input: main });
    it.skipIf(packed.error)(`is found in one packed by ${command}`, async () => {
      const files = await look(Buffer.concat([early, packed.stdout]), true);
      expect(files?.get(TABLE)?.toString()).toBe('the table\n');
    });
  }

  it('is told from an image that is damaged, or that cannot be looked into', async () => {
    await expect(look(gzipSync(main).subarray(0, 60))).rejects.toMatchObject({ code: 'bad-input' });
    removeTree(root);
    await expect(look(Buffer.from('what is this?'))).rejects.toMatchObject({ code: 'unsupported' });
    removeTree(root);
    await expect(look(main.subarray(0, 300))).rejects.toThrow(/damaged: it ends within an archive/);
    addToTree(root, '/zstd', { text: Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), mode: 0o600 });
    const without = fakeSystem(root, () => ({ status: 127 }));
    await expect(initramfsFiles(without, '/zstd', [TABLE])).rejects.toThrow(/zstd is not installed/);
    const broken = fakeSystem(root, () => ({ status: 1, stderr: 'premature end\n' }));
    await expect(initramfsFiles(broken, '/zstd', [TABLE])).rejects.toThrow(
      /cannot be unpacked: premature end/,
    );
    expect(await initramfsFiles(broken, '/nothing', [TABLE])).toBeUndefined();
  });
});
