import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../src/host/clock.js';
import type { ChainVerdict } from '../src/lab/chain.js';
import { Qmp } from '../src/lab/qmp.js';
import type { LabVerdict } from '../src/lab/verdict.js';
import { SHOOTDOWN, shootdown } from './support/cli.js';
import { endCommands, labRun, labWanted, RUN_TIMEOUT_MS, shootdownAsync } from './support/lab.js';

// Real Debian kernels in QEMU. What is not there fails, unless SHOOTDOWN_ALLOW_MISSING names lab or qemu-system-x86.

const KERNELS = ['6.1', '6.12'] as const;
const RUNS = {
  '6.1': [
    ['normal-driverless-nic', 'none'],
    ['apply-restore', 'ours'],
    ['crash-e1000', 'none'],
    ['crash-vmxnet3', 'none'],
    ['crash-vmxnet3', 'ours'],
  ],
  '6.12': [
    ['normal-edu', 'none'],
    ['normal-edu', 'ours'],
    ['crash-e1000e', 'none'],
    ['crash-e1000e', 'ours', 'load'],
    ['normal-edu', 'between'],
    ['normal-msi-off', 'none'],
    ['normal-msi-off', 'ours'],
  ],
} as const;
/** A test waits for one run at most, since those before it have ended, or for as much as a run may take. */
const TIMEOUT_MS = RUN_TIMEOUT_MS + 60_000;

const verdicts = new Map<string, Promise<LabVerdict>>();

function verdict(kernel: string, scenario: string, policy: string): Promise<LabVerdict> {
  const found = verdicts.get(`${kernel} ${scenario} ${policy}`);
  return found ?? Promise.reject(new Error(`not run: ${kernel} ${scenario} ${policy}`));
}

/** One guest after the other for each kernel, both kernels side by side. */
function startRuns(kernel: keyof typeof RUNS): void {
  let last: Promise<unknown> = Promise.resolve();
  for (const [scenario, policy, load] of RUNS[kernel]) {
    const one = last.then(() => labRun(scenario, kernel, policy, load));
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

/** What `attempt` gives once it does not fail any more. */
async function retried<T>(attempt: () => Promise<T> | T, ms = 20_000): Promise<T> {
  const until = clock.now() + ms;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (clock.now() > until) throw error;
      await clock.sleep(100);
    }
  }
}

