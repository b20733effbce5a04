import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import type { KillCase } from './stub-kill.js';
import {
  BRIDGES_TOO,
  FAILING,
  type Functions,
  NIC,
  oldBridge,
  rootPort,
  SMALL,
  SMALL_TREE,
  virtual,
} from './stub-kill-boards.js';
import { waited } from './stub-kill-bounds.js';
import * as cap from './stub-kill-capabilities.js';
import { differs } from './stub-kill-oracle.js';
import { CRASH } from './stub-run.js';

// Details that a stub can get wrong unseen on most machines.

const AF_WITHOUT = { kind: 'af', flr: true } as const;

/** The low half of the counter overflows during the walk. */
const SOON = 7 * 2 ** 32 - 30_000;

const TIME: readonly KillCase[] = [
  {
    ...{ name: 'time is up', board: FAILING, known: null, performed: false, options: { tscKhz: 1 } },
    record: { end: 'time', phase: 'discover' },
  },
  {
    ...{ name: 'time is up, late in the counter', board: FAILING, known: null, ticksFrom: SOON },
    ...{ performed: false, options: { tscKhz: 1 } },
    record: { end: 'time', phase: 'discover' },
  },
  { name: 'the counter overflows', board: FAILING, known: null, ticksFrom: SOON },
  {
    name: 'the counter overflows while slow',
    board: SMALL,
    known: null,
    ticksFrom: SOON,
    options: { slowTicks: 2000n },
    check: waited(2000),
  },
  {
    ...{ name: 'an NMI under the highest selectors', board: SMALL, known: null, record: { nmis: 1 } },
    options: { entry: { cs: 0xf8, ss: 0xf0, injections: [{ before: 4000, vector: 2 }] } },
  },
];

const OBSERVED: readonly KillCase[] = [
  {
    ...{ name: 'observes what would fail', board: FAILING, known: null, performed: false, reads: 163 },
    options: { entry: { commandLine: `shootdown=observe ${CRASH}` } },
    record: { observe: true },
    check: ({ writes }) => differs('writes', writes, []),
  },
  {
    ...{ name: 'observes messages without a pin', known: null },
    board: {
      '00:02.0': { ...NIC, interruptPin: 0, capabilities: [cap.MSI, cap.EXPRESS] },
      '00:03.0': { ...NIC, interruptPin: 0, capabilities: [cap.MSIX, cap.BUSY] },
    },
    options: { entry: { commandLine: `shootdown=observe ${CRASH}` } },
    record: { observe: true },
  },
];

const CAPABILITIES: Functions = {
  '00:01.0': {
    ...NIC,
    capabilities: [cap.PM, { kind: 'pm', state: 3 }, cap.MSI_OFF, cap.MSI, cap.MSIX_OFF, cap.MSIX],
  },
  '00:02.0': { ...NIC, capabilities: [cap.MSI, cap.MSI_OFF, cap.MSIX, cap.MSIX_OFF, cap.EXPRESS, cap.BUSY] },
  '00:03.0': { ...NIC, capabilities: [cap.BUSY, cap.AF] },
  '00:04.0': { ...NIC, capabilities: [cap.AF_BUSY, cap.EXPRESS] },
  '00:05.0': { ...NIC, capabilities: [cap.AF, cap.AF_BUSY, AF_WITHOUT] },
  '00:06.0': { ...NIC, capabilities: [AF_WITHOUT, cap.AF_BUSY] },
  '00:07.0': { ...NIC, capabilities: [AF_WITHOUT] },
  '00:08.0': {
    ...NIC,
    capabilities: [cap.VENDOR, cap.VENDOR, cap.MSI],
    raw: [
      [0x34, 0x43],
      [0x41, 0x4a],
    ],
  },
  '00:09.0': { ...NIC, capabilities: [cap.VENDOR, cap.MSI], raw: [[0x41, 0x40]] },
  '00:0a.0': { ...NIC, capabilities: [cap.VENDOR, cap.MSI], raw: [[0x40, 0xff]] },
  '00:0b.0': { ...NIC, capabilities: [cap.MSI], raw: [[0x06, 0x27]] },
  '00:0c.0': { ...NIC, headerType: 3, capabilities: [cap.MSI] },
  '00:0d.0': { ...NIC, capabilities: [cap.VENDOR, cap.MSI], raw: [[0x41, 0x3c]] },
  '00:0e.0': {
    ...NIC,
    capabilities: Array.from({ length: 44 }, () => ({ kind: 'vendor', length: 4 }) as const),
  },
  '00:0f.0': { ...NIC, capabilities: [cap.BUSY], polls: 3 },
  '00:10.0': { ...NIC, noIntxDisable: true, interruptPin: 4, capabilities: [cap.MSIX] },
  '00:11.0': {
    ...NIC,
    noIntxDisable: true,
    interruptPin: 1,
    raw: [
      [0x3c, 0x0b],
      [0x3e, 0x20],
      [0x3f, 0x40],
    ],
    capabilities: [cap.MSI],
  },
  '00:12.0': {
    ...NIC,
    noIntxDisable: true,
    interruptPin: 0,
    raw: [
      [0x3c, 0x0b],
      [0x3e, 0x20],
    ],
    capabilities: [cap.MSI],
  },
  '00:13.0': {
    ...NIC,
    stuck: true,
    interruptPin: 0,
    noIntxDisable: true,
    capabilities: [cap.MSI, cap.BUSY, cap.MSIX],
  },
};

