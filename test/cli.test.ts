import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSysfs } from '../src/host/sysfs.js';
import { SHOOTDOWN, shootdown } from './support/cli.js';
import { encodeFunction, formatDump } from './support/encode.js';
import { buildFakeSysfs, type FakeSysfs } from './support/fake-sysfs.js';

const NIC = { classCode: 0x020000, command: 0x0006, interruptPin: 1 } as const;
const nic = encodeFunction({ ...NIC, capabilities: [{ kind: 'msix', enable: true }, { kind: 'express' }] });

let folder = '';
let tree: FakeSysfs;
let dump = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-cli-'));
  tree = buildFakeSysfs({
    functions: [
      { slot: '0000:00:02.0', config: nic },
      { slot: '0000:00:03.0', config: nic, driver: 'e1000e' },
      { slot: '0000:00:04.0', config: encodeFunction({ ...NIC, command: 0x0402 }) },
    ],
  });
  dump = join(folder, 'dump.txt');
  writeFileSync(dump, formatDump([{ slot: '00:02.0', bytes: nic }]));
});
afterEach(() => {
  tree.remove();
  rmSync(folder, { recursive: true, force: true });
});

const host = () => ['--host', `sysfs:${tree.root}`];
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe('exit statuses', () => {
  it.each([
    [['--version'], 0],
    [['--help'], 0],
    [['audit', '--help'], 0],
    [['nonsense'], 64],
    [['audit', '--nonsense'], 64],
    [['audit', '--for', 'tea'], 64],
    [['audit', '-F', 'DUMP', '-s', 'zz'], 64],
    [['audit', '-F', 'DUMP', '--host', 'sysfs'], 64],
    [['audit', '--host', 'nonsense:1'], 64],
    [['audit', '--host', 'sim:nonsense'], 64],
    [['audit', '-F', '/nowhere/at/all'], 1],
    [['audit', '-F', 'DUMP', '-s', '7f:00.0'], 1],
    [['audit', '-F', 'DUMP', '--fail-on', 'never'], 0],
    [['audit', '-F', 'DUMP', '--fail-on', 'warning'], 2],
    [['plan', '-F', 'DUMP'], 0],
    [['plan', '--at', 'between', '-F', 'DUMP'], 2],
    [['apply', '-F', 'DUMP'], 1],
    [['restore', '/nowhere/at/all'], 1],
  ] as [string[], number][])('%j is %i', (args, status) => {
    const result = shootdown(args.map((arg) => (arg === 'DUMP' ? dump : arg)));
    expect(result).toMatchObject({ status });
    if (status === 1 || status === 64) {
      expect(result.stdout).toBe('');
      expect(result.stderr).not.toMatch(/\n\s+at /);
      if (status === 1) expect(result.stderr).toMatch(/^shootdown: [^\n]+\n$/);
    }
  });
});

describe('audit', () => {
  it('prints the JSON that other tools rely on', () => {
    const result = json(shootdown(['audit', '--json', ...host()]).stdout);
    expect(result['schema']).toBe('shootdown.audit/1');
    expect((result['functions'] as object[])[0]).toMatchObject({
      slot: '0000:00:02.0',
      vendor: '8086',
      device: '1234',
      class: '020000',
      headerType: 0,
      visibleBytes: 256,
      busMaster: true,
      intxDisable: false,
      msi: null,
      msix: { enable: true, masked: false },
      transactionsPending: false,
      powerState: null,
      driver: null,
      verdict: 'live',
    });
    expect(
      (result['findings'] as { id: string; slot: string }[]).filter(({ slot }) => slot)[0],
    ).toMatchObject({
      id: 'SD001',
      slot: '0000:00:02.0',
      severity: 'error',
    });
  });

  it('limits itself to what is selected', () => {
    const { stdout } = shootdown(['audit', '--json', '-s', '00:03', ...host()]);
    const { functions, findings } = json(stdout) as {
      functions: { slot: string }[];
      findings: { slot: string | null }[];
    };
    expect(functions.map(({ slot }) => slot)).toEqual(['0000:00:03.0']);
    expect(findings.every(({ slot }) => slot === null || slot === '0000:00:03.0')).toBe(true);
  });

  it('lets no control character of a dump or tree reach the terminal', () => {
    const evil = '\u001b]0;owned\u0007\u009b31m\u202e';
    const hostile = file(
      'evil.txt',
      `${formatDump([{ slot: '00:02.0', title: evil, bytes: nic }])}${evil}\n00: zz${evil}\n`,
    );
    const other = buildFakeSysfs({
      functions: [{ slot: '0000:00:02.0', config: nic, driver: evil.replaceAll('/', '') }],
    });
    try {
      for (const args of [
        ['-F', hostile],
        ['--host', `sysfs:${other.root}`],
        ['-F', join(folder, `no${evil}`)],
      ]) {
        const { stdout, stderr } = shootdown(['audit', '--all', ...args]);
        expect(stdout + stderr).toMatch(/^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]*$/);
      }
    } finally {
      other.remove();
    }
  });

  it('fits the terminal', () => {
    for (const width of [80, 120]) {
      const { stdout } = shootdown(['audit', '--all', '--host', 'sim:server'], { COLUMNS: String(width) });
      const table = stdout.split('\n').filter((line) => /^(slot|0000:)/.test(line));
      expect(table.length).toBeGreaterThan(10);
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(width);
    }
  });

  it('ends quietly when its reader has seen enough', () => {
    const { stderr } = spawnSync(
      'sh',
      ['-c', `${process.execPath} ${SHOOTDOWN} audit --all --json --host sim:server | head -1`],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr).toBe('');
  });
});