/** A chain that nobody waits for the end of, and its folder. */
function startChain() {
  const args = ['lab', 'chain', '--jumps', '50', '--kernel', '6.1', '--offline'];
  const child = spawn(process.execPath, [SHOOTDOWN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const runs = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'shootdown/lab/runs');
  const folder = () => {
    const name = readdirSync(runs).find((one) => one.includes(`-chain-6.1-none-${child.pid}-`));
    if (name === undefined) throw new Error(`the chain has no folder yet: ${stderr}`);
    return join(runs, name);
  };
  return { child, ended, folder, said: () => stderr };
}

describe.skipIf(!labWanted())('Linux guests', () => {
  beforeAll(async () => {
    const prepared = await shootdownAsync(['lab', 'prepare', '--json'], {}, RUN_TIMEOUT_MS);
    expect(prepared.stderr).toBe('');
    expect(prepared.status).toBe(0);
    const { kernels } = JSON.parse(prepared.stdout) as { kernels: { series: string }[] };
    expect(kernels.map(({ series }) => series)).toEqual(KERNELS);
    for (const kernel of KERNELS) startRuns(kernel);
  }, TIMEOUT_MS);
  afterAll(endCommands);

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

  for (const [kernel, scenario, ids] of [
    ['6.1', 'crash-vmxnet3', '15ad:07b0'],
    ['6.12', 'crash-e1000e', '8086:10d3'],
  ] as const) {
    it(
      `crash, ${kernel}: a wrapped capture kernel finds the card silent, says so, and can use it`,
      async () => {
        const seen = await verdict(kernel, scenario, 'ours');
        expectUp(seen);
        expect(seen.outcome).toBe('clean');
        expect(seen.stray).toMatchObject({ sent: 100, landed: 0, aliveBefore: true });
        expect(functionAt(seen, ids)?.before).toMatchObject({ verdict: 'live' });
        expect(functionAt(seen, ids)?.after).toMatchObject({ verdict: 'quiet', intxDisabled: true });
        expect(seen.flight).toMatchObject({ end: 'complete', summary: false, failed: 0, traceAgrees: true });
        expect(seen.flight?.gated).toBeGreaterThanOrEqual(1);
        expect(seen.uses).toEqual({ network: scenario === 'crash-vmxnet3' ? null : true, vmcore: true });
      },
      TIMEOUT_MS,
    );
  }

  it(
    'normal, 6.12: a wrapped kernel finds the driverless device silent, and has a summary of it',
    async () => {
      const seen = await verdict('6.12', 'normal-edu', 'between');
      expectUp(seen);
      expect(seen).toMatchObject({
        outcome: 'clean',
        stray: { of: 'edu', sent: 5, landed: 0, aliveBefore: true },
        flight: { end: 'complete', summary: true, traceAgrees: true },
      });
    },
    TIMEOUT_MS,
  );

  it(
    'normal, 6.12, control: the next kernel turns MSI off, and INTx that nobody serves costs it the line',
    async () => {
      const seen = await verdict('6.12', 'normal-msi-off', 'none');
      const { next, outcome, console: findings } = seen;
      expect(next.up).toBe(true);
      expect(outcome).toBe('irq-storm');
      expect(findings.map(({ problem }) => problem)).toContain('nobody-cared');
      const edu = functionAt(seen, '1234:11e8');
      expect(edu?.before).toMatchObject({ messages: true, intxDisabled: false, intxAsserted: false });
      expect(edu?.after).toMatchObject({ verdict: 'live', messages: false, intxDisabled: false });
    },
    TIMEOUT_MS,
  );

  it(
    'normal, 6.12: after apply the line is quiet',
    async () => {
      const seen = await verdict('6.12', 'normal-msi-off', 'ours');
      expectUp(seen);
      expect(seen.outcome).toBe('clean');
      const edu = functionAt(seen, '1234:11e8');
      expect(edu?.before).toMatchObject({ messages: true, intxDisabled: false });
      expect(edu?.after).toMatchObject({ verdict: 'quiet', messages: false, intxDisabled: true });
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
      expect(readdirSync(folder)).not.toContain('failure.txt');
    },
    TIMEOUT_MS,
  );

  it(
    'what a run with ours was made of is still there, and starts again',
    async () => {
      const { folder } = await verdict('6.1', 'apply-restore', 'ours');
      const child = spawn('sh', [join(folder, 'command.sh')], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit');
      const [own] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
      try {
        const qmp = await retried(() => Qmp.connect(join(own.trim(), 'qmp')));
        expect(await qmp.execute('query-status')).toMatchObject({ status: 'prelaunch' });
        qmp.close();
      } finally {
        child.kill('SIGKILL');
        await ended;
        rmSync(own.trim(), { recursive: true, force: true });
      }
    },
    TIMEOUT_MS,
  );

  it('a run that hangs is ended, and says what its console said', async () => {
    const hung = labRun('crash-e1000', '6.1', 'none', 'file', 8000);
    await expect(hung).rejects.toThrow(
      /status 1: not done within 8 s, and interrupted\nrun: .*\nshootdown: stopped\nthe console's last lines:\n/,
    );
  });

  it(
    'an interrupted chain keeps the jumps that were made',
    async () => {
      const chain = startChain();
      try {
        await retried(() => readFileSync(join(chain.folder(), 'jumps.ndjson')), RUN_TIMEOUT_MS);
      } finally {
        chain.child.kill('SIGINT');
      }
      expect(await chain.ended).toBe(1);
      const folder = chain.folder();
      expect(chain.said()).toContain(`run: ${folder}\nshootdown: interrupted\n`);
      const seen = JSON.parse(readFileSync(join(folder, 'verdict.json'), 'utf8')) as ChainVerdict;
      expect(seen).toMatchObject({ wanted: 50, stopped: 'interrupted', jumps: [{ number: 1 }] });
      const names = [
        'command.sh',
        'guest_console.txt',
        'jumps.ndjson',
        'pci_cfg_write.trace',
        'verdict.json',
      ];
      expect(readdirSync(folder).sort()).toEqual(names);
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
