import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
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
    const narrow = shootdown(['sim', 'list'], { COLUMNS: '70' }).stdout.split('\n');
    expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(70);
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

  it('says beside the verdict what was expected, what its exit status means, and what stays live', () => {
    const { stdout } = shootdown(['sim', 'run', 'bridge-before-child', '--policy', 'ours']);
    expect(stdout).toMatch(/^bridge-before-child \(H03\), crash path, policy ours: clean \(as expected\)\n/);
    expect(stdout).toMatch(/ 1 left live:\n {2}0000:00:00\.0: exempt by rule host-bridge: host bridge/);
    for (const command of ['run', 'matrix', 'soak'])
      expect(shootdown(['sim', command, '--help']).stdout).toMatch(/Exit status: 0/);
    const text = readFileSync(new URL('../scenarios/live-rings.json', import.meta.url), 'utf8');
    const wrong = { ...json(text), expect: { ...json(text).expect, none: { verdict: 'hung' } } };
    const unmet = shootdown(['sim', 'run', file('wrong.json', JSON.stringify(wrong))]);
    expect(unmet.stdout).toMatch(/policy none: corrupted \(NOT AS EXPECTED: hung\)\n/);
    expect(unmet.status).toBe(2);
  });

  it('tells in the timeline that wanted DMA is lost', () => {
    const { stdout } = shootdown(['sim', 'run', 'wanted-dma', '--policy', 'efi-bridges']);
    expect(stdout).toMatch(/02:00\.0 +its DMA was wanted and is lost: \d+ requests were refused, by/);
  });

  it('says where wanted DMA goes on, and what a jump waits for', () => {
    expect(shootdown(['sim', 'run', 'wanted-dma']).stdout).toMatch(
      /02:00\.0 +its DMA is wanted, and goes on: \d+ bytes at \w+ \(preserved\)/,
    );
    const { stdout } = shootdown(['sim', 'run', 'hotplug-command']);
    expect(stdout).toMatch(/^2\.\d +pcieport waits 1 s for a hot-plug command of 0000:00:1c\.0$/m);
    expect(stdout).toContain('the next kernel runs a second late');
  });

  it('says who floods a processor', () => {
    for (const [name, who, what] of [
      ['egpu-flood', '01:00.0', 'MSI'],
      ['msi-storm', '02:00.5 and 7 more', 'MSI-X'],
      ['stale-messages', '00:02.0', 'MSI-X'],
    ] as const) {
      const { stdout } = shootdown(['sim', 'run', name, '--policy', 'none']);
      expect(stdout.replace(/\s+/g, ' ')).toMatch(/after that is never reached \(0000:0[0-2]:0\d\.\d\)\./);
      expect(stdout).toContain(`${who}  `);
      expect(stdout).toMatch(
        new RegExp(`${who} +floods the processor with ${what} interrupts that nobody claims`),
      );
    }
  });

  it('speaks of an image in place as one that is not copied', () => {
    const { stdout } = shootdown(['sim', 'run', 'in-place-hit-early']);
    expect(stdout).toContain('the old kernel is gone, the next one lies where it will run');
    expect(stdout).toContain('purgatory looks at what was loaded');
  });

  it('tells of a refusal before the error that it is answered with', () => {
    const { stdout } = shootdown(['sim', 'run', 'bme-ignored-behind-bridge', '--policy', 'ours']);
    const refused = stdout.indexOf('a write is refused: 0000:00:1c.0 above it does not forward');
    expect(refused).toBeGreaterThan(0);
    expect(stdout.indexOf('Unsupported Request on a request of 0000:01:00.0')).toBeGreaterThan(refused);
  });

  it('keeps its first line within the terminal', () => {
    const { stdout } = shootdown(['sim', 'run', 'in-place-hit-early'], { COLUMNS: '60' });
    for (const line of stdout.split('\n').slice(0, 10)) expect(line.length).toBeLessThanOrEqual(60);
    expect(stdout.replace(/\s+/g, ' ')).toContain('normal path, policy none: corrupted (as expected)');
  });

  it('plays the least that a scenario of one’s own may say', () => {
    const readme = readFileSync(new URL('../scenarios/README.md', import.meta.url), 'utf8');
    const [, example = ''] = /```json\n(.*?)```/s.exec(readme) ?? [];
    const mine = file('least.json', example);
    expect(shootdown(['sim', 'run', mine])).toMatchObject({ status: 0, stderr: '' });
    expect(shootdown(['sim', 'run', mine, '--policy', 'ours'])).toMatchObject({ status: 0, stderr: '' });
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
    [['sim', 'run', 'live-rings', '--like', 'x'], 64, /a scenario, live-rings, and --like, .*give one/],
    [['sim', 'run', 'live-rings', '--platform', 'laptop'], 64, /--platform is for --like/],
    [['sim', 'run', 'live-rings', '--capture-drivers', 'nvme'], 64, /--capture-drivers is for --like/],
    [['sim', 'run', 'live-rings', '--policy-file', 'x'], 64, /--policy-file is for --like/],
    [['sim', 'run', 'all', '--trace'], 64, /--trace is for one scenario/],
    [['sim', 'soak', '--replay', '1', '--state', 'x'], 64, /--state is for a soak/],
    [['sim', 'soak', '--replay', '1', '--minutes', '1'], 64, /--minutes is for a soak/],
    [['sim', 'soak', '--replay', '2:1', '--seed', '3'], 64, /two seeds/],
    [['sim', 'soak', '--replay', '2:'], 64, /must be NUMBER or SEED:NUMBER, in whole numbers/],
    [['sim', 'soak', '--replay', ':2'], 64, /must be NUMBER or SEED:NUMBER/],
    [['sim', 'soak', '--replay', '1:6:7'], 64, /must be NUMBER or SEED:NUMBER/],
    [['sim', 'soak', '--replay', '1:6:'], 64, /must be NUMBER or SEED:NUMBER/],
    [['sim', 'soak', '--replay', '1:6:abc'], 64, /must be NUMBER or SEED:NUMBER/],
    [['sim', 'soak', '--state', '/dev/full'], 1, /\/dev\/full: not a regular file/],
    [['sim', 'soak', '--state', ''], 64, /must name a file/],
    [['sim', 'matrix', '--scenario', 'live-rings', 'live-rings'], 64, /live-rings was given twice/],
    [['sim', 'run', '--like', '/dev/zero'], 1, /is no regular file: give it on standard input as -/],
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
    expect(stdout).toMatch(/0000:00:02\.0 +at work +exempt by rule boot-display: boot display/);
    expect(stdout).toMatch(/0000:00:00\.0 +idle +exempt by rule host-bridge/);
    expect(stdout).toContain(`Again: shootdown sim run --like ${audit} --seed 1\n`);
    for (const line of stdout.split('\n').slice(0, -2)) expect(line.length).toBeLessThanOrEqual(100);
    expect(status).toBe(0);
    const args = [
      'sim',
      'run',
      '--like',
      audit,
      '--platform',
      'laptop',
      '--capture-drivers',
      'nvme',
      '--json',
    ];
    const { schema, none, ours, stays, again } = json(shootdown(args).stdout);
    expect(schema).toBe('shootdown.sim-like/1');
    expect(none.verdict).not.toBe('clean');
    expect(ours.verdict).toBe('clean');
    expect(stays[1]).toMatchObject({
      slot: '0000:00:02.0',
      busy: true,
      why: expect.stringMatching(/boot-display/),
    });
    expect(again).toBe(`shootdown sim run --like ${audit} --platform laptop --capture-drivers nvme --seed 1`);
  });

  it('says why each writer stays, and what it had to assume', () => {
    const dump = fileURLToPath(new URL('../dumps/odd-domains.txt', import.meta.url));
    const { status, stdout, stderr } = shootdown(['sim', 'run', '--like', dump]);
    expect(stdout).toMatch(/0001:01:00\.0 +at work +out of reach: it lies in PCI segment 1,/);
    expect(stderr).toMatch(/which driver is bound is not known .*--capture-drivers/);
    expect(status).toBe(2);
    const { stderr: more } = shootdown(['sim', 'run', '--like', dump, '--capture-drivers', 'magic']);
    expect(more).toContain('note: magic: drives no function here');
  });

  it.each(['terminal', 'pipe'])('ends when it is interrupted while it reads a %s', async (kind) => {
    const args = [SHOOTDOWN, 'sim', 'run', '--like', '-'];
    // Without exec, some shells stay between: they end by the signal whatever the command made of it.
    const command = `exec ${process.execPath} ${args.join(' ')}`;
    const child =
      kind === 'pipe'
        ? spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'pipe'] })
        : spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
    let said = '';
    const reading = new Promise<void>((resolve) => {
      // A pipe holds less than this: what is written is gone only once somebody reads.
      if (kind === 'pipe') child.stdin?.write(Buffer.alloc(4 << 20, ' '), () => resolve());
      (kind === 'pipe' ? child.stderr : child.stdout)?.on('data', (chunk) => {
        said += chunk;
        if (said.includes('reading standard input: Ctrl-D ends it')) resolve();
      });
    });
    await reading;
    if (kind === 'pipe') child.kill('SIGINT');
    else child.stdin?.write('\u0003');
    const [status] = await once(child, 'exit');
    expect([status, said]).toEqual([1, expect.stringContaining('stopped while reading standard input')]);
  });

  it('says what is neither', () => {
    const { status, stderr } = shootdown(['sim', 'run', '--like', file('text.txt', 'hello\n')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/text\.txt/);
  });
});