describe('plan and apply', () => {
  it("prints setpci's notation and writes nothing on a dry run", () => {
    const before = tree.snapshot();
    const { stdout, status } = shootdown(['apply', '--dry-run', ...host()]);
    expect(stdout).toBe(
      'setpci -s 0000:00:02.0 COMMAND=0400:0404\n' +
        '# wait until setpci -s 0000:00:02.0 56.w has 0020 clear\n' +
        'setpci -s 0000:00:02.0 42.w=4000:c000\n',
    );
    expect(status).toBe(2);
    expect(tree.snapshot()).toEqual(before);
  });

  it('performs a plan from a file, on that machine only', () => {
    const plan = file('plan.json', shootdown(['plan', '--json', ...host()]).stdout);
    const journal = join(folder, 'j.ndjson');
    const other = buildFakeSysfs({ functions: [{ slot: '0000:00:02.0', config: nic }] });
    try {
      const wrong = shootdown([
        'apply',
        '--plan',
        plan,
        '--host',
        `sysfs:${other.root}`,
        '--journal',
        journal,
      ]);
      expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining('make a new plan') });
      expect(existsSync(journal)).toBe(false);
    } finally {
      other.remove();
    }
    const before = tree.snapshot();
    const applied = shootdown(['apply', '--plan', plan, '--json', ...host(), '--journal', journal]);
    expect(applied.status).toBe(0);
    expect(json(applied.stdout)).toMatchObject({
      schema: 'shootdown.journal/1',
      end: 'complete',
      file: journal,
      stillLive: ['0000:00:03.0'],
    });
    expect(tree.snapshot()).not.toEqual(before);
    // The machine has changed since, but only in what such a plan changes: doing it again does no harm.
    expect(shootdown(['apply', '--plan', plan, ...host(), '--journal', join(folder, 'k')]).status).toBe(0);
    expect(shootdown(['restore', journal, ...host()])).toMatchObject({ status: 0 });
    expect(tree.snapshot()).toEqual(before);
  });

  it('keeps its journals where they are found again', () => {
    const state = join(folder, 'state');
    const env = { STATE_DIRECTORY: state };
    const before = tree.snapshot();
    expect(shootdown(['apply', ...host()], env)).toMatchObject({ status: 0 });
    expect(readdirSync(state)).toEqual([expect.stringMatching(/^journal-\d{8}T\d{6}Z-\d+\.ndjson$/)]);
    expect(shootdown(['restore', ...host()], env)).toMatchObject({ status: 0 });
    expect(tree.snapshot()).toEqual(before);
    expect(shootdown(['restore', ...host()], { STATE_DIRECTORY: join(folder, 'none') })).toMatchObject({
      status: 1,
    });
  });

  it('does nothing, and leaves no journal, where nothing is to be done', () => {
    const journal = join(folder, 'j.ndjson');
    const result = shootdown(['apply', '-s', '00:04.0', ...host(), '--journal', journal]);
    expect(result).toMatchObject({ status: 0, stdout: expect.stringContaining('Nothing to stop') });
    expect(existsSync(journal)).toBe(false);
  });

  it('refuses to start while another run is at work', async () => {
    const lock = createServer();
    const opened = openSysfs({ root: tree.root });
    await new Promise<void>((resolve) => lock.listen(`\0shootdown-${opened.lockName}`, resolve));
    try {
      const result = shootdown(['apply', ...host(), '--journal', join(folder, 'j')]);
      expect(result).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('another shootdown is at work'),
      });
    } finally {
      lock.close();
      await opened.close();
    }
  });

  it('stops on SIGINT with a journal that restores', { timeout: 60_000 }, async () => {
    // One whose transactions never come to an end: the run is still at work whenever the signal gets there.
    const stuck = encodeFunction({ ...NIC, capabilities: [{ kind: 'express', transactionsPending: true }] });
    const functions = Array.from({ length: 200 }, (_, i) => {
      const device = (i >> 3).toString(16).padStart(2, '0');
      return { slot: `0000:00:${device}.${i & 7}`, config: i === 0 ? stuck : nic };
    });
    const rule = { action: 'gate', reason: 'everything goes' };
    const bounds = { pendingTimeoutMs: 60_000, stepTimeoutMs: 1000 };
    const patient = { schema: 'shootdown.policy/1', name: 'patient', rules: [], otherwise: rule, bounds };
    const large = buildFakeSysfs({ functions });
    try {
      const before = large.snapshot();
      const journal = join(folder, 'j.ndjson');
      const child = spawn(process.execPath, [
        ...[SHOOTDOWN, 'apply', '--policy', file('patient.json', JSON.stringify(patient))],
        ...['--host', `sysfs:${large.root}`, '--journal', journal],
      ]);
      while (!existsSync(journal)) await new Promise((resolve) => setTimeout(resolve, 1));
      child.kill('SIGINT');
      const status = await new Promise((resolve) => child.on('close', resolve));
      expect(status).toBe(3);
      expect(readFileSync(journal, 'utf8')).toContain('{"end":"interrupted"}');
      expect(large.snapshot()).not.toEqual(before);
      expect(shootdown(['restore', journal, '--host', `sysfs:${large.root}`])).toMatchObject({ status: 0 });
      expect(large.snapshot()).toEqual(before);
    } finally {
      large.remove();
    }
  });
});

