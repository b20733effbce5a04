import { describe, expect, it } from 'vitest';
import { makeBzImage } from '../../test/support/bzimage.js';
import { ShootdownError } from '../pci/error.js';
import { parseBzImage } from './bzimage.js';

function file(...parts: readonly (readonly [at: number, bytes: string])[]): Uint8Array {
  const bytes = Buffer.alloc(0x1000);
  for (const [at, text] of parts) bytes.write(text, at, 'latin1');
  return bytes;
}

function problemOf(bytes: Uint8Array): string {
  try {
    parseBzImage(bytes);
  } catch (error) {
    if (error instanceof ShootdownError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
}

/** An EFI program with sections of these names. */
function efi(...sections: readonly string[]): Uint8Array {
  const bytes = makeBzImage();
  bytes.fill(0, 0x1f1, 0x300);
  const table = 0x40 + 24 + 112 + 48;
  bytes[0x40 + 6] = sections.length;
  bytes[0x40 + 7] = 0;
  sections.forEach((name, i) => {
    bytes.fill(0, table + i * 40, table + i * 40 + 8);
    bytes.set(Buffer.from(name), table + i * 40);
  });
  return bytes;
}

describe('files that are no bzImage', () => {
  it.each([
    ['nothing', new Uint8Array(), 'bad-input: it is empty'],
    ['one byte', new Uint8Array(1), 'bad-input: it is cut short, or not a kernel: a bzImage is larger'],
    ['zeros', file(), 'unsupported: it is not a bzImage: there is no Linux boot header at 0x202'],
    [
      'vmlinux',
      file([0, '\x7fELF']),
      'unsupported: it is an ELF file (vmlinux): take the bzImage that the same build made, arch/x86/boot/bzImage or /boot/vmlinuz-*',
    ],
    ['arm64', file([0, 'MZ'], [56, 'ARM\x64']), 'unsupported: it is an arm64 Image: the stub is x86-64 code'],
    ['riscv', file([56, 'RSC\x05']), 'unsupported: it is a RISC-V Image: the stub is x86-64 code'],
    [
      'zboot',
      file([0, 'MZ'], [4, 'zimg']),
      'unsupported: it is an EFI zboot image (arm64, RISC-V or LoongArch): the stub is x86-64 code',
    ],
    [
      'gzip',
      file([0, '\x1f\x8b\x08']),
      'unsupported: it is a gzip file: unpack it first, the bzImage is inside',
    ],
    ['xz', file([0, '\xfd7zXZ\0']), 'unsupported: it is an xz file: unpack it first, the bzImage is inside'],
    [
      'zstd',
      file([0, '\x28\xb5\x2f\xfd']),
      'unsupported: it is a zstd file: unpack it first, the bzImage is inside',
    ],
    [
      'lz4',
      file([0, '\x02\x21\x4c\x18']),
      'unsupported: it is an lz4 file: unpack it first, the bzImage is inside',
    ],
    ['bzip2', file([0, 'BZh9']), 'unsupported: it is a bzip2 file: unpack it first, the bzImage is inside'],
    [
      'a unified kernel image',
      efi('.text', '.linux', '.initrd'),
      'unsupported: it is a unified kernel image: wrap the kernel before the image is built from it',
    ],
    ['GRUB', efi('.text', 'mods'), 'unsupported: it is an EFI program, not a Linux kernel'],
  ])('%s', (_, bytes, expected) => {
    expect(problemOf(bytes)).toBe(expected);
  });

  it('a kernel cut in its header', () => {
    const image = makeBzImage();
    expect(problemOf(image.subarray(0, 0x206))).toMatch(/^bad-input: /);
    expect(problemOf(image.subarray(0, 0x210))).toMatch(/^bad-input: /);
    expect(problemOf(image.subarray(0, 0x1fe))).toMatch(/^unsupported|^bad-input/);
  });
});