const LISTS: readonly KillCase[] = [
  { name: 'capabilities', board: CAPABILITIES, known: null, reads: 305 },
  { name: 'capabilities, known', board: CAPABILITIES },
  {
    name: 'AF that tells nothing',
    board: { '00:03.0': { ...NIC, capabilities: [AF_WITHOUT] } },
    known: null,
    reads: 38,
  },
  ...(
    [
      [cap.PM, cap.MSI],
      [cap.MSIX, cap.AF_BUSY],
      [AF_WITHOUT, cap.PORT],
    ] as const
  ).map(
    (capabilities, n): KillCase => ({
      name: `only capabilities ${n}`,
      board: { '00:03.0': { ...NIC, capabilities } },
      known: null,
    }),
  ),
];

const KNOWN: readonly KillCase[] = [
  {
    name: 'the first of two functions is gone',
    board: { '00:05.7': NIC, '00:06.2': NIC },
    known: {
      '00:05.0': { ...NIC, multiFunction: true },
      '00:05.7': NIC,
      '00:06.0': { ...NIC, multiFunction: true },
      '00:06.2': NIC,
    },
    ...{ performed: false },
    check: ({ writes }) => differs('writes', writes, ['2f+4/2=402', '32+4/2=402']),
  },
  {
    name: 'the second to last was known',
    board: { '00:04.0': NIC, '00:05.0': NIC, '00:05.6': NIC },
    known: { '00:04.0': NIC, '00:05.0': { ...NIC, multiFunction: true }, '00:05.6': NIC },
    ...{ performed: false },
    check: ({ writes }) => differs('writes', writes, ['20+4/2=402', '28+4/2=402', '2e+4/2=402']),
  },
  {
    name: 'a physical function among others is preserved',
    board: {
      '00:01.0': NIC,
      '00:02.0': oldBridge(1),
      '00:03.0': oldBridge(2),
      '01:00.0': NIC,
      '01:01.0': NIC,
      '02:00.0': { ...NIC, multiFunction: true },
      '02:00.3': virtual('01:01.0'),
      '02:00.4': virtual('02:00.0'),
      '02:00.5': NIC,
    },
    policy: {
      ...BRIDGES_TOO,
      rules: [
        { id: 'kept', match: { slot: '02:00.3' }, action: 'preserve', reason: 'of a test' },
        ...BRIDGES_TOO.rules,
      ],
    },
  },
  {
    name: 'a physical function is preserved that nobody found',
    board: { '00:01.0': NIC, '00:02.0': oldBridge(1), '01:00.1': virtual('01:00.0'), '01:00.2': NIC },
    known: {
      '00:01.0': NIC,
      '00:02.0': oldBridge(1),
      '01:00.0': NIC,
      '01:00.1': virtual('01:00.0'),
      '01:00.2': NIC,
    },
    policy: {
      ...BRIDGES_TOO,
      rules: [
        { id: 'kept', match: { vf: true }, action: 'preserve', reason: 'of a test' },
        ...BRIDGES_TOO.rules,
      ],
    },
    performed: false,
    check: ({ writes }) => differs('writes', writes, ['102+4/2=402', '8+4/2=402']),
  },
  {
    name: 'ids are those that the system knows',
    board: { '00:01.0': rootPort(1), '01:00.0': NIC, '01:00.1': virtual('01:00.0') },
    policy: {
      ...defaultPolicy(),
      rules: [{ id: 'kept', match: { id: '8086:10ed' }, action: 'exempt', reason: 'of a test' }],
    },
  },
  {
    name: 'one that hides its ids since',
    board: { '00:03.0': { ...NIC, vendor: 0xffff, device: 0xffff, capabilities: [cap.MSI] } },
    known: { '00:03.0': { ...NIC, facts: { bootVga: false }, capabilities: [cap.PM, cap.MSIX] } },
    ...{ performed: false },
    check: ({ writes }) => differs('writes', writes, ['18+4/2=402', '18+42/2=0']),
  },
  {
    name: 'one that hides its ids since, and where its messages are',
    board: { '00:03.0': { ...NIC, vendor: 0xffff, device: 0xffff, capabilities: [cap.MSI] } },
    known: { '00:03.0': { ...NIC, facts: { bootVga: false }, capabilities: [cap.VENDOR, cap.MSI] } },
    ...{ performed: false },
    check: ({ writes }) => differs('writes', writes, ['18+4/2=402', '18+42/2=0']),
  },
  {
    name: 'one that shows its ids since',
    board: { '00:02.0': NIC, '00:03.0': { ...NIC, capabilities: [cap.MSI] } },
    known: { '00:02.0': NIC, '00:03.0': { ...virtual('00:02.0'), capabilities: [cap.PM, cap.MSIX] } },
    ...{ performed: false },
    check: ({ writes }) => differs('writes', writes, ['10+4/2=402', '18+4/2=402', '18+42/2=0']),
  },
];

const SUMMARIES: readonly KillCase[] = [
  {
    name: 'rules in a summary',
    board: { '00:02.0': NIC, '00:03.0': NIC },
    known: null,
    policy: {
      ...defaultPolicy(),
      rules: [
        { id: 'none', match: { class: 'ff' }, action: 'gate', reason: 'of a test' },
        { id: 'third', match: { slot: '00:03.0' }, action: 'gate', reason: 'of a test' },
      ],
    },
    options: { entry: { commandLine: 'quiet' } },
    record: { summary: true, template: false, jump: 'normal' },
    check: ({ record }) =>
      differs(
        'rules',
        record?.entries.map(({ rule }) => rule.index),
        [null, 1],
      ),
  },
  {
    name: 'words and dirt',
    board: SMALL_TREE,
    dirty: true,
    options: { tool: 'x'.repeat(9000) },
    record: { template: false },
  },
];

export const DETAIL_CASES: readonly KillCase[] = [...TIME, ...OBSERVED, ...LISTS, ...KNOWN, ...SUMMARIES];
