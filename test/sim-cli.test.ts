import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHOOTDOWN, shootdown } from './support/cli.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-sim-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const json = (text: string) => JSON.parse(text);

describe('sim list', () => {
  it('names scenarios and policies', () => {
    const { status, stdout } = shootdown(['sim', 'list']);
    expect(status).toBe(0);
    expect(stdout).toContain('bridge-before-child');
    expect(stdout).toContain('ia64-2006');
    const told = json(shootdown(['sim', 'list', '--json']).stdout);
    expect(told.schema).toBe('shootdown.sim-list/1');
    expect(told.scenarios.length).toBeGreaterThanOrEqual(14);
    expect(told.policies).toHaveLength(10);
  });
});

describe('sim run', () => {
  it('shows the machine that hangs when the capture kernel reboots, and that it does not with the stub', () => {
    const none = shootdown(['sim', 'run', 'bridge-before-child']);
    expect(none.status).toBe(0);
    expect(none.stdout).toMatch(/hung/);
    expect(none.stdout).toMatch(/02:00\.0/);
    const ours = shootdown(['sim', 'run', 'bridge-before-child', '--policy', 'ours']);
    expect(ours.status).toBe(0);
    expect(ours.stdout).toMatch(/clean/);
    for (const line of [...none.stdout.split('\n'), ...ours.stdout.split('\n')])
      expect(line.length).toBeLessThanOrEqual(120);
  });

  it('gives the same run for the same seed, as JSON', () => {
    const args = ['sim', 'run', 'live-rings', '--seed', '7', '--json'];
    const [once, again] = [shootdown(args), shootdown(args)];
    expect(once.stdout).toBe(again.stdout);
    const { schema, runs } = json(once.stdout);
    expect(schema).toBe('shootdown.sim-run/1');
    expect(runs[0]).toMatchObject({ scenario: 'live-rings', policy: 'none', seed: 7, path: 'normal' });
    expect(runs[0].writers[0].firstAddress).toMatch(/^[0-9a-f]{16}$/);
    expect(runs[0].trace).toBeUndefined();
  });

  it('--trace tells everything', () => {
    const { stdout } = shootdown(['sim', 'run', 'live-rings', '--trace']);
    expect(stdout).toMatch(/dma +writes \d+ bytes at/);
    expect(stdout).toMatch(/config-write/);
    const { runs } = json(shootdown(['sim', 'run', 'live-rings', '--trace', '--json']).stdout);
    expect(runs[0].trace.length).toBeGreaterThan(100);
  });

  it('plays all of them', () => {
    const { status, stdout } = shootdown(['sim', 'run', 'all', '--policy', 'ours']);
    expect(stdout).not.toContain('NOT AS EXPECTED');
    expect(status).toBe(0);
  });

  it('ends with 2 where nothing is expected and it is not clean', () => {
    const { status, stdout } = shootdown(['sim', 'run', 'live-rings', '--path', 'crash']);
    expect(stdout).not.toContain('as expected');
    expect(status).toBe(2);
  });

  it('takes a file of one’s own, and says where it is wrong', () => {
    const text = readFileSync(new URL('../scenarios/live-rings.json', import.meta.url), 'utf8');
    const mine = file('mine.json', text);
    expect(shootdown(['sim', 'run', mine]).status).toBe(0);
    const bad = file('bad.json', text.replace('"secondary": "01"', '"secondary": "00"'));
    const { status, stderr } = shootdown(['sim', 'run', bad]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/bad\.json: not a valid scenario: machine\.functions/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it.each([
    [['sim', 'run'], 64, /say which scenario/],
    [['sim', 'run', 'nonsense'], 64, /no scenario is called nonsense/],
    [['sim', 'run', './nothing.json'], 1, /nothing\.json/],
    [['sim', 'run', 'live-rings', '--policy', 'magic'], 64, /magic/],
    [['sim', 'run', 'live-rings', '--seed', '-1'], 64, /whole number/],
    [['sim', 'run', 'live-rings', '--like', 'x'], 64, /--like/],
    [['sim', 'run', '--like', '/dev/zero'], 1, /larger than 64 MiB/],
    [['sim', 'run', '--like', '/nonexistent'], 1, /nonexistent/],
    [['sim', 'soak', '--jumps', '0'], 64, /whole number/],
    [['sim', 'soak', '--functions', '1000000'], 64, /whole number/],
    [['sim', 'matrix', '--scenario', 'nonsense'], 64, /no scenario/],
  ] as const)('%j: %i', (args, status, message) => {
    const result = shootdown(args);
    expect([result.status, result.stderr]).toEqual([status, expect.stringMatching(message)]);
  });
});

describe('sim run --like', () => {
  it('plays a crash of the machine that an audit or a dump shows', () => {
    const audit = file('audit.json', shootdown(['audit', '--host', 'sim:server', '--json']).stdout);
    const { status, stdout } = shootdown(['sim', 'run', '--like', audit]);
    expect(stdout).toContain('Nobody stops a device');
    expect(stdout).toContain('0000:01:00.0');
    expect(stdout).toMatch(/after\. The next kernel is clean/);
    expect(stdout).toContain('0000:00:02.0 stays live: boot display');
    expect(status).toBe(0);
    const { schema, none, ours } = json(shootdown(['sim', 'run', '--like', audit, '--json']).stdout);
    expect(schema).toBe('shootdown.sim-like/1');
    expect(none.verdict).not.toBe('clean');
    expect(ours.verdict).toBe('clean');
  });

  it('says what is neither', () => {
    const { status, stderr } = shootdown(['sim', 'run', '--like', file('text.txt', 'hello\n')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/text\.txt/);
  });
});

describe('sim matrix', () => {
  it('sets policies side by side, in any width', () => {
    for (const width of [80, 200]) {
      const args = ['sim', 'matrix', '--scenario', 'live-rings', 'bridge-before-child'];
      const { status, stdout } = shootdown(args, { COLUMNS: String(width) });
      expect(status).toBe(0);
      for (const policy of ['none', 'ia64-2006', 'ours']) expect(stdout).toContain(policy);
    }
    const { rows } = json(
      shootdown(['sim', 'matrix', '--scenario', 'live-rings', '--policy', 'none', 'ours', '--format', 'json'])
        .stdout,
    );
    expect(rows).toMatchObject([
      { scenario: 'live-rings', machine: 'sim', policy: 'none', outcome: 'corrupted', asExpected: true },
      { scenario: 'live-rings', machine: 'sim', policy: 'ours', outcome: 'clean', asExpected: true },
    ]);
  });
});

describe('sim soak', () => {
  const small = ['sim', 'soak', '--functions', '12', '--seed', '3'];

  it('goes on from where it was, and refuses the state of another', () => {
    const state = join(folder, 'state.json');
    const part = shootdown([...small, '--jumps', '10', '--state', state, '--json']);
    expect(part.status).toBe(0);
    const whole = shootdown([...small, '--jumps', '30', '--json']);
    const rest = shootdown([...small, '--jumps', '30', '--state', state, '--json']);
    expect({ ...json(rest.stdout), seconds: 0 }).toEqual({ ...json(whole.stdout), seconds: 0 });
    expect(json(readFileSync(state, 'utf8')).schema).toBe('shootdown.sim-soak/1');
    const other = shootdown(['sim', 'soak', '--functions', '13', '--seed', '3', '--state', state]);
    expect([other.status, other.stderr]).toEqual([64, expect.stringContaining('of another soak')]);
  });

  it('stops when it is told to, and has written down how far it was', async () => {
    const state = join(folder, 'stopped.json');
    const child = spawn(process.execPath, [SHOOTDOWN, ...small, '--jumps', '1000000', '--state', state]);
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    setTimeout(() => child.kill('SIGINT'), 1500);
    const [status] = await once(child, 'exit');
    expect([status, said]).toEqual([1, expect.stringMatching(/stopped after \d+ of 1000000 jumps/)]);
    expect(json(readFileSync(state, 'utf8')).jumps.all).toBeGreaterThan(0);
  });

  it('says what it saw', () => {
    const { status, stdout } = shootdown([...small, '--jumps', '20', '--policy', 'none']);
    expect(stdout).toMatch(/jumps .*normal.*crash/s);
    expect(stdout).toContain('corrupted');
    expect(status).toBe(2);
  });

  it('plays one case again', () => {
    const { status, stdout } = shootdown([...small, '--replay', '4']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Case 4, \d+ functions: (normal|crash): /);
  });
});
