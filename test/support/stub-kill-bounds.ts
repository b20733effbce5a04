import { BLOCK } from '../../src/image/layout.js';
import { hex } from '../../src/pci/slot.js';
import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import type { BoardFunction } from './stub-board.js';
import type { KillCase, Seen } from './stub-kill.js';
import { BRIDGES_TOO, HOST_BRIDGE, NIC, rootPort, VIRTUAL } from './stub-kill-boards.js';
import { differs, type Expected } from './stub-kill-oracle.js';
import { CRASH } from './stub-run.js';

// What ends a walk early, what interrupts it, and what a record has room for.

const BOARD = {
  '00:00.0': HOST_BRIDGE,
  '00:03.0': { ...NIC, capabilities: [{ kind: 'pm' }, { kind: 'msi', enable: true }, { kind: 'express' }] },
} as const;
const SMALL = { board: BOARD, known: null } satisfies Partial<KillCase>;
const NMI = 2;
const VECTORS = 32;

const accessesOf = ({ run }: Seen) => run.image.ports.trace.length;

const accesses = (maxAccesses: number, phase: Expected['phase']): KillCase => ({
  ...{ name: `${maxAccesses} accesses`, ...SMALL, performed: false, options: { maxAccesses } },
  record: { end: 'accesses', phase },
  check: (seen) => differs('accesses', accessesOf(seen), maxAccesses),
});

/** Bridges are to be gated, too; transactions of one function stay pending. */
const SLOW: KillCase['board'] = {
  '00:00.0': HOST_BRIDGE,
  '00:01.0': {
    ...NIC,
    capabilities: [
      { kind: 'pm' },
      { kind: 'msi', enable: true },
      { kind: 'express', transactionsPending: true },
    ],
  },
  '00:02.0': rootPort(1),
  '00:03.0': rootPort(2),
  '01:00.0': NIC,
  '02:00.0': NIC,
};

interface Timed extends Partial<KillCase> {
  readonly board: KillCase['board'];
  /** Where time ran out, as the record has it. */
  readonly last?: string;
  readonly wrote?: string;
}
const timed = (walkTicks: number, { last, wrote, policy = BRIDGES_TOO, ...rest }: Timed): KillCase => ({
  ...{ name: `${walkTicks} ticks`, known: null, performed: false, options: { tscKhz: 1 }, ...rest },
  policy: { ...policy, between: { ...policy.between, walkTimeoutMs: walkTicks } },
  check: (seen) => [
    ...(last === undefined ? [] : differs('at', seen.record?.last, last)),
    ...(wrote === undefined ? [] : differs('writes', seen.writes.join(' '), wrote)),
    ...(rest.check?.(seen) ?? []),
  ],
});
const many = (fn: BoardFunction): KillCase['board'] =>
  Object.fromEntries([...Array(30).keys()].map((n) => [`00:${hex(n, 2)}.0`, fn]));

const CUT = { end: 'time', phase: 'discover' } as const;
/** Costs more to stop than to find. */
const BUSY = {
  ...NIC,
  capabilities: [{ kind: 'msi', enable: true }, { kind: 'msix', enable: true }, { kind: 'express' }],
} as const;

const STOP = { ...defaultPolicy(), onFailure: 'stop' } as const;
const stopped = (name: string, fails: KillCase['board'], phase: Expected['phase']): KillCase => ({
  ...{ name: `stops where ${name}`, board: { ...fails, '00:1f.0': NIC }, known: null, policy: STOP },
  record: { end: 'stopped', phase },
});

/** Before each access. */
export const waited = (ticks: number) => (seen: Seen) => {
  const all = Number(seen.record?.time.ticks ?? 0);
  return all >= accessesOf(seen) * (ticks + 2000) ? [] : [`only ${all} ticks`];
};

const BOUNDS: readonly KillCase[] = [
  accesses(1, 'discover'),
  accesses(20, 'discover'),
  timed(100_000, { board: SLOW, record: CUT, last: '0000:00:14.0', wrote: '8+4/2=402 8+4a/2=0' }),
  timed(140_000, { board: SLOW, record: CUT, last: '0000:02:00.0', wrote: '100+4/2=402 8+4/2=402 8+4a/2=0' }),
  timed(140_000, {
    ...{ name: 'bridges are exempt, and stay so', board: SLOW, record: CUT, policy: defaultPolicy() },
    check: ({ record }) =>
      differs('live below', record?.entries.filter(({ outcome }) => outcome === 'liveBelow').length, 0),
  }),
  timed(150_000, { board: SLOW }),
  timed(400_000, {
    board: VIRTUAL,
    known: VIRTUAL,
    record: CUT,
    wrote: '180+4/2=400 100+4/2=402 100+4a/2=4004 180+42/2=4002',
  }),
  timed(100_000, { board: many({ ...NIC, capabilities: [{ kind: 'pm' }] }), record: CUT }),
  timed(100_000, {
    ...{ board: many(BUSY), record: { end: 'time', phase: 'messages' } },
    check: ({ writes }) => differs('writes', writes.length, 8),
  }),
  timed(900_000, { board: many(BUSY), known: many(BUSY), ticksFrom: 7 * 2 ** 32 }),
  {
    ...{ name: 'slow', ...SMALL, options: { slowTicks: 5000n } },
    check: waited(5000),
  },
  {
    name: 'tells port 80',
    ...SMALL,
    options: { progress: true },
    check: ({ run }) => differs('port 80', run.image.ports.progress, [0xd0, 0xd1, 0xd2, 0xd3, 0xd4]),
  },
  {
    name: 'says nothing to port 80',
    ...SMALL,
    check: ({ run }) => differs('port 80', run.image.ports.progress, []),
  },
  stopped('BME stays', { '00:02.0': { ...NIC, stuck: true } }, 'gate'),
  stopped('one vanishes', { '00:02.0': { ...NIC, vanishes: 'command' } }, 'gate'),
  stopped('one interrupts', { '00:02.0': { ...NIC, noIntxDisable: true, status: 8 } }, 'gate'),
  stopped(
    'requests are pending',
    {
      '00:02.0': {
        ...NIC,
        capabilities: [
          { kind: 'express', transactionsPending: true },
          { kind: 'msi', enable: true },
        ],
      },
    },
    'wait',
  ),
  stopped(
    'one vanishes while it is waited for',
    {
      '00:02.0': { ...NIC, vanishesAtPoll: true, polls: 1, capabilities: [{ kind: 'express' }] },
      '00:03.0': { ...NIC, capabilities: [{ kind: 'msi', enable: true }] },
    },
    'wait',
  ),
  ...(['msi', 'msix'] as const).map((kind) =>
    stopped(
      `${kind} stays`,
      {
        '00:02.0': { ...NIC, stuckMessages: true, capabilities: [{ kind, enable: true }] },
        '00:03.0': { ...NIC, capabilities: [{ kind, enable: true }] },
      },
      'messages',
    ),
  ),
  ...(['msi', 'msix'] as const).map((kind) =>
    stopped(
      `one vanishes with its ${kind}`,
      {
        '00:02.0': { ...NIC, vanishes: 'messages', capabilities: [{ kind, enable: true }] },
        '00:03.0': { ...NIC, capabilities: [{ kind, enable: true }] },
      },
      'messages',
    ),
  ),
];

