import { ENTRY_64, SETUP, XLF_KERNEL_64 } from '../../src/image/layout.js';
import type { StubProgram } from '../../src/image/stub.js';

/** What a made-up bzImage should be like; by default it looks like Debian's, and can be wrapped and signed. */
export interface BzImageShape {
  readonly version?: number;
  readonly xloadflags?: number;
  readonly relocatable?: boolean;
  /** Sectors of setup code behind the first. */
  readonly setupSects?: number;
  /** Of protected-mode code, a multiple of 16. */
  readonly codeBytes?: number;
  readonly initSize?: number;
  /** What startup_32 sets its stack to; `null` for code that is not known. */
  readonly stackEnd?: number | null;
  readonly entry?: readonly number[];
  readonly payload?: Uint8Array;
  /** Said to be its length, if it is not. */
  readonly payloadLength?: number;
  readonly payloadOffset?: number;
  readonly kernel?: string;
  readonly pe?: 'pe32+' | 'pe32' | null;
  /** A certificate table of so many bytes; it holds no signature. */
  readonly certificateBytes?: number;
  /** Bytes behind the certificate table, where nothing may be. */
  readonly behind?: number;
}

const SECTOR = 512;
const PAYLOAD_OFFSET = 0x2cc;
const VERSION_TEXT_AT = 0x300;

export function makeBzImage(shape: BzImageShape = {}): Uint8Array {
  const setupBytes = ((shape.setupSects ?? 7) + 1) * SECTOR;
  const codeBytes = shape.codeBytes ?? 0x8200;
  const certificateBytes = shape.certificateBytes ?? 0x5c0;
  const end = setupBytes + codeBytes;
  const bytes = new Uint8Array(end + certificateBytes + (shape.behind ?? 0));
  const view = new DataView(bytes.buffer);
  const payload = shape.payload ?? makePayload(0x6000);
  const u8 = (at: number, value: number) => view.setUint8(at, value);
  const u16 = (at: number, value: number) => view.setUint16(at, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at, value, true);
  const text = (at: number, value: string) => bytes.set(Buffer.from(value, 'latin1'), at);

  u8(SETUP.setupSects, shape.setupSects ?? 7);
  u32(SETUP.syssize, codeBytes / 16);
  u16(SETUP.bootFlag, 0xaa55);
  text(SETUP.header, 'HdrS');
  u16(SETUP.version, shape.version ?? 0x20f);
  u16(0x20e, VERSION_TEXT_AT - SECTOR);
  u8(SETUP.loadflags, 1);
  u32(SETUP.kernelAlignment, 0x20_0000);
  u8(SETUP.relocatableKernel, (shape.relocatable ?? true) ? 1 : 0);
  u16(SETUP.xloadflags, shape.xloadflags ?? XLF_KERNEL_64 | 0x7e);
  u32(SETUP.cmdlineSize, 2047);
  u32(SETUP.payloadOffset, shape.payloadOffset ?? PAYLOAD_OFFSET);
  u32(SETUP.payloadLength, shape.payloadLength ?? payload.length);
  view.setBigUint64(SETUP.prefAddress, 0x100_0000n, true);
  u32(SETUP.initSize, shape.initSize ?? 0x80_0000);
  text(VERSION_TEXT_AT, `${shape.kernel ?? '6.1.0-test (nobody@nowhere) #1 SMP'}\0`);

  bytes.set([0xfc, 0xfa], setupBytes);
  const stackEnd = shape.stackEnd === undefined ? codeBytes + 0x4e00 : shape.stackEnd;
  if (stackEnd !== null) {
    bytes.set([0x8d, 0xa5], setupBytes + 0x2c);
    u32(setupBytes + 0x2e, stackEnd);
  }
  bytes.set(shape.entry ?? [0xfc, 0xfa, 0x31, 0xc0], setupBytes + ENTRY_64);
  bytes.set(payload, setupBytes + PAYLOAD_OFFSET);
  if (shape.pe !== null) {
    writePe(view, { plus: shape.pe !== 'pe32', setupBytes, codeBytes, certificateBytes });
    bytes.fill(0xc3, end, end + certificateBytes);
  }
  return bytes;
}

/** Bytes that are those of an xz file at their beginning, and repeat nowhere. */
export function makePayload(length: number): Uint8Array {
  let state = 1;
  const bytes = Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  });
  bytes.set([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
  return bytes;
}

interface PeShape {
  readonly plus: boolean;
  readonly setupBytes: number;
  readonly codeBytes: number;
  readonly certificateBytes: number;
}

/** Sections `.setup` and `.text`, as in a kernel's image. */
function writePe(view: DataView, { plus, setupBytes, codeBytes, certificateBytes }: PeShape): void {
  const at = 0x40;
  const optional = at + 24;
  const directories = optional + (plus ? 112 : 96);
  const end = setupBytes + codeBytes;
  const text = (offset: number, value: string) => {
    for (let i = 0; i < value.length; i++) view.setUint8(offset + i, value.charCodeAt(i));
  };
  const u16 = (offset: number, value: number) => view.setUint16(offset, value, true);
  const u32 = (offset: number, value: number) => view.setUint32(offset, value, true);
  text(0, 'MZ');
  u32(0x3c, at);
  text(at, 'PE\0\0');
  u16(at + 4, plus ? 0x8664 : 0x14c);
  u16(at + 6, 2);
  u16(at + 20, directories + 48 - optional);
  u16(at + 22, 0x20e);
  u16(optional, plus ? 0x20b : 0x10b);
  u32(optional + 4, codeBytes);
  u32(optional + 16, setupBytes);
  u32(optional + 20, setupBytes);
  u32(optional + 32, 0x1000);
  u32(optional + 36, 0x200);
  u32(optional + 56, Math.ceil((end + 0x5000) / 0x1000) * 0x1000);
  u32(optional + 60, 0x200);
  u32(optional + 64, 0x7e_59e5);
  u16(optional + 68, 10);
  u32(directories - 4, 6);
  if (certificateBytes > 0) {
    u32(directories + 32, end);
    u32(directories + 36, certificateBytes);
  }
  const sections = [
    ['.setup', 0x200, setupBytes - 0x200],
    ['.text', setupBytes, codeBytes],
  ] as const;
  sections.forEach(([name, offset, length], i) => {
    const section = directories + 48 + i * 40;
    text(section, name);
    u32(section + 8, length);
    u32(section + 12, offset);
    u32(section + 16, length);
    u32(section + 20, offset);
  });
}

/** A stub whose guard goes straight to the kernel and refers to the block as a real one does. */
export function fakeStub(programBytes = 3000): StubProgram {
  const guard = new Uint8Array(0x20);
  const view = new DataView(guard.buffer);
  // cld; cli; cmp dword [block], imm32; jmp block+64
  guard.set([0xfc, 0xfa, 0x81, 0x3d]);
  view.setInt32(4, -(0x184 + 12), true);
  guard.set(Buffer.from('SHOT'), 8);
  guard.set([0xe9], 12);
  view.setInt32(13, 64 - (0x184 + 17), true);
  const program = Uint8Array.from({ length: programBytes }, (_, i) => (i * 7) & 0xff);
  return { program, room: 0, guard, guardFixups: [4, 13], sha256: '' };
}
