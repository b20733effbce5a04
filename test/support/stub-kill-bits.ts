import type { Policy } from '../../src/quiesce/policy.js';
import type { KillCase } from './stub-kill.js';
import {
  BRIDGES_TOO,
  type Functions,
  NIC,
  oldBridge,
  rootPort,
  SMALL,
  SMALL_TREE,
  virtual,
} from './stub-kill-boards.js';
import * as cap from './stub-kill-capabilities.js';
import { differs } from './stub-kill-oracle.js';

// Functions that differ in one bit from what something else means.

/** Every bit set that means something else. */
const NOISE: Functions = {
  '00:01.0': { ...oldBridge(1, 1, 0xfff7), command: 0x0bff, multiFunction: true, raw: [[0x3c, 0xff]] },
  '00:01.1': { ...oldBridge(2, 2, 0x0008), multiFunction: true },
  '00:02.0': {
    ...NIC,
    command: 0x0bff,
    status: 0xffe7,
    capabilities: [cap.EXPRESS],
    raw: [
      [0x35, 0xff],
      [0x36, 0xff],
      [0x4a, 0xdf],
      [0x4b, 0xff],
    ],
  },
  '00:03.0': {
    ...NIC,
    command: 0x0bff,
    status: 0xffe7,
    capabilities: [cap.MSI_OFF],
    raw: [
      [0x42, 0xfe],
      [0x43, 0x7f],
    ],
  },
  '00:04.0': {
    ...NIC,
    command: 0x0bff,
    capabilities: [cap.MSI],
    raw: [
      [0x42, 0xff],
      [0x43, 0x7f],
    ],
  },
  '00:05.0': {
    ...NIC,
    command: 0x0bff,
    capabilities: [cap.MSIX],
    raw: [
      [0x42, 0xff],
      [0x43, 0xbf],
    ],
  },
  '00:06.0': {
    ...NIC,
    command: 0x0bff,
    capabilities: [cap.MSIX_OFF],
    raw: [
      [0x42, 0xff],
      [0x43, 0x7f],
    ],
  },
  '00:07.0': {
    ...NIC,
    command: 0x0bff,
    capabilities: [cap.PM],
    raw: [
      [0x44, 0xfc],
      [0x45, 0xff],
      [0x46, 0xff],
      [0x47, 0xff],
    ],
  },
  '00:08.0': { ...NIC, command: 0x0bff, capabilities: [cap.AF], raw: [[0x45, 0xfe]] },
  '00:09.0': { ...rootPort(3), capabilities: [cap.PORT], raw: [[0x43, 0x7f]] },
  '00:0a.0': {
    ...rootPort(4),
    capabilities: [cap.EXPRESS],
    raw: [
      [0x42, 0xc2],
      [0x43, 0x01],
    ],
  },
  '00:0b.0': { ...NIC, classCode: 0x060100, capabilities: [cap.EXPRESS] },
  '00:0c.0': { ...NIC, command: 0x08fb, status: 0x0008 },
  '00:0d.0': { ...NIC, command: 0x0bff, noIntxDisable: true, capabilities: [cap.MSI] },
  '00:0e.0': { ...NIC, classCode: 0x030000, command: 0x0007 },
  '00:0f.0': { ...NIC, command: 0x0bfb, capabilities: [cap.MSI] },
  '01:00.0': { ...NIC, classCode: 0x030000, command: 0x0bff },
  '02:00.0': { ...NIC, classCode: 0x030000, command: 0x0ba7 },
  '03:00.0': NIC,
  '04:00.0': NIC,
};

