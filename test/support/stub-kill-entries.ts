import { BLOCK, BOOT_PARAMS, SETUP, TABLE } from '../../src/image/layout.js';
import { FLAG } from '../../src/image/x86-cpu.js';
import { makeBzImage } from './bzimage.js';
import { type KillCase, SMALL_KERNEL, TAIL_BYTES } from './stub-kill.js';
import { BRIDGES_TOO, HOST_BRIDGE, NIC, SMALL_TREE } from './stub-kill-boards.js';
import { differs, type Expected } from './stub-kill-oracle.js';
import type { StubRunOptions } from './stub-run.js';

// How a kernel can be entered, what its command line can say, where the record can go.

type Entry = NonNullable<StubRunOptions['entry']>;

const LOAD = 0x100_0000;
const INIT_SIZE = new DataView(SMALL_KERNEL.buffer).getUint32(SETUP.initSize, true);
const END = LOAD + INIT_SIZE + TAIL_BYTES;
/** One bus master beside a host bridge. */
const BOARD = {
  '00:00.0': HOST_BRIDGE,
  '00:03.0': { ...NIC, capabilities: [{ kind: 'msi', enable: true }] },
} as const;
const SMALL = { board: BOARD, known: null } satisfies Partial<KillCase>;

const entered = (name: string, entry: Entry, rest: Partial<KillCase> = {}): KillCase => ({
  ...{ name, ...SMALL, ...rest },
  options: { entry, ...rest.options },
});
/** Nothing at all happens. */
const idle = (name: string, entry: Entry, rest: Partial<KillCase> = {}): KillCase =>
  entered(name, entry, { record: null, ...rest });

const LOADERS: readonly KillCase[] = [
  ...[0x00, 0x72, 0xb0, 0xc0, 0xcf, 0xe0, 0xf0].map((loaderType) =>
    idle(
      `loader ${loaderType.toString(16)}`,
      { loaderType },
      {
        check: ({ run, exit }) => [
          ...differs('memory', run.image.machine.memory.changes(), []),
          ...(exit.instructions > 12 ? ['it looks further'] : []),
        ],
      },
    ),
  ),
  entered('loader df', { loaderType: 0xdf }),
  entered('loader d8, with flags', { loaderType: 0xd8, rflags: FLAG.fixed | FLAG.DF | FLAG.IF | FLAG.CF }),
  idle('another loader, with flags', { loaderType: 0x72, rflags: FLAG.fixed | FLAG.DF | FLAG.IF }),
  idle(
    'no block where the guard looks',
    {},
    { change: (view) => view.setUint8(at(view, BLOCK.magic), 0x73) },
  ),
];

/** EAX, EBX, ECX and EDX of a leaf; one of them may differ. */
function tdx(leaf: number, other = 0): (asked: number, sub: number) => [number, number, number, number] {
  const signature: [number, number, number, number] = [0, 0x65746e49, 0x20202020, 0x5844546c];
  if (other > 0) signature[other] = (signature[other] ?? 0) ^ 0x0100_0000;
  return (asked, sub) => (asked === leaf && sub === 0 ? signature : [0, 0, 0, 0]);
}

