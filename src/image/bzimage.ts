import { ShootdownError } from '../pci/error.js';
import { checkIsBzImage } from './kind.js';
import { ENTRY_64, ENTRY_BYTES, GUARD, SETUP, XLF_KERNEL_64 } from './layout.js';
import { type Pe, parsePe } from './pe.js';
import { Reader } from './reader.js';

/** A bzImage whose parts lie within the file. Offsets are from its start unless it says otherwise. */
export interface BzImage {
  readonly file: Reader;
  readonly setup: SetupHeader;
  /** Where the protected-mode code begins. */
  readonly codeAt: number;
  /** Where it ends: at the certificate table, or with the file. */
  readonly codeEnd: number;
  readonly pe: Pe | undefined;
}

/** Linux, Documentation/arch/x86/boot.rst. */
export interface SetupHeader {
  /** Major number << 8 | minor number. */
  readonly version: number;
  /** As in `uname -r`, then who built it; `undefined` if there is none. */
  readonly kernel: string | undefined;
  readonly typeOfLoader: number;
  readonly loadflags: number;
  readonly xloadflags: number;
  readonly relocatable: boolean;
  readonly kernelAlignment: number;
  readonly cmdlineSize: number;
  /** From the start of the protected-mode code. */
  readonly payloadOffset: number;
  readonly payloadLength: number;
  readonly prefAddress: bigint;
  readonly initSize: number;
}

const PARAGRAPH = 16;
const SECTOR = 512;
const SETUP_SECTS_DEFAULT = 4;
const KERNEL_VERSION_AT = 0x20e;
const KERNEL_VERSION_MAX = 256;

/** Takes a file apart. Throws `unsupported` for what is no bzImage, `bad-input` for a damaged one. */
export function parseBzImage(bytes: Uint8Array): BzImage {
  const file = new Reader(bytes);
  checkIsBzImage(file, () => parsePe(file));
  const codeAt = ((file.u8(SETUP.setupSects) || SETUP_SECTS_DEFAULT) + 1) * SECTOR;
  const pe = parsePe(file);
  if (!pe && file.has(0, 'MZ')) throw bad('it begins as a PE file, and has no PE header');
  const codeEnd = certificateStart(file, pe);
  const codeBytes = file.u32(SETUP.syssize) * PARAGRAPH;
  if (codeAt + codeBytes > codeEnd || codeBytes <= ENTRY_64 + ENTRY_BYTES.length) {
    const wanted = codeAt + codeBytes;
    throw bad(`its header wants ${wanted} bytes, ${codeEnd} are there: the file is cut short or damaged`);
  }
  if (pe?.sections.some((section) => section.at + section.bytes > codeEnd)) {
    throw bad('a section of its PE header lies outside of it: the file is damaged');
  }
  if (pe && Math.max(pe.checksumAt + 4, (pe.certificateEntryAt ?? 0) + 8) > SETUP.setupSects) {
    throw bad('its PE header reaches into the boot header: the file is damaged');
  }
  return { file, setup: parseSetup(file), codeAt, codeEnd, pe };
}

function parseSetup(file: Reader): SetupHeader {
  return {
    version: file.u16(SETUP.version),
    kernel: kernelVersion(file),
    typeOfLoader: file.u8(SETUP.typeOfLoader),
    loadflags: file.u8(SETUP.loadflags),
    xloadflags: file.u16(SETUP.xloadflags),
    relocatable: file.u8(SETUP.relocatableKernel) !== 0,
    kernelAlignment: file.u32(SETUP.kernelAlignment),
    cmdlineSize: file.u32(SETUP.cmdlineSize),
    payloadOffset: file.u32(SETUP.payloadOffset),
    payloadLength: file.u32(SETUP.payloadLength),
    prefAddress: file.u64(SETUP.prefAddress),
    initSize: file.u32(SETUP.initSize),
  };
}

