import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import type { Policy, PolicyRule } from '../../src/quiesce/policy.js';
import type { KillCase } from './stub-kill.js';
import {
  BRIDGES_TOO,
  FAILING,
  type Functions,
  HOST_BRIDGE,
  NIC,
  oldBridge,
  rootPort,
  SMALL_TREE,
  VIRTUAL,
  virtual,
} from './stub-kill-boards.js';
import * as cap from './stub-kill-capabilities.js';
import { differs } from './stub-kill-oracle.js';
import { CRASH } from './stub-run.js';

// What can be on the buses, and what a policy can say of it.

function policy(...rules: readonly Pick<PolicyRule, 'match' | 'action'>[]): Policy {
  const named = rules.map((rule, n) => ({ id: `rule-${n}`, reason: 'of a test', ...rule }));
  return { ...defaultPolicy(), rules: [...named, ...BRIDGES_TOO.rules] };
}
const preserve = (slot: string) => policy({ match: { slot }, action: 'preserve' });

/** Three generations, with something at each. */
const DEEP: Functions = {
  '00:01.0': oldBridge(1, 4),
  '00:02.0': NIC,
  '01:00.0': oldBridge(2, 3),
  '01:01.0': NIC,
  '01:02.0': oldBridge(4),
  '02:00.0': oldBridge(3),
  '02:01.0': NIC,
  '03:00.0': NIC,
  '04:00.0': NIC,
};

const POLICIES: readonly KillCase[] = [
  { name: 'deep', reads: 200, board: DEEP, policy: BRIDGES_TOO },
  { name: 'deep, known to nobody', reads: 200, board: DEEP, policy: BRIDGES_TOO, known: null },
  ...Object.keys(DEEP).map(
    (slot): KillCase => ({ name: `preserves ${slot}`, board: DEEP, policy: preserve(slot) }),
  ),
  {
    name: 'preserves what is quiet',
    reads: 199,
    board: { ...DEEP, '03:00.0': { ...NIC, command: 0 }, '00:03.0': { ...NIC, command: 0 } },
    policy: preserve('03:00.0'),
  },
  {
    name: 'preserves a virtual function',
    reads: 574,
    board: { ...VIRTUAL, '00:04.0': NIC },
    policy: policy({ match: { vf: true }, action: 'preserve' }),
  },
  {
    name: 'preserves a quiet virtual function',
    board: { ...VIRTUAL, '01:10.0': { ...virtual('01:00.0'), command: 0 } },
    policy: policy({ match: { slot: '01:10.0' }, action: 'preserve' }),
  },
  { name: 'preserves a sleeping bridge', board: SMALL_TREE, policy: preserve('00:01.2') },
  {
    name: 'exempts below a bridge',
    board: DEEP,
    policy: policy({ match: { slot: '03:00.0' }, action: 'exempt' }),
  },
  {
    name: 'exempts a bridge',
    board: DEEP,
    policy: policy({ match: { slot: '02:00.0' }, action: 'exempt' }),
  },
  {
    name: 'exempts what sleeps',
    board: FAILING,
    policy: policy({ match: { slot: '00:14.0' }, action: 'exempt' }),
    known: null,
  },
  ...(['vf', 'rootBus', 'bootDisplay'] as const).flatMap((condition) =>
    [true, false].flatMap((value) =>
      (['exempt', 'preserve'] as const).map(
        (action): KillCase => ({
          name: `${action}s where ${condition} is ${value}`,
          board: condition === 'vf' ? VIRTUAL : SMALL_TREE,
          policy: policy({ match: { [condition]: value }, action }),
        }),
      ),
    ),
  ),
  ...(
    [
      { class: '0108' },
      { class: '0c0330' },
      { id: '8086:10d3' },
      { id: '8086:' },
      { id: ':10ed' },
      { slot: '00:1d' },
      { slot: '.1' },
      { headerType: 'normal' },
      { headerType: 'bridge' },
      { headerType: 'cardbus' },
      { driver: 'xhci*' },
      { driver: null },
      { class: '03', bootDisplay: false, rootBus: false },
    ] as const
  ).flatMap((match) =>
    (['exempt', 'preserve'] as const).map(
      (action): KillCase => ({
        name: `${action}s ${JSON.stringify(match)}`,
        board: SMALL_TREE,
        policy: policy({ match, action }),
      }),
    ),
  ),
  {
    name: 'exempts by default',
    board: SMALL_TREE,
    policy: {
      ...policy({ match: { class: '02' }, action: 'gate' }),
      otherwise: { action: 'exempt', reason: 'of a test' },
    },
  },
];

