import type { ChainVerdict } from '../../src/lab/chain.js';
import type { LabMatrix } from '../../src/lab/matrix.js';
import type { labPrepareSchema } from '../../src/lab/schema.js';
import type { LabVerdict } from '../../src/lab/verdict.js';
import type { Data } from '../../src/quiesce/schema-parts.js';
import { slotOf } from './memory-host.js';

// What the lab would say, with one of everything: running it takes QEMU and minutes.

const none = { sent: 0, landed: 0 };
const state = {
  command: '0507',
  verdict: 'live',
  intxAsserted: false,
  intxDisabled: true,
  messages: true,
  driver: 'e1000e',
} as const;

export const LAB_RUN: LabVerdict = {
  schema: 'shootdown.lab-run/1',
  scenario: 'crash-e1000e',
  title: 'a card that receives',
  jump: 'crash',
  policy: 'ours',
  load: 'file',
  kernel: { series: '6.12', release: '6.12.48-amd64', version: '6.12.48-1' },
  outcome: 'stray',
  stray: {
    of: 'frames',
    sent: 100,
    landed: 3,
    first: '0x1f00000',
    during: { sent: 20, landed: 1 },
    later: none,
    aliveBefore: true,
  },
  next: { up: true, release: '6.12.48-amd64', ended: null, toFirstLineS: 1.25, toReadyS: 7.5 },
  uses: { network: true, vmcore: null },
  console: [{ problem: 'nobody-cared', line: 'irq 11: nobody cared' }],
  functions: [
    { slot: slotOf('00:02.0'), ids: '8086:10d3', before: state, after: { ...state, driver: null } },
    { slot: slotOf('00:03.0'), ids: '1234:11e8', before: null, after: null },
  ],
  apply: { status: 2, gated: 1, stopped: 1, live: 1, seconds: 4.5, restored: true },
  flight: {
    end: 'complete',
    summary: false,
    functions: 9,
    gated: 3,
    failed: 0,
    accesses: 131,
    milliseconds: 1.8,
    traceAgrees: true,
  },
  seconds: { boot: 6.5, total: 20 },
  folder: '/var/lab/run',
};

export const LAB_RUN_STUCK: LabVerdict = {
  ...LAB_RUN,
  outcome: 'stuck',
  stray: { of: null, ...none, first: null, during: none, later: none, aliveBefore: false },
  next: { up: false, release: null, ended: 'guest-reset', toFirstLineS: null, toReadyS: null },
  console: [],
  apply: null,
  flight: null,
};

export const LAB_MATRIX: LabMatrix = {
  schema: 'shootdown.lab-matrix/1',
  interrupted: true,
  rows: [
    {
      ...{ scenario: 'crash-e1000e', jump: 'crash', machine: 'qemu', kernel: '6.1', policy: 'none' },
      ...{ outcome: 'clean', stray: { sent: 9, landed: 0 }, secondsToReady: 7.5, remark: '', tail: null },
      folder: '/var/lab/run',
    },
    {
      ...{ scenario: 'crash-e1000e', jump: 'crash', machine: 'qemu', kernel: '6.1', policy: 'ours' },
      ...{ outcome: 'failed', stray: null, secondsToReady: null, remark: 'no word', tail: 'Oops' },
      folder: null,
    },
  ],
};

export const LAB_CHAIN: ChainVerdict = {
  schema: 'shootdown.lab-chain/1',
  kernel: '6.1.0-41-amd64',
  policy: 'between',
  load: 'load',
  wanted: 2,
  jumps: [
    {
      ...{ number: 1, stray: false, toFirstLineS: 1.5, toReadyS: 6.25, applyS: null },
      ...{ e820Entries: 9, memoryKiB: 1_000_000, gated: 4, console: [] },
    },
  ],
  stopped: 'interrupted',
  folder: '/var/lab/chain',
};

export const LAB_PREPARE: Data<typeof labPrepareSchema> = {
  schema: 'shootdown.lab-prepare/1',
  folder: '/var/lab',
  kernels: [
    {
      ...{ series: '6.1', release: '6.1.0-41-amd64', version: '6.1.158-1', package: 'linux-image-6.1.0' },
      ...{ image: '/var/lab/vmlinuz', initramfs: '/var/lab/initramfs' },
    },
  ],
};
