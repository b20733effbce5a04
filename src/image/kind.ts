import { ShootdownError } from '../pci/error.js';
import { SETUP } from './layout.js';
import type { Pe } from './pe.js';
import type { Reader } from './reader.js';

interface Kind {
  readonly at: number;
  /** One byte a character. */
  readonly magic: string;
  readonly what: string;
}

const UNPACK = 'unpack it first, the bzImage is inside';
/** Compressed files, and payloads of kernels. */
const COMPRESSIONS: readonly (Kind & { readonly name: string })[] = [
  { name: 'gzip', at: 0, magic: '\x1f\x8b', what: 'a gzip file' },
  { name: 'xz', at: 0, magic: '\xfd7zXZ\0', what: 'an xz file' },
  { name: 'zstd', at: 0, magic: '\x28\xb5\x2f\xfd', what: 'a zstd file' },
  { name: 'lz4', at: 0, magic: '\x02\x21\x4c\x18', what: 'an lz4 file' },
  { name: 'lz4', at: 0, magic: '\x04\x22\x4d\x18', what: 'an lz4 file' },
  { name: 'bzip2', at: 0, magic: 'BZh', what: 'a bzip2 file' },
  { name: 'lzma', at: 0, magic: '\x5d\0\0', what: 'an lzma file' },
  { name: 'lzo', at: 0, magic: '\x89LZO', what: 'an lzo file' },
];

const OTHERS: readonly Kind[] = [
  {
    at: 0,
    magic: '\x7fELF',
    what: 'an ELF file (vmlinux): take the bzImage that the same build made, arch/x86/boot/bzImage or /boot/vmlinuz-*',
  },
  { at: 56, magic: 'ARM\x64', what: 'an arm64 Image: the stub is x86-64 code' },
  { at: 56, magic: 'RSC\x05', what: 'a RISC-V Image: the stub is x86-64 code' },
  {
    at: 4,
    magic: 'zimg',
    what: 'an EFI zboot image (arm64, RISC-V or LoongArch): the stub is x86-64 code',
  },
];

/** The name of a compression, by the first bytes of what it made. */
export function compressionOf(file: Reader, at: number): string | undefined {
  return COMPRESSIONS.find(({ magic }) => file.has(at, magic))?.name;
}

/** Throws `unsupported` or `bad-input` for a file that is no bzImage, and says what it is. */
export function checkIsBzImage(file: Reader, pe: () => Pe | undefined): void {
  if (file.has(SETUP.header, 'HdrS') && file.u16(SETUP.bootFlag) === 0xaa55) return;
  if (file.length === 0) throw new ShootdownError('bad-input', 'it is empty');
  const packed = COMPRESSIONS.find(({ at, magic }) => file.has(at, magic));
  if (packed) throw unsupported(`it is ${packed.what}: ${UNPACK}`);
  const other = OTHERS.find(({ at, magic }) => file.has(at, magic));
  if (other) throw unsupported(`it is ${other.what}`);
  if (file.has(0, 'MZ')) {
    const sections = pe()?.sections.map(({ name }) => name);
    if (sections?.includes('.linux')) {
      throw unsupported('it is a unified kernel image: wrap the kernel before the image is built from it');
    }
    if (sections) throw unsupported('it is an EFI program, not a Linux kernel');
  }
  if (file.length < SETUP.initSize + 4) {
    throw new ShootdownError('bad-input', 'it is cut short, or not a kernel: a bzImage is larger');
  }
  throw unsupported('it is not a bzImage: there is no Linux boot header at 0x202');
}

function unsupported(message: string): ShootdownError {
  return new ShootdownError('unsupported', message);
}