const OBSERVED: readonly KillCase[] = [
  ['a tree', { ...SMALL_TREE, '06:00.0': NIC }],
  ['deep', DEEP],
].map(([name, board]) => ({
  name: `observes ${name}`,
  board: board as Functions,
  policy: BRIDGES_TOO,
  options: { entry: { commandLine: `${CRASH} shootdown=observe` } },
  record: { observe: true },
}));

const NORMAL: readonly KillCase[] = [
  {
    ...{ name: 'a tree, on a normal jump', board: SMALL_TREE, policy: BRIDGES_TOO },
    options: { entry: { commandLine: 'quiet' } },
    record: { summary: true, jump: 'normal', template: false },
  },
  {
    ...{ name: 'what fails, on a normal jump', board: FAILING, known: null },
    options: { entry: { commandLine: 'quiet' } },
    record: { summary: true, jump: 'normal', template: false },
  },
];

const display = (command: number, rest = {}) => ({ ...NIC, classCode: 0x030000, command, ...rest });
const SCAN: readonly KillCase[] = [
  {
    name: 'a tree, nothing known',
    reads: 326,
    board: SMALL_TREE,
    known: null,
    policy: BRIDGES_TOO,
    performed: false,
  },
  {
    name: 'every bus, nothing known',
    reads: 8245,
    board: { ...DEEP, '40:00.0': NIC, '41:00.0': oldBridge(0x50, 0x52), '50:1f.0': NIC },
    ...{ known: null, options: { scanAll: true }, policy: BRIDGES_TOO },
  },
  {
    name: 'a second root bus',
    reads: 248,
    board: { ...DEEP, '80:00.0': HOST_BRIDGE, '80:01.0': rootPort(0x81), '81:00.0': NIC },
    policy: BRIDGES_TOO,
  },
  {
    name: 'displays behind bridges',
    reads: 246,
    board: {
      '00:01.0': oldBridge(1, 1, 8),
      '00:02.0': oldBridge(2, 2, 0),
      '00:03.0': oldBridge(3, 4, 8),
      '00:04.0': {
        device: 0x0476,
        classCode: 0x060700,
        headerType: 2,
        command: 7,
        bridge: { secondary: 5, control: 8 },
      },
      '01:00.0': display(7),
      '01:01.0': display(5),
      '01:02.0': display(6),
      '01:03.0': { ...display(7), classCode: 0x030100 },
      '01:04.0': { ...display(7), classCode: 0x020000 },
      '02:00.0': display(7),
      '03:00.0': oldBridge(4, 4, 8),
      '04:00.0': display(7),
      '05:00.0': display(7),
    },
    known: null,
  },
  {
    name: 'the boot display as the system said',
    reads: 111,
    board: {
      '00:01.0': oldBridge(1, 1, 8),
      '00:02.0': oldBridge(2, 2, 8),
      '01:00.0': display(7, { facts: { bootVga: false } }),
      '02:00.0': display(6, { facts: { bootVga: true } }),
    },
  },
  {
    name: 'a bridge that leads nowhere',
    reads: 88,
    board: {
      '00:01.0': oldBridge(0, 0),
      '00:02.0': oldBridge(3, 3),
      '03:00.0': oldBridge(3, 3),
      '03:01.0': oldBridge(2, 9),
      '03:02.0': NIC,
      '02:00.0': NIC,
    },
    ...{ known: null, policy: BRIDGES_TOO, performed: false },
  },
  {
    name: 'two bridges that claim one bus',
    reads: 77,
    board: { '00:01.0': oldBridge(1), '00:02.0': oldBridge(1), '01:00.0': { ...NIC, stuck: true } },
    ...{ known: null, policy: BRIDGES_TOO, performed: false },
    check: ({ writes }) => differs('writes', writes, ['100+4/2=402', '10+4/2=403']),
  },
  {
    name: 'behind a bridge that sleeps',
    reads: 8151,
    board: {
      '00:01.0': oldBridge(1, 4),
      '01:00.0': {
        ...{ ...oldBridge(2, 3), command: 0x0003, raw: [[0x1b, 0x41]] },
        capabilities: [{ kind: 'pm', state: 3 }],
      },
      '01:01.0': { ...oldBridge(4), capabilities: [{ kind: 'pm' }] },
      '02:00.0': NIC,
      '03:00.0': NIC,
      '04:00.0': NIC,
    },
    ...{ known: null, policy: BRIDGES_TOO, options: { scanAll: true } },
  },
  {
    name: 'the one device below a port',
    reads: 167,
    board: {
      '00:01.0': rootPort(1),
      '00:02.0': oldBridge(2),
      '00:03.0': { ...rootPort(3), capabilities: [{ kind: 'express', type: 6 }] },
      '00:04.0': { ...rootPort(4), capabilities: [{ kind: 'express', type: 5 }] },
      '01:00.0': { ...NIC, multiFunction: true },
      '01:00.7': NIC,
      '02:01.0': NIC,
      '03:00.0': NIC,
      '04:00.0': { ...NIC, multiFunction: true },
      '04:00.3': NIC,
    },
    ...{ known: null, policy: BRIDGES_TOO },
  },
  {
    name: 'functions of a device',
    reads: 78,
    board: {
      '00:01.0': { ...NIC, multiFunction: true },
      '00:01.1': NIC,
      '00:01.7': NIC,
      '00:02.0': { ...NIC, multiFunction: true, command: 0 },
      '00:02.3': NIC,
      '00:1f.0': { ...NIC, multiFunction: true },
      '00:1f.7': NIC,
    },
    known: null,
  },
  {
    name: 'functions beside one of one',
    reads: 36,
    board: { '00:01.0': NIC, '00:01.1': NIC, '00:02.1': NIC },
    ...{ known: null, performed: false },
    check: ({ writes }) => differs('writes', writes, ['8+4/2=402']),
  },
  {
    name: 'functions that are known beside one of one',
    reads: 268,
    board: { '00:01.0': NIC, '00:01.1': NIC, '00:02.1': NIC },
  },
];