describe('what may keep sim run waiting', () => {
  it('a pipe: that of a process substitution is read, a file of policy must be a file', () => {
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const audit = file('piped.json', shootdown(['audit', '--host', 'sim:laptop', '--json']).stdout);
    const policy = shootdown(['sim', 'run', '--like', audit, '--policy-file', fifo]);
    expect([policy.status, policy.stderr]).toEqual([1, expect.stringContaining('is no regular file')]);
    const device = shootdown(['sim', 'run', '--like', '/dev/zero']);
    expect([device.status, device.stderr]).toEqual([1, expect.stringContaining('is no regular file')]);
    const script = '"$0" "$1" sim run --like <(sleep 0.2; cat "$2")';
    const piped = execFileSync('bash', ['-c', `${script} || :`, process.execPath, SHOOTDOWN, audit]);
    expect(String(piped)).toMatch(/^A simulated machine with the \d+ functions/);
  });

  it.each([
    ['a scenario', ['sim', 'run']],
    ['--like', ['sim', 'run', '--like']],
  ])('%s in a pipe that nobody writes to: a signal ends it', async (_, args) => {
    const fifo = join(folder, `silent${args.length}.json`);
    execFileSync('mkfifo', [fifo]);
    const child = spawn(process.execPath, [SHOOTDOWN, ...args, fifo]);
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill('SIGTERM');
    const [status] = await once(child, 'exit');
    expect([status, said]).toEqual([1, expect.stringMatching(/^shootdown: stopped while reading .*\n$/)]);
  });

  it('a large machine: a signal ends it, with one line', async () => {
    const port = {
      slot: '00:01.0',
      ids: '8086:2f02',
      class: '060400',
      express: 'root-port',
      secondary: '01',
    };
    const card = { slot: '01:00.0', ids: '8086:10ca', class: '020000', express: 'endpoint', is: 'nic' };
    const driver = { name: 'igb', shutdown: false };
    const large = file(
      'large.json',
      JSON.stringify({
        ...{ schema: 'shootdown.scenario/1', name: 'large', title: 't', story: 's', path: 'crash' },
        machine: { functions: [port, { ...card, driver, vfs: 4000 }] },
        jump: { ticks: 100_000 },
        expect: { none: { verdict: 'corrupted' }, ours: { verdict: 'clean' } },
      }),
    );
    const child = spawn(process.execPath, [SHOOTDOWN, 'sim', 'run', large, '--policy', 'ours']);
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill('SIGINT');
    const [status] = await once(child, 'exit');
    expect([status, said]).toEqual([1, 'shootdown: stopped after 0 of 1 scenarios\n']);
  });
});

