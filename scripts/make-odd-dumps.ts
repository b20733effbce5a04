// Makes the dumps that are not as lspci prints them: node scripts/run.mjs scripts/make-odd-dumps.ts
// Everything in them is made up; dumps/README.md says what each is like.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type DumpEntry,
  encodeFunction,
  type FunctionDescription,
  formatDump,
} from '../test/support/encode.js';

const NIC = 'Ethernet controller: Made Up Systems Gigabit Adapter (rev 01)';
const DISK = 'Non-Volatile memory controller: Made Up Systems Fast Disk (prog-if 02 [NVM Express])';
const PORT = 'PCI bridge: Made Up Systems Root Port (rev 02) (prog-if 00 [Normal decode])';
const HOST = 'Host bridge: Made Up Systems Root Complex (rev 01)';

/** A vendor ID that nobody has. */
const MADE_UP = 0x5d07;
const BUS_MASTER = 0x0006;
const WITH_MSI = 0x0406;
const PM = { kind: 'pm' } as const;
const MSI_ON = { kind: 'msi', enable: true, is64bit: true } as const;
const MSIX_ON = { kind: 'msix', enable: true, tableSize: 33 } as const;
const EXPRESS = { kind: 'express', flr: true } as const;
const ROOT_PORT = { kind: 'express', type: 4 } as const;

const entry = (slot: string, title: string, description: FunctionDescription): DumpEntry => ({
  slot,
  title,
  bytes: encodeFunction({ vendor: MADE_UP, ...description }),
});
const host = (slot: string, size: 64 | 256 = 256) =>
  entry(slot, HOST, { classCode: 0x060000, device: 0x0100, command: BUS_MASTER, size });
const nic = (slot: string, size: 64 | 256 | 4096 = 256, more: FunctionDescription = {}) =>
  entry(slot, NIC, {
    device: 0x0200,
    command: WITH_MSI,
    interruptPin: 1,
    capabilities: [PM, MSI_ON, EXPRESS],
    size,
    ...more,
  });
const disk = (slot: string, size: 64 | 256 | 4096 = 256) =>
  entry(slot, DISK, {
    device: 0x0300,
    classCode: 0x010802,
    command: WITH_MSI,
    interruptPin: 1,
    capabilities: [PM, EXPRESS, MSIX_ON],
    size,
  });
const port = (slot: string, secondary: number, more: FunctionDescription = {}, subordinate = secondary) =>
  entry(slot, PORT, {
    device: 0x0400,
    command: WITH_MSI | 1,
    bridge: { primary: Number.parseInt(slot.slice(-7, -5), 16), secondary, subordinate },
    capabilities: [ROOT_PORT, MSI_ON, PM],
    ...more,
  });

const plain = [
  host('00:00.0'),
  port('00:1c.0', 1),
  port('00:1d.0', 2),
  nic('01:00.0'),
  disk('02:00.0', 4096),
];
const text = formatDump(plain);
const patched = (from: DumpEntry, ...patches: readonly (readonly [number, number])[]): DumpEntry => {
  const bytes = from.bytes.slice();
  for (const [at, value] of patches) bytes[at] = value;
  return { ...from, bytes };
};
const withoutRows = (dump: string, ...offsets: readonly string[]) =>
  dump
    .split('\n')
    .filter((line) => !offsets.some((offset) => line.startsWith(`${offset}: `)))
    .join('\n');
const cutAtLast = (mark: string, dump: string) => dump.slice(0, dump.lastIndexOf(mark) + 1);
const prefixed = (dump: string, prefix: (line: string) => string) =>
  dump
    .split('\n')
    .map((line) => `${prefix(line)}${line}`)
    .join('\n');