function kernelVersion(file: Reader): string | undefined {
  const pointer = file.u16(KERNEL_VERSION_AT);
  const at = pointer + SECTOR;
  if (pointer === 0 || at >= file.length) return undefined;
  const bytes = file.bytes.subarray(at, at + KERNEL_VERSION_MAX);
  const end = bytes.indexOf(0);
  return end < 0 ? undefined : Buffer.from(bytes.subarray(0, end)).toString('latin1');
}

function certificateStart(file: Reader, pe: Pe | undefined): number {
  if (!pe?.certificate) return file.length;
  const { at, bytes } = pe.certificate;
  if (at + bytes !== file.length) {
    throw bad(
      `its signature table is not the last thing in the file (it ends at ${at + bytes}, the file at ${file.length}): take the kernel as its package ships it`,
    );
  }
  return at;
}

/** Throws unless the stub can be put into this image as it is. */
export function checkWrappable(image: BzImage): void {
  const { file, setup, codeAt, codeEnd } = image;
  checkHeader(setup);
  const entry = [...file.slice(codeAt + ENTRY_64, ENTRY_BYTES.length)];
  if (entry.some((byte, i) => byte !== ENTRY_BYTES[i])) {
    const found = entry.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw unsupported(`its 64-bit entry begins with ${found}, not fc fa (cld, cli): no known kernel does`);
  }
  if (file.slice(codeAt + GUARD.offset, GUARD.end - GUARD.offset).some((byte) => byte !== 0)) {
    const range = `0x${GUARD.offset.toString(16)}-0x${(GUARD.end - 1).toString(16)}`;
    throw unsupported(
      `there is code at ${range} of its protected-mode code, where the stub's guard would go`,
    );
  }
  const payloadEnd = setup.payloadOffset + setup.payloadLength;
  if (
    setup.payloadOffset < ENTRY_64 + ENTRY_BYTES.length ||
    setup.payloadLength === 0 ||
    payloadEnd > codeEnd - codeAt
  ) {
    throw bad('its payload lies outside of its code: the header is damaged');
  }
}

function checkHeader(setup: SetupHeader): void {
  if (setup.version < 0x20c) {
    throw unsupported(
      `its boot protocol is ${protocol(setup)}, older than 2.12: kernels from 3.8 on have that`,
    );
  }
  if ((setup.xloadflags & XLF_KERNEL_64) === 0) {
    throw unsupported('it has no 64-bit entry (XLF_KERNEL_64): a 32-bit kernel, and the stub is x86-64 code');
  }
  if (!setup.relocatable) {
    throw unsupported('it is not relocatable: kexec needs a kernel with CONFIG_RELOCATABLE=y');
  }
}

/** As in `2.15`. */
export function protocol({ version }: SetupHeader): string {
  return `${version >> 8}.${String(version & 0xff).padStart(2, '0')}`;
}

/**
 * The least offset from the start of the protected-mode code behind all that the kernel's 32-bit entry writes to
 * before it comes to the 64-bit one: its stack lies in .bss, behind what is in the file, and would reach into the stub.
 */
export function reservedBytes({ file, codeAt, codeEnd, pe }: BzImage): number {
  const codeBytes = codeEnd - codeAt;
  const end = bootStackEnd(file, codeAt) ?? (pe ? pe.imageBytes - codeAt : 0);
  return end <= codeBytes + BSS_MAX ? Math.max(codeBytes, end) : codeBytes;
}

const BSS_MAX = 16 * 1024 * 1024;
/** Of startup_32, which begins at offset 0. */
const STARTUP_32_BYTES = 0x100;

/** `lea disp32(%ebp), %esp` in startup_32, where %ebp is the address of the protected-mode code. */
function bootStackEnd(file: Reader, codeAt: number): number | undefined {
  for (let at = codeAt; at < codeAt + STARTUP_32_BYTES; at++) {
    if (file.has(at, '\x8d\xa5')) return file.u32(at + 2);
  }
  return undefined;
}

function bad(message: string): ShootdownError {
  return new ShootdownError('bad-input', message);
}

function unsupported(message: string): ShootdownError {
  return new ShootdownError('unsupported', message);
}