/** Pointers and pins that differ in one bit from those of others. */
const NEAR: Functions = {
  '00:01.0': {
    ...NIC,
    capabilities: [{ kind: 'vendor', length: 4 }, cap.MSI],
    raw: [
      [0x34, 0x44],
      [0x35, 0x01],
    ],
  },
  '00:02.0': { ...NIC, capabilities: [cap.MSI], raw: [[0x41, 0x03]] },
  '00:03.0': { ...NIC, capabilities: [cap.MSIX], raw: [[0x41, 0x01]] },
  '00:04.0': { ...NIC, noIntxDisable: true, interruptPin: 2, capabilities: [cap.MSI] },
  '00:05.0': {
    ...NIC,
    noIntxDisable: true,
    interruptPin: 0,
    raw: [
      [0x3e, 0x21],
      [0x3f, 0xff],
    ],
    capabilities: [{ ...cap.MSI, is64bit: true }],
  },
  '00:06.0': { ...rootPort(1), capabilities: [cap.BUSY] },
  '00:07.0': { ...NIC, capabilities: [cap.BUSY] },
  '00:08.0': { ...NIC, classCode: 0x060000, capabilities: [cap.BUSY, cap.MSI] },
  '00:09.0': { ...NIC, capabilities: [cap.MSI], raw: [[0x34, 0x43]] },
  '00:0a.0': {
    ...NIC,
    capabilities: [cap.VENDOR, cap.MSI],
    raw: [
      [0x41, 0x4b],
      [0x43, 0xff],
    ],
  },
  '00:0b.0': { ...NIC, capabilities: [{ kind: 'vendor', length: 0x44 }, cap.AF_BUSY] },
  '00:0c.0': { ...NIC, stuckMessages: 'enable', capabilities: [cap.MSIX] },
  '00:0d.0': { ...rootPort(2), stuck: true, capabilities: [cap.MSI, cap.BUSY] },
};
const SINCE: Functions = Object.fromEntries(
  [0x01, 0x07, 0x85, 0x04, 0x10, 0x13, 0x91, 0x15].map((id, n) => [
    `00:0${n + 1}.0`,
    {
      ...NIC,
      capabilities: [cap.VENDOR, cap.VENDOR],
      raw: [
        [0x40, id],
        [0x42, 0x01],
        [0x43, 0x80],
      ],
    },
  ]),
);
const BEFORE: Functions = Object.fromEntries(
  Object.keys(SINCE).map((slot, n) => [slot, { ...NIC, capabilities: [n < 4 ? cap.MSI : cap.MSIX] }]),
);

const QUIET: Functions = {
  ...SMALL,
  '00:04.0': { ...NIC, command: 0, capabilities: [cap.PM, cap.MSI, cap.EXPRESS] },
  '00:05.0': { ...NIC, command: 0, capabilities: [cap.PM, cap.MSI, cap.EXPRESS] },
  '00:06.0': { ...NIC, stuck: true },
};
const short = (functions: Functions): Functions =>
  Object.fromEntries(
    Object.entries(functions).map(([slot, fn]) => [slot, { ...fn, extended: [], size: 64 as const }]),
  );

/** What stays on, of bridges and virtual functions. */
const STUCK: Functions = {
  '00:01.0': { ...rootPort(1, 2), stuck: true, capabilities: [cap.MSI, cap.BUSY, cap.PM] },
  '00:02.0': { ...rootPort(3), noIntxDisable: true, interruptPin: 1, capabilities: [cap.MSI, cap.BUSY] },
  '00:03.0': { ...rootPort(4), interruptPin: 1 },
  '01:00.0': {
    ...{ ...NIC, capabilities: [cap.EXPRESS] },
    extended: [{ kind: 'sriov', vfEnable: true, totalVfs: 3, numVfs: 3, vfOffset: 0x80, vfStride: 0x80 }],
  },
  '01:10.0': { ...virtual('01:00.0'), stuck: true },
  '02:00.0': { ...virtual('01:00.0'), noIntxDisable: true, interruptPin: 1 },
  '00:05.0': NIC,
  '00:05.1': { ...virtual('00:05.0'), capabilities: [cap.BUSY] },
  '04:00.0': NIC,
  '04:00.1': virtual('04:00.0'),
};
const BELOW: Functions = {
  '00:01.0': rootPort(1, 2),
  '00:02.0': rootPort(3),
  '01:00.0': {
    ...NIC,
    extended: [{ kind: 'sriov', vfEnable: true, totalVfs: 1, numVfs: 1, vfOffset: 0x100, vfStride: 1 }],
  },
  '02:00.0': { ...virtual('01:00.0'), stuck: true },
  '03:00.0': NIC,
};

const kept = (match: Policy['rules'][number]['match'], action: 'exempt' | 'preserve' = 'exempt'): Policy => ({
  ...BRIDGES_TOO,
  rules: [{ id: 'kept', match, action, reason: 'of a test' }, ...BRIDGES_TOO.rules],
});