const DESCRIPTORS: readonly KillCase[] = [
  idle('GDT at the start of the image', { gdtAddress: LOAD }),
  idle('GDT where the kernel has its own', { gdtAddress: LOAD + 0x4000 }),
  idle('GDT at the end of init_size', { gdtAddress: LOAD + INIT_SIZE - 0x100 }),
  idle('GDT in the tail', { gdtAddress: END - 0x100 }),
  entered('GDT right behind the image', { gdtAddress: END }),
  entered('GDT right before the image', { gdtAddress: LOAD - 0x100 }),
  entered('highest selectors', { cs: 0xf8, ss: 0xf0 }),
  entered('stack selector above', { cs: 0x08, ss: 0xf8 }),
  entered('no stack selector', { cs: 0x08, ss: 0 }),
  idle('code selector too high', { cs: 0x100, ss: 0x18 }),
  idle('stack selector too high', { cs: 0x10, ss: 0x100 }),
  idle('one selector', { cs: 0x10, ss: 0x10 }),
  idle('code in a local table', { cs: 0x14, ss: 0x18 }),
  idle('stack in a local table', { cs: 0x10, ss: 0x1c }),
  idle('not privilege level 0', { cs: 0x10, ss: 0x1b }),
  idle('code not at privilege level 0', { cs: 0x11, ss: 0x18 }),
  idle('one of its bits', { cs: 0x10, ss: 0x1a }),
  idle('another table', {}, { change: (view) => view.setUint8(at(view, 'SHTB'), 0) }),
  idle(
    'a table of another version',
    {},
    { change: (view) => view.setUint8(at(view, 'SHTB') + TABLE.versionAt, 3) },
  ),
  entered(
    'a TDX guest',
    { cpuid: tdx(0x21) },
    {
      performed: false,
      record: { end: 'confidential', phase: 'start' },
      check: ({ run }) => differs('port CF8', run.image.machine.requests, 0),
    },
  ),
  entered('a signature under another leaf', { cpuid: tdx(0x22) }),
  ...[1, 2, 3].map((register) => entered(`not TDX by register ${register}`, { cpuid: tdx(0x21, register) })),
  entered('an IDT of the loader', { idtr: { base: 0x1234_5678_9000, limit: 0x1ff } }),
  entered('port CF8 in use', { cf8: 0x8000_f8a0 }),
  entered(
    'no ports',
    { portsThere: false },
    { performed: false, record: { end: 'nothing', phase: 'start' } },
  ),
];

const ON = { summary: true, jump: 'normal', template: false } as const;
const OBSERVED = { ...ON, observe: true } as const;
const CRASHED = {} as const;
/** As long as may be read, filled with a word that says nothing. */
function longest(end: string): Uint8Array {
  return new TextEncoder().encode(`${'x'.repeat(2047 - end.length)} ${end}`);
}

const LINES: readonly (readonly [line: string | Uint8Array, record: Partial<Expected> | null])[] = [
  ['shootdown=off', null],
  ['quiet shootdown=off elfcorehdr=1', null],
  ['shootdown=on shootdown=off', null],
  ['shootdown=observe shootdown=off', null],
  ['shootdown=off shootdown=on', ON],
  ['shootdown=off shootdown=observe', OBSERVED],
  ['shootdown=observe shootdown=on elfcorehdr=5', CRASHED],
  ['shootdown=offline', OBSERVED],
  ['shootdown=off=', OBSERVED],
  ['shootdown=off!', OBSERVED],
  ['shootdown=off"', OBSERVED],
  ['shootdown=of', OBSERVED],
  ['shootdown=observed shootdown=onto shootdown', OBSERVED],
  ['xshootdown=off', ON],
  ['shootdown=OFF', OBSERVED],
  ['elfcorehdr=5 shootdown=observe', { observe: true }],
  ['shootdown=observe\tquiet', OBSERVED],
  ['quiet\nshootdown=observe', OBSERVED],
  ['quiet!shootdown=observe', ON],
  ['  shootdown=observe  ', OBSERVED],
  ['', ON],
  ['shootdown=', OBSERVED],
  ['elfcorehdr', ON],
  ['elfcorehdr=', CRASHED],
  ['xelfcorehdr=1 nelfcorehdr=1', ON],
  [longest('shootdown=off'), null],
  [longest('shootdown=observe'), OBSERVED],
  [longest('elfcorehdr='), CRASHED],
  [longest('elfcorehdr'), ON],
  [longest('shootdown=o'), OBSERVED],
  [longest('shootdown=observ'), OBSERVED],
  [`${'x'.repeat(2047)} shootdown=off`, ON],
  [`${'x'.repeat(2048)} shootdown=off`, ON],
  [`${'x'.repeat(2030)} shootdown=offline`, OBSERVED],
];