describe('bad policies', () => {
  it('names the file, the place and what belongs there', () => {
    const policy = file(
      'p.json',
      JSON.stringify({
        schema: 'shootdown.policy/1',
        name: 'x',
        rules: [{ id: 'a', match: {}, action: 'shoot', reason: 'r' }],
        otherwise: { action: 'gate', reason: 'r' },
      }),
    );
    for (const command of ['audit', 'plan', 'apply']) {
      const { status, stderr } = shootdown([command, '--policy', policy, ...host()]);
      expect(status).toBe(1);
      expect(stderr).toBe(
        `shootdown: ${policy}: not a valid policy: rules.0.action: is "shoot", must be ("exempt" | "preserve" | "gate" | "unbind" | "reset")\n`,
      );
    }
  });
});

describe('demo', () => {
  it.each(['laptop', 'hpe-like', 'ia64', 'loongson-like'])('goes through on %s', (name) => {
    const { status, stdout, stderr } = shootdown(['demo', '--machine', name], { COLUMNS: '80' });
    expect([status, stderr]).toEqual([0, '']);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(stdout.includes('byte for byte')).toBe(!/^0 registers restored/m.test(stdout));
    const [, fourth = ''] = /^4\. (.*?)^5\. /ms.exec(stdout) ?? [];
    const said = fourth.replace(/\s+/g, ' ');
    if (said.includes('The next kernel is clean')) return;
    expect(said).toMatch(/Not held against ours: \S+ is lost to \w+: .*\(remote-irr\)\./);
  });

  it('shows the jump with and without, and says that it ended well', () => {
    const { status, stdout } = shootdown(['demo']);
    expect(status).toBe(0);
    expect(stdout).toContain('nobody cared');
    expect(stdout).toContain('The next kernel is clean');
    expect(stdout).toContain('byte for byte');
    expect(stdout).toMatch(/without: hung .* an NMI from firmware/);
    expect(stdout.split('\n').length).toBeLessThan(100);
  });
});
