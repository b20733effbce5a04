import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LabVerdict } from '../src/lab/verdict.js';
import { shootdown } from './support/cli.js';
import { labRun, labWanted, shootdownAsync } from './support/lab.js';

// Real Debian kernels in QEMU. What is not there fails, unless SHOOTDOWN_ALLOW_MISSING names lab or qemu-system-x86.

const KERNELS = ['6.1', '6.12'] as const;
const RUNS = {
  '6.1': [
    ['normal-driverless-nic', 'none'],
    ['apply-restore', 'ours'],
    ['crash-e1000', 'none'],
    ['crash-vmxnet3', 'none'],
  ],
  '6.12': [
    ['normal-edu', 'none'],
    ['normal-edu', 'ours'],
    ['crash-e1000e', 'none'],
    ['normal-intx', 'none'],
    ['normal-intx', 'ours'],
  ],
} as const;
const TIMEOUT_MS = 400_000;

const verdicts = new Map<string, Promise<LabVerdict>>();

function verdict(kernel: string, scenario: string, policy: string): Promise<LabVerdict> {
  const found = verdicts.get(`${kernel} ${scenario} ${policy}`);
  return found ?? Promise.reject(new Error(`not run: ${kernel} ${scenario} ${policy}`));
}

/** One guest after the other for each kernel, both kernels side by side. */
function startRuns(kernel: keyof typeof RUNS): void {
  let last: Promise<unknown> = Promise.resolve();
  for (const [scenario, policy] of RUNS[kernel]) {
    const one = last.then(() => labRun(scenario, kernel, policy));
    last = one.catch(() => {});
    verdicts.set(`${kernel} ${scenario} ${policy}`, one);
    one.catch(() => {});
  }
}

function expectUp({ next, console: findings, kernel }: LabVerdict): void {
  expect(next).toMatchObject({ up: true, release: kernel.release });
  expect(findings).toEqual([]);
}

function functionAt(seen: LabVerdict, ids: string) {
  return seen.functions.find((one) => one.ids === ids);
}

describe.skipIf(!labWanted())('Linux guests', () => {
  beforeAll(async () => {
    const prepared = await shootdownAsync(['lab', 'prepare', '--json']);
    expect(prepared.stderr).toBe('');
    expect(prepared.status).toBe(0);
    const { kernels } = JSON.parse(prepared.stdout) as { kernels: { series: string }[] };
    expect(kernels.map(({ series }) => series)).toEqual(KERNELS);
    for (const kernel of KERNELS) startRuns(kernel);
  }, TIMEOUT_MS);

  it(
    'normal, 6.1, control: Linux leaves a driverless NIC at work, and its frames land in the next kernel',
    async () => {
      const seen = await verdict('6.1', 'normal-driverless-nic', 'none');
      expectUp(seen);
      expect(seen.outcome).toBe('stray');
      expect(seen.stray).toMatchObject({ of: 'frames', sent: 100, aliveBefore: true });
      expect(seen.stray.landed).toBeGreaterThan(90);
      expect(functionAt(seen, '8086:100e')?.after).toMatchObject({ verdict: 'live' });
    },
    TIMEOUT_MS,
  );

  it(
    'normal, 6.1: after apply, restore and apply on a real /sys the same NIC is silent',
    async () => {
      const seen = await verdict('6.1', 'apply-restore', 'ours');
      expectUp(seen);
      expect(seen.outcome).toBe('clean');
      expect(seen.apply).toMatchObject({ restored: true, live: 0 });
      expect(seen.stray).toMatchObject({ sent: 100, landed: 0, aliveBefore: true });
      expect(functionAt(seen, '8086:100e')?.after).toMatchObject({ verdict: 'quiet', intxDisabled: true });
    },
    TIMEOUT_MS,
  );

  it(
    'normal, 6.12, control: a driverless device that is told to write does',
    async () => {
      const seen = await verdict('6.12', 'normal-edu', 'none');
      expectUp(seen);
      expect(seen).toMatchObject({ outcome: 'stray', stray: { of: 'edu', sent: 5, landed: 5 } });
    },
    TIMEOUT_MS,
  );

  it(
    'normal, 6.12: after apply it does not',
    async () => {
      const seen = await verdict('6.12', 'normal-edu', 'ours');
      expectUp(seen);
      expect(seen).toMatchObject({
        outcome: 'clean',
        stray: { of: 'edu', sent: 5, landed: 0, aliveBefore: true },
      });
    },
    TIMEOUT_MS,
  );

  for (const [kernel, scenario, ids] of [
    ['6.1', 'crash-e1000', '8086:100e'],
    ['6.1', 'crash-vmxnet3', '15ad:07b0'],
    ['6.12', 'crash-e1000e', '8086:10d3'],
  ] as const) {
    it(
      `crash, ${kernel}: without us ${scenario} goes on writing into memory`,
      async () => {
        const seen = await verdict(kernel, scenario, 'none');
        expectUp(seen);
        expect(seen.outcome).toBe('stray');
        expect(seen.stray.sent).toBe(100);
        expect(seen.stray.landed).toBeGreaterThan(90);
        expect(functionAt(seen, ids)?.after).toMatchObject({ verdict: 'live' });
      },
      TIMEOUT_MS,
    );
  }

  it(
    'normal, 6.12, control: INTx that nobody serves costs the next kernel the line',
    async () => {
      const { next, outcome, console: findings } = await verdict('6.12', 'normal-intx', 'none');
      expect(next.up).toBe(true);
      expect(outcome).toBe('irq-storm');
      expect(findings.map(({ problem }) => problem)).toContain('nobody-cared');
    },
    TIMEOUT_MS,
  );

  it(
    'normal, 6.12: after apply the line is quiet',
    async () => {
      const seen = await verdict('6.12', 'normal-intx', 'ours');
      expectUp(seen);
      expect(seen.outcome).toBe('clean');
      expect(functionAt(seen, '1234:11e8')?.before).toMatchObject({
        intxAsserted: true,
        intxDisabled: false,
      });
      expect(functionAt(seen, '1234:11e8')?.after).toMatchObject({ intxAsserted: true, intxDisabled: true });
    },
    TIMEOUT_MS,
  );

  it(
    'a run leaves its console, its trace, its verdict and how to repeat it',
    async () => {
      const { folder } = await verdict('6.1', 'apply-restore', 'ours');
      for (const name of [
        'guest_console.txt',
        'pci_cfg_write.trace',
        'verdict.json',
        'command.sh',
        'journal.ndjson',
      ]) {
        expect(existsSync(join(folder, name)), name).toBe(true);
      }
    },
    TIMEOUT_MS,
  );
});

describe('the lab refuses', () => {
  it('an unknown scenario, and names those that there are', () => {
    const { status, stderr } = shootdown(['lab', 'run', 'nonsense']);
    expect(status).toBe(64);
    expect(stderr).toMatch(/no scenario is called nonsense: .*crash-e1000/);
  });

  it('to run offline what was never prepared', () => {
    const { status, stderr } = shootdown(['lab', 'prepare', '--offline'], { XDG_CACHE_HOME: '/nonexistent' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/nothing is prepared yet: run shootdown lab prepare/);
  });
});