const DUMPS: Readonly<Record<string, string>> = {
  'odd-long-header.txt': text.replace(
    NIC,
    `${NIC} with a name that does not end, ${'and goes on, '.repeat(20)}`,
  ),
  'odd-stderr-in-rows.txt': [
    formatDump([host('00:00.0'), port('00:1c.0', 1)]),
    // Standard output is written by the block, standard error at once: text appears anywhere.
    formatDump([nic('01:00.0', 4096)])
      .replace(/^(50: (?:.. ){5}.)(.*)$/m, '$1pcilib: reading the vital product data failed\n$2')
      .replace(/^(a0: (?:.. ){15}..)$/m, '$1error while reading the resources\n')
      .replace(/^2(30: )/m, '2pcilib: reading the vital product data failed\n$1'),
    formatDump([disk('02:00.0')]).replace(/^(10: (?:.. ){9})(.*)$/m, '$1lspci: no such label\n$2'),
  ].join(''),
  'odd-mail-quoted.txt': [
    'Some Body wrote:\n> Here is what it prints:\n>\n',
    prefixed(formatDump(plain.slice(0, 3)), () => '> ').trimEnd(),
    '\n\nAnd Any Body before that:\n>> Mine is this:\n>>\n',
    prefixed(formatDump(plain.slice(3)), (line) => (line === '' ? '> >' : '> > ')),
    '\n',
  ].join(''),
  'odd-indented.txt': prefixed(text, (line) => (line === '' ? '' : line.length % 2 === 0 ? '    ' : '\t')),
  'odd-crlf.txt': text.replaceAll('\n', '\r\n'),
  'odd-twice.txt': [
    'First boot:\n\n',
    text,
    'Second boot, where the copy was cut off:\n\n',
    cutAtLast(
      '\n90: ',
      formatDump([...plain.slice(0, 3), nic('01:00.0', 256, { command: 0 }), disk('02:00.0')]),
    ),
  ].join(''),
  'odd-64-bytes.txt': formatDump(plain.map(({ bytes, ...rest }) => ({ ...rest, bytes: bytes.slice(0, 64) }))),
  'odd-short-headers.txt': formatDump([
    { ...nic('01:00.0'), bytes: nic('01:00.0').bytes.slice(0, 16) },
    { ...disk('02:00.0'), bytes: disk('02:00.0').bytes.slice(0, 48) },
    host('00:00.0', 64),
  ]),
  'odd-capability-lists.txt': formatDump([
    { ...patched(nic('01:00.0'), [0x49, 0x40]), title: `${NIC} (list that loops)` },
    { ...patched(nic('01:00.1'), [0x49, 0x10]), title: `${NIC} (list that leads into the header)` },
    { ...patched(nic('01:00.2'), [0x49, 0xf3]), title: `${NIC} (list that leads past its end)` },
    { ...patched(nic('01:00.3'), [0x34, 0xfc], [0xfc, 0xff], [0xfd, 0xff]), title: `${NIC} (list of ones)` },
    { ...patched(nic('01:00.4'), [0x06, 0x00]), title: `${NIC} (list that Status denies)` },
    { ...patched(nic('01:00.5'), [0x34, 0x43]), title: `${NIC} (pointer with its low bits set)` },
  ]),
  'odd-all-ones.txt': formatDump([
    host('00:00.0'),
    port('00:1c.0', 1),
    {
      slot: '01:00.0',
      title: 'Ethernet controller: Made Up Systems Device (rev ff)',
      bytes: new Uint8Array(256).fill(255),
    },
    port('00:1c.1', 2),
    {
      slot: '02:00.0',
      title: 'VGA compatible controller: Made Up Systems (rev ff)',
      bytes: new Uint8Array(64).fill(255),
    },
    patched(nic('02:00.1'), [0x0e, 0x7f]),
  ]),
  'odd-virtual-functions.txt': formatDump([
    host('00:00.0'),
    port('00:01.0', 0x20, {}, 0x21),
    nic('20:00.0', 4096, {
      extended: [
        { kind: 'aer' },
        {
          kind: 'sriov',
          vfEnable: true,
          totalVfs: 8,
          numVfs: 3,
          vfOffset: 0x100,
          vfStride: 2,
          vfDevice: 0x0201,
        },
      ],
    }),
    ...['21:00.0', '21:00.2', '21:00.4'].map((slot, i) =>
      nic(slot, 4096, {
        vendor: 0xffff,
        device: 0xffff,
        command: i === 2 ? 0 : 4,
        interruptPin: 0,
        capabilities: [EXPRESS, { ...MSIX_ON, enable: i !== 2 }],
      }),
    ),
  ]),
  'odd-domains.txt': formatDump([
    host('0000:00:00.0'),
    port('0000:00:0e.0', 1),
    nic('0000:01:00.0'),
    host('0001:00:00.0'),
    port('0001:00:01.0', 1),
    nic('0001:01:00.0'),
    port('10000:00:04.0', 1),
    disk('10000:01:00.0'),
  ]),
  'odd-cardbus.txt': formatDump([
    host('00:00.0'),
    port('00:1e.0', 2, { capabilities: [] }, 6),
    entry('02:01.0', 'CardBus bridge: Made Up Systems Socket (rev b3)', {
      classCode: 0x060700,
      headerType: 2,
      multiFunction: true,
      command: 0x0007,
      interruptPin: 1,
      bridge: { primary: 2, secondary: 3, subordinate: 6 },
      capabilities: [{ kind: 'pm', state: 0 }],
    }),
    nic('03:00.0', 256, { capabilities: [PM], command: BUS_MASTER }),
  ]),
  'odd-states.txt': formatDump([
    host('00:00.0'),
    nic('00:03.0', 256, { capabilities: [{ kind: 'pm', state: 3 }, MSI_ON], command: 0x0400 }),
    nic('00:04.0', 256, { capabilities: [{ kind: 'pm', state: 1 }, MSI_ON], command: BUS_MASTER }),
    nic('00:05.0', 256, {
      capabilities: [
        { kind: 'pm', state: 2 },
        { ...MSI_ON, is64bit: false, perVectorMasking: true },
      ],
    }),
    nic('00:06.0', 256, { capabilities: [{ ...EXPRESS, transactionsPending: true }, MSIX_ON] }),
    nic('00:07.0', 256, { capabilities: [EXPRESS, { ...MSIX_ON, functionMask: true }], command: BUS_MASTER }),
    nic('00:08.0', 256, {
      capabilities: [{ kind: 'af', flr: true, hasPending: true, transactionsPending: true }],
      command: BUS_MASTER,
      status: 0x0008,
    }),
    nic('00:09.0', 256, { capabilities: [MSIX_ON, MSI_ON, { kind: 'vendor', length: 20 }], command: 0x0002 }),
  ]),
  'odd-truncated.txt': text.slice(0, text.indexOf('\n20: ', text.indexOf('02:00.0')) + 18),
  'odd-root-buses.txt': formatDump(
    [0x00, 0x20, 0x40, 0x80, 0xe0].flatMap((bus) => {
      const at = (b: number, df: string) => `${b.toString(16).padStart(2, '0')}:${df}`;
      return [
        host(at(bus, '00.0')),
        port(at(bus, '01.0'), bus + 1),
        nic(at(bus + 1, '00.0')),
        nic(at(bus + 9, '00.0')),
      ];
    }),
  ),
  'odd-rows.txt': [
    formatDump([host('00:00.0')]),
    withoutRows(formatDump([nic('00:03.0')]), '60', 'd0'),
    formatDump([disk('00:04.0')])
      .split('\n')
      .sort()
      .reverse()
      .join('\n')
      .replace(/^([\s\S]*)^(00:04.*\n)/m, '$2$1'),
    '\n',
    formatDump([nic('00:05.0')]).trimEnd(),
    '\n00: 07 5d 00 02 00 00 10 00 00 00 00 02 00 00 00 00\n\n',
    withoutRows(formatDump([nic('00:06.0')]), '00'),
    formatDump([disk('00:07.0', 4096)]),
  ].join(''),
  'odd-mixed-text.txt': [
    'The machine, as lspci lists it:\n\n',
    ...plain.map(({ slot, title }) => `${slot} ${title}\n`),
    '00:1f.0 ISA bridge: Made Up Systems LPC Controller (rev 02)\n',
    '\nThe kernel said:\n[    0.412345] pci 0000:01:00.0: BAR 6: no space\n01:00.0 went away\n\n# lspci -vvxxx\n',
    formatDump(plain).replaceAll(
      NIC,
      `${NIC}\n\tSubsystem: Made Up Systems Device 0000\n\tControl: I/O- Mem+ BusMaster+\n\tCapabilities: <access denied>\n\tKernel driver in use: madeup`,
    ),
    '# end\n',
  ].join(''),
  'odd-gated-bridge.txt': formatDump([
    host('00:00.0'),
    port('00:1c.0', 1, { command: 0 }, 3),
    port('01:00.0', 2, { capabilities: [{ kind: 'express', type: 5 }] }, 3),
    port('02:00.0', 3, { capabilities: [{ kind: 'express', type: 6 }] }),
    nic('03:00.0'),
    { ...patched(port('00:1d.0', 0), [0x19, 0]), title: `${PORT} (leads nowhere)` },
    nic('7f:00.0'),
  ]),
};

for (const [name, dump] of Object.entries(DUMPS)) writeFileSync(join('dumps', name), dump);
console.log(`${Object.keys(DUMPS).length} dumps`);