export const BIT_CASES: readonly KillCase[] = [
  { name: 'every other bit', board: NOISE, policy: BRIDGES_TOO, known: null, reads: 250 },
  { name: 'every other bit, known', board: NOISE, policy: BRIDGES_TOO },
  { name: 'bridges and virtual functions that stay', board: STUCK, policy: BRIDGES_TOO },
  { name: 'one bit from another', board: NEAR, policy: BRIDGES_TOO, known: null, reads: 242 },
  { name: 'one bit from another, bridges open', board: NEAR, known: null },
  {
    ...{ name: 'one bit from what was there', board: SINCE, known: BEFORE, performed: false },
    check: ({ writes }) =>
      differs(
        'messages',
        writes.filter((write) => !write.includes('+4/')),
        [],
      ),
  },
  {
    ...{ name: 'a virtual function exempted', board: BELOW, policy: kept({ vf: true }) },
    options: { entry: { commandLine: 'quiet' } },
    record: { summary: true, template: false, jump: 'normal' },
  },
  {
    name: 'bridges back to their own bus',
    board: {
      '80:00.0': { ...NIC, stuck: true },
      '80:01.0': oldBridge(0x80),
      '80:02.0': { ...NIC, stuck: true },
      '80:03.0': oldBridge(0x40),
      '80:04.0': NIC,
    },
    policy: BRIDGES_TOO,
  },
  {
    ...{ name: 'a bridge to virtual functions is gone', board: SMALL, performed: false, reads: 299 },
    known: { ...SMALL, ...BELOW },
    check: ({ writes }) => differs('writes', writes, ['18+4/2=402', '18+42/2=0']),
  },
  {
    name: 'known from 64 bytes, virtual ones too',
    board: { ...NOISE, ...BELOW },
    known: short({ ...NOISE, ...BELOW }),
  },
  {
    ...{ name: 'quiet ones, told to port 80', board: QUIET, known: null, reads: 51 },
    options: { progress: true },
    check: ({ run }) => differs('port 80', run.image.ports.progress, [0xd0, 0xd1, 0xd2, 0xd3, 0xd4]),
  },
  { name: 'quiet ones, every bus', board: QUIET, known: null, reads: 8211, options: { scanAll: true } },
  {
    name: 'quiet ones, one preserved',
    board: QUIET,
    policy: kept({ slot: '00:04' }, 'preserve'),
    known: null,
    reads: 55,
  },
  ...([true, false] as const).map(
    (vf): KillCase => ({
      name: `quiet ones, preserved where vf is ${vf}`,
      ...{ board: { ...QUIET, ...BELOW }, policy: kept({ vf }, 'preserve') },
    }),
  ),
  ...[600, 700, 900].map(
    (before): KillCase => ({
      ...{ name: `exception before instruction ${before}`, board: SMALL, known: null, performed: false },
      options: { entry: { cf8: 0x8000_f8a0, injections: [{ before, vector: 18 }] } },
      record: {
        ...{ end: 'exception', vector: 18, phase: 'start' },
        ...{ summary: true, jump: 'normal', template: false },
      },
    }),
  ),
  {
    ...{ name: 'a quiet virtual function, preserved', policy: kept({ vf: true }, 'preserve'), reads: 314 },
    board: {
      ...BELOW,
      '02:00.0': { ...virtual('01:00.0'), command: 0, capabilities: [cap.PM, cap.EXPRESS] },
    },
  },
  { name: 'one on another bus stays', board: BELOW, policy: BRIDGES_TOO },
  { name: 'one on another bus is preserved', board: BELOW, policy: kept({ slot: '02:00' }, 'preserve') },
  {
    name: 'preserved, nothing known',
    board: SMALL_TREE,
    policy: kept({ class: '0108' }, 'preserve'),
    known: null,
    performed: false,
  },
  { name: 'by ids, nothing known', board: SMALL, policy: kept({ id: ':29c0' }), known: null },
  {
    name: 'by other ids, nothing known',
    board: { ...SMALL, '00:05.0': { ...NIC, device: 7 } },
    policy: kept({ id: ':0007' }),
    known: null,
  },
  ...([true, false] as const).flatMap((vf) =>
    ([true, false] as const).flatMap((rootBus) =>
      ([true, false, undefined] as const).map((bootDisplay): KillCase => {
        const match = { vf, rootBus, ...(bootDisplay === undefined ? {} : { bootDisplay }) };
        return { name: JSON.stringify(match), board: vf ? STUCK : NOISE, policy: kept(match) };
      }),
    ),
  ),
  {
    name: 'one that comes to rest',
    board: { '00:03.0': { ...NIC, polls: 4, capabilities: [cap.BUSY] } },
    known: null,
    reads: 43,
  },
  {
    ...{ name: 'above 2 GiB, interrupted', board: SMALL, known: null },
    options: { entry: { loadAddress: 0x8101_0000, injections: [{ before: 4000, vector: 2 }] } },
    record: { nmis: 1, summary: true, template: false },
  },
  {
    ...{ name: 'above 4 GiB, interrupted', board: SMALL, known: null, record: { nmis: 1 } },
    options: {
      entry: { loadAddress: 0x5_0020_0000, gdtAddress: 0x8_0040, injections: [{ before: 4000, vector: 2 }] },
    },
  },
];