describe('sim matrix', () => {
  it('refuses two of one name', () => {
    const text = readFileSync(new URL('../scenarios/live-rings.json', import.meta.url), 'utf8');
    const [a, b] = [file('a.json', text), file('b.json', text)];
    const { status, stderr } = shootdown(['sim', 'matrix', '--scenario', a, b]);
    expect([status, stderr]).toEqual([
      64,
      expect.stringContaining(`${a} and ${b} are both called live-rings`),
    ]);
    expect(shootdown(['sim', 'matrix', '--scenario', 'live-rings', a]).status).toBe(64);
  });

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

async function thereIs(path: string): Promise<void> {
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('sim soak', () => {
  const small = ['sim', 'soak', '--functions', '12', '--seed', '3'];

  it('goes on from where it was, and refuses the state of another', () => {
    const state = join(folder, 'state.json');
    const part = shootdown([...small, '--jumps', '10', '--state', state, '--json']);
    expect(part.status).toBe(0);
    const whole = shootdown([...small, '--jumps', '30', '--json']);
    const rest = shootdown([...small, '--jumps', '30', '--state', state, '--json']);
    const { jumpsInThisRun } = json(rest.stdout);
    expect(jumpsInThisRun).toBe(json(whole.stdout).jumps.all - json(part.stdout).jumps.all);
    const same = { seconds: 0, jumpsInThisRun: 0 };
    expect({ ...json(rest.stdout), ...same }).toEqual({ ...json(whole.stdout), ...same });
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
    await thereIs(state);
    child.kill('SIGINT');
    const [status] = await once(child, 'exit');
    expect([status, said]).toEqual([1, expect.stringMatching(/stopped after \d+ of 1000000 jumps/)]);
    expect(json(readFileSync(state, 'utf8')).jumps.all).toBeGreaterThan(0);
  });

  it('says what it saw', () => {
    const { status, stdout } = shootdown([...small, '--jumps', '20', '--policy', 'none']);
    expect(stdout).toMatch(/jumps .*normal.*crash/s);
    expect(stdout).toContain('corrupted');
    expect(stdout.replace(/\s+/g, ' ')).toMatch(/\d+ jumps of \d+ did harm, .* why the exit status is 2\./);
    expect(stdout).not.toContain('No violation');
    expect(status).toBe(2);
    const again = /^Again: shootdown (.*)$/m.exec(stdout)?.[1]?.split(' ') ?? [];
    const replayed = shootdown(again);
    expect(replayed.status).toBe(2);
    expect(replayed.stdout).toMatch(/corrupted/);
  });

  it('refuses a state that no soak can have left, and one that it could not write, before it starts', () => {
    const state = join(folder, 'counts.json');
    const good = json(shootdown([...small, '--jumps', '5', '--state', state, '--json']).stdout);
    const { seconds: _, smallest: __, jumpsInThisRun: ___, ...counts } = good;
    const bad = (changes: object) =>
      shootdown([
        ...small,
        '--jumps',
        '9',
        '--state',
        file('bad-counts.json', JSON.stringify({ ...counts, ...changes })),
      ]);
    for (const [changes, message] of [
      [{ jumps: { all: 1e300, normal: 1e300, crash: 0, chained: 0 } }, /jumps\.all is 1e\+300, and at most/],
      [{ jumps: { ...counts.jumps, all: counts.jumps.all + 1 } }, /crash jumps are not/],
      [{ cases: counts.cases + 1 }, /jumps on \d+ machines/],
      [{ verdicts: { ...counts.verdicts, hung: 7000 } }, /verdicts of/],
      [{ examples: { verdicts: {}, excuses: { x: 1e6 } } }, /excuses\.x is case 1000000, and only/],
      [{ examples: { verdicts: { clean: 0 }, excuses: {} } }, /clean is case 0, and no jump showed it/],
      [{ firstHarm: 1e9 }, /firstHarm is jump 1000000000 of/],
      [
        { violations: { count: 0, first: [{ number: 0, jump: 0, what: [] }] } },
        /0 violations, 1 of them told/,
      ],
    ] as const)
      expect(bad(changes)).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(message) });
    const nowhere = shootdown([
      ...small,
      '--jumps',
      '1000000',
      '--state',
      join(folder, 'nowhere', 'state.json'),
    ]);
    expect([nowhere.status, nowhere.stderr]).toEqual([1, expect.stringMatching(/its folder is not there/)]);
  });

  it('still says what it saw if its state cannot be written any more', async () => {
    const place = join(folder, 'goes-away');
    mkdirSync(place);
    const state = join(place, 'state.json');
    const args = [SHOOTDOWN, ...small, '--jumps', '1000000', '--state', state];
    const child = spawn(process.execPath, args);
    let [said, told] = ['', ''];
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    child.stdout.on('data', (chunk) => {
      told += chunk;
    });
    await thereIs(state);
    rmSync(place, { recursive: true });
    setTimeout(() => child.kill('SIGINT'), 500);
    const [status] = await once(child, 'exit');
    expect([status, said]).toEqual([1, expect.stringContaining('state.json cannot be written')]);
    expect(told).toMatch(/^\d+ jumps/);
  });

  it('plays one case again', () => {
    const { status, stdout } = shootdown([...small, '--replay', '4']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Case 4 of seed 3, \d+ functions: (normal|crash): /);
    const same = shootdown(['sim', 'soak', '--functions', '12', '--replay', '3:4']);
    expect(same.stdout).toBe(stdout);
  });

  it('says of a case who did harm, and ends with 2 where nothing was done against it', () => {
    const { status, stdout } = shootdown(['sim', 'soak', '--replay', '5', '--seed', '3', '--policy', 'none']);
    expect(status).toBe(2);
    expect(stdout).toMatch(/^Jump 1 of 1, normal path, policy none: corrupted\n/m);
    expect(stdout).toMatch(/pages? of the next kernel/);
    expect(stdout).toMatch(/^[0-9a-f]{8} +its \w+ +.* 0000:\S+ +\d+\.\d$/m);
    expect(stdout).toMatch(/^Again: shootdown sim soak --seed 3 --functions 64 --policy none --replay 5$/m);
    const { jumps } = json(
      shootdown(['sim', 'soak', '--replay', '3:5', '--policy', 'none', '--json']).stdout,
    );
    expect(jumps[0]).toMatchObject({ verdict: 'corrupted', policy: 'none', violations: [] });
    expect(jumps[0].corrupted[0].writers[0]).toMatch(/^0000:/);
  });

  it('names the function for each excuse under ours, and ends with 0', () => {
    const soak = json(shootdown([...small, '--jumps', '30', '--json']).stdout);
    const number = Object.values(soak.examples.excuses)[0];
    const { status, stdout } = shootdown([...small, '--replay', String(number)]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Not held against ours:\n {2}\S/m);
    // What stopped the processor stands before what came too early, which is one line.
    const hung = shootdown(['sim', 'soak', '--seed', '1', '--policy', 'ours', '--replay', '6']).stdout;
    const lines = hung.slice(hung.indexOf('Not held against ours:')).replace(/\s+/g, ' ');
    expect(lines).toMatch(
      /^Not held against ours: \S+ has a part in a hang: .* \(unreachable\) \S+ wrote: it happened before ours had its turn \(too-early\); \d+ more likewise \(--json has all\)/,
    );
  });
});