const NOTHING: Functions = { '00:00.0': HOST_BRIDGE };
const CHANGED: readonly KillCase[] = [
  {
    name: 'another function since',
    ticksFrom: 7 * 2 ** 32,
    reads: 47,
    board: {
      ...NOTHING,
      '00:03.0': { ...NIC, device: 2, capabilities: [{ kind: 'pm' }, cap.MSI, { kind: 'express' }] },
    },
    known: { ...NOTHING, '00:03.0': { ...NIC, capabilities: [cap.MSIX, cap.MSI] } },
  },
  {
    name: 'other capabilities since',
    reads: 41,
    board: { ...NOTHING, '00:03.0': { ...NIC, capabilities: [{ kind: 'vendor', length: 24 }, cap.MSI] } },
    known: { ...NOTHING, '00:03.0': { ...NIC, capabilities: [cap.MSI, cap.MSIX] } },
    performed: false,
    check: ({ writes }) => differs('writes', writes, ['18+4/2=402']),
  },
  {
    name: 'what looks like messages since',
    reads: 41,
    board: {
      ...NOTHING,
      '00:03.0': {
        ...NIC,
        raw: [
          [0x42, 0x01],
          [0x4f, 0x80],
        ],
        capabilities: [{ kind: 'vendor', length: 24 }],
      },
    },
    known: { ...NOTHING, '00:03.0': { ...NIC, capabilities: [cap.MSI, cap.MSIX] } },
    performed: false,
    check: ({ writes }) => differs('writes', writes, ['18+4/2=402']),
  },
  ...(
    [
      [cap.PM, cap.MSIX],
      [cap.EXPRESS, cap.MSIX],
      [cap.PM, cap.EXPRESS, cap.MSI],
    ] as const
  ).map(
    (before, n): KillCase => ({
      name: `moved by new firmware ${n}`,
      board: { ...NOTHING, '00:03.0': { ...NIC, capabilities: [cap.MSI, cap.EXPRESS, cap.PM, cap.MSIX] } },
      known: { ...NOTHING, '00:03.0': { ...NIC, capabilities: before } },
    }),
  ),
  {
    name: 'more functions since',
    reads: 208,
    board: { ...DEEP, '00:05.0': NIC, '01:09.0': NIC },
    known: DEEP,
    policy: BRIDGES_TOO,
  },
  {
    name: 'one is gone, and may come back',
    reads: 193,
    board: Object.fromEntries(Object.entries(DEEP).filter(([slot]) => slot !== '03:00.0')),
    ...{ known: DEEP, policy: BRIDGES_TOO, performed: false },
    check: ({ writes }) =>
      differs('writes', writes, ['208+4/2=402', '400+4/2=402', '108+4/2=402', '10+4/2=402', '110+4/2=403']),
  },
  {
    name: 'known from 64 bytes',
    reads: 233,
    board: FAILING,
    known: Object.fromEntries(
      Object.entries(FAILING).map(([slot, fn]) => [slot, { ...fn, size: 64 as const }]),
    ),
  },
  { name: 'what fails, known', reads: 196, board: FAILING },
];

export const MACHINE_CASES: readonly KillCase[] = [...SCAN, ...POLICIES, ...OBSERVED, ...NORMAL, ...CHANGED];