/** At this instruction, in a run without failures. */
const interrupted = (before: number, vector: number, record: Partial<Expected>): KillCase => ({
  ...{ name: `vector ${vector} before instruction ${before}`, ...SMALL },
  ...(vector === NMI ? {} : { performed: false }),
  options: {
    entry: {
      commandLine: CRASH,
      injections: [{ before, vector, ...(ERROR_CODE.has(vector) ? { errorCode: 0 } : {}) }],
    },
  },
  record,
});
const ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17, 21, 29, 30]);
const EXCEPTION = { end: 'exception', phase: 'discover' } as const;

const INTERRUPTS: readonly KillCase[] = [
  // Not 23, OUT to port CF8 itself: it is not tried a second time.
  ...[22, 24, 25, 26, 27, 28, 29].map((exceptionBeforeEnd) => ({
    ...{ name: `exception ${exceptionBeforeEnd} before the end`, ...SMALL, exceptionBeforeEnd },
  })),
  ...[30, 31, 32, 33, 34, 35, 36, 60, 400].map(
    (exceptionBeforeEnd): KillCase => ({
      ...{ name: `exception ${exceptionBeforeEnd} before the end`, ...SMALL, exceptionBeforeEnd },
      ...{ performed: false, record: 'none' },
    }),
  ),
  ...Array.from({ length: VECTORS }, (_, vector) => vector)
    .filter((vector) => vector !== NMI)
    .map((vector) => interrupted(4000 + 37 * vector, vector, { ...EXCEPTION, vector })),
  ...[3000, 3500, 5000, 7000].map((before) => interrupted(before, NMI, { nmis: 1 })),
  {
    ...{ name: 'NMIs without end', ...SMALL, record: { nmis: 255 } },
    options: {
      entry: {
        commandLine: CRASH,
        injections: Array.from({ length: 300 }, (_, n) => ({ before: 3000 + 7 * n, vector: NMI })),
      },
    },
  },
];

/** Multi-function devices on bus 0, each function a bus master. */
const masters = (count: number): KillCase['board'] =>
  Object.fromEntries(
    Array.from({ length: count }, (_, n) => [
      `00:${(n >> 3).toString(16).padStart(2, '0')}.${n & 7}`,
      { ...NIC, multiFunction: true },
    ]),
  );
const listed =
  (count: number) =>
  ({ record }: Seen) =>
    differs('listed', record?.entries.length, count);

const ROOM: readonly KillCase[] = [
  {
    ...{ name: 'a summary cut short', board: masters(24), known: null, performed: false },
    options: { entry: { commandLine: 'quiet' } },
    record: { summary: true, template: false, jump: 'normal', truncated: true },
    check: (seen) => [...listed(18)(seen), ...differs('in all', seen.record?.counts.entries, 24)],
  },
  {
    ...{ name: 'a summary that just fits', board: masters(18), known: null },
    options: { entry: { commandLine: 'quiet' } },
    record: { summary: true, template: false, jump: 'normal' },
    check: listed(18),
  },
  {
    ...{ name: 'no room for words', board: masters(3), known: null, options: { tool: 'x'.repeat(9000) } },
    record: { template: false },
    check: listed(3),
  },
  {
    ...{ name: 'room for the words and no more', board: masters(3), known: null, performed: false },
    options: { tool: 'x'.repeat(7000) },
    record: {},
    check: listed(3),
  },
  {
    ...{ name: 'no room in the list', board: masters(9), known: null, performed: false },
    change: (view) => {
      const block = Buffer.from(view.buffer).lastIndexOf(BLOCK.magic);
      view.setUint32(block + BLOCK.scratchEntries, 5, true);
    },
    record: { end: 'room', phase: 'discover' },
    check: listed(5),
  },
];

export const BOUND_CASES: readonly KillCase[] = [...BOUNDS, ...INTERRUPTS, ...ROOM];