const COMMAND_LINES: readonly KillCase[] = [
  ...LINES.map(([commandLine, record], index): KillCase => {
    const name = `command line ${index}: ${typeof commandLine === 'string' ? commandLine.slice(0, 40) : 'longest'}`;
    return entered(name, { commandLine, commandLineAddress: 0x9_1800 }, { record });
  }),
  entered(
    'command line above 4 GiB',
    { commandLine: 'shootdown=observe', commandLineAddress: 0x3_0009_1000 },
    {
      record: OBSERVED,
    },
  ),
  entered(
    'command line at 4 GiB',
    { commandLine: 'shootdown=observe', commandLineAddress: 0x1_0000_0000 },
    {
      record: OBSERVED,
    },
  ),
  { name: 'no command line', ...SMALL, options: { noCommandLine: true, entry: {} }, record: ON },
];

/** Where a text stands, in the file. */
function at(view: DataView, text: string): number {
  const index = Buffer.from(view.buffer, view.byteOffset, view.byteLength).lastIndexOf(text);
  if (index < 0) throw new Error(`no ${text}`);
  return index;
}

/** The tail as the block says, and as the loader was told. */
function withTail(view: DataView, bytes: number): void {
  const block = at(view, BLOCK.magic);
  view.setUint32(block + BLOCK.tailBytes, bytes, true);
  view.setUint32(SETUP.initSize, view.getUint32(block + BLOCK.initSize, true) + bytes, true);
}

const CUT = { template: false, truncated: true } as const;
const TAILS: Readonly<Record<number, Partial<Expected>>> = {
  156: { summary: true, template: false },
  160: CUT,
  224: { template: false },
};
const SUMMARY = { summary: true, template: false } as const;
const RECORDS: readonly KillCase[] = [
  { name: 'memory that holds something', board: SMALL_TREE, policy: BRIDGES_TOO, dirty: true },
  {
    ...{ name: 'boot_params that hold something', board: SMALL_TREE },
    options: { entry: { commandLine: 'quiet' } },
    change: (view) => {
      for (let offset: number = BOOT_PARAMS.pad9; offset < BOOT_PARAMS.size; offset++)
        view.setUint8(offset, 0x5a);
    },
    record: { ...SUMMARY, jump: 'normal' },
  },
  entered('below the preferred address', { loadAddress: 0x80_0000 }, { record: SUMMARY }),
  entered('not aligned', { loadAddress: 0x110_0000 }, { record: SUMMARY }),
  entered('not aligned by a page', { loadAddress: 0x120_1000 }, { record: SUMMARY }),
  entered('another place', { loadAddress: 0x260_0000 }),
  entered('above 4 GiB', { loadAddress: 0x2_0020_0000, gdtAddress: 0x8_0040 }),
  ...[0x2_8004, 0x2_8008, 0x2_800c].map((initSize) =>
    entered(`init_size ${initSize.toString(16)}`, {}, { options: { kernel: makeBzImage({ initSize }) } }),
  ),
  entered(
    'the loader knows of no tail',
    {},
    {
      record: SUMMARY,
      change: (view) => view.setUint32(SETUP.initSize, INIT_SIZE, true),
    },
  ),
  entered(
    'setup data of others',
    {},
    {
      change: (view) => view.setBigUint64(SETUP.setupData, 0x1234_5678_9abcn, true),
      check: ({ run }) => {
        const { memory } = run.image.machine;
        const node = memory.read32(run.image.bootParamsAddress + SETUP.setupData);
        return differs('next', [memory.read32(node), memory.read32(node + 4)], [0x5678_9abc, 0x1234]);
      },
    },
  ),
  ...[0x9c, 0xa0, 0xe0].map((bytes) =>
    entered(
      `a tail of ${bytes} bytes`,
      {},
      {
        performed: false,
        change: (view) => withTail(view, bytes),
        record: { ...TAILS[bytes], tailBytes: bytes },
      },
    ),
  ),
];

export const ENTRY_CASES: readonly KillCase[] = [...LOADERS, ...DESCRIPTORS, ...COMMAND_LINES, ...RECORDS];
