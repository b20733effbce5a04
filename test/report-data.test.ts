import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, SHOOTDOWN, shootdown } from './support/cli.js';
import { encodeFunction, formatDump } from './support/encode.js';

// report prometheus and report diff as whole programs: what is written where, and the exit status.

const folder = mkdtempSync(join(tmpdir(), 'shootdown-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);
const file = (name: string, text: string | Uint8Array) => {
  writeFileSync(path(name), text);
  return path(name);
};

const nic = (command: number) => encodeFunction({ classCode: 0x020000, command, interruptPin: 1 });
let crash = '';
let live = '';
let quiet = '';
beforeAll(() => {
  crash = file('crash.json', shootdown(['audit', '--json', '--host', 'sim:server']).stdout);
  live = file('live.txt', formatDump([{ slot: '00:02.0', bytes: nic(0x0006) }]));
  quiet = file('quiet.txt', formatDump([{ slot: '00:02.0', bytes: nic(0x0402) }]));
});

describe('report prometheus', () => {
  it('writes a file that everybody can read, in one step, and nothing else', () => {
    const target = file('shootdown.prom', 'old');
    const link = path('link.prom');
    symlinkSync(target, link);
    const before = readdirSync(folder);
    const result = shootdown(['report', 'prometheus', '--audit', crash, '-o', link]);
    expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(statSync(target).mode & 0o777).toBe(0o644);
    expect(readdirSync(folder)).toEqual(before);
    const text = readFileSync(target, 'utf8');
    expect(text).toContain('shootdown_functions{verdict="live",kind="endpoint"} 9\n');
    // Two of these are the chipset's, which the policy exempts.
    const [, sentence] =
      shootdown(['audit', '--host', 'sim:server']).stdout.match(/, (\d+) functions? could/) ?? [];
    expect(text).toContain(`shootdown_functions_unattended ${sentence}\n`);
    expect(sentence).toBe('7');
    expect(text).toMatch(/^shootdown_report_timestamp_seconds 1[0-9]{9}/m);
    // That is the machine's that it runs on.
    expect(text).not.toContain('doctor');
  });

  it('says where node_exporter would not look', () => {
    const result = shootdown(['report', 'prometheus', '-F', live, '-o', path('metrics.txt')]);
    expect(result).toMatchObject({ status: 0, stdout: '' });
    expect(result.stderr).toMatch(
      /^shootdown: node_exporter reads files whose names end in \.prom, [^\n]+\n$/,
    );
  });

  it.skipIf(!existsSync('/sys/bus/pci/devices'))('has what doctor sees of this machine', () => {
    const here = shootdown(['report', 'prometheus']);
    expect(here.status).toBe(0);
    expect(here.stdout).toMatch(/^shootdown_doctor_check\{check="[a-z.]+",state="[a-z]+"\} \d+$/m);
    expect(here.stdout).toMatch(
      /^shootdown_audit_info\{for="crash",policy="default",source="sysfs[^"]*"\} 1$/m,
    );
  });
});

describe('report diff', () => {
  it.each([
    [['LIVE', 'LIVE'], 0, 'Nothing changed.'],
    [['LIVE', 'QUIET'], 0, '1 is live no more'],
    [['QUIET', 'LIVE'], 2, '1 became live'],
    [['QUIET', 'LIVE', '--fail-on', 'never'], 0, '1 became live'],
    // The dump takes the audit's jump, whichever comes first.
    [['NORMAL', 'LIVE'], 2, 'normal  functions'],
    [['LIVE', 'NORMAL', '--fail-on', 'never'], 0, 'normal  functions'],
  ] as [string[], number, string][])('%j is %i', (args, status, says) => {
    const normal = path('normal.json');
    if (args.includes('NORMAL'))
      file('normal.json', shootdown(['audit', '--json', '-F', quiet, '--for', 'normal']).stdout);
    const names: Record<string, string> = { LIVE: live, QUIET: quiet, NORMAL: normal };
    const result = shootdown(['report', 'diff', ...args.map((arg) => names[arg] ?? arg)]);
    expect(result).toMatchObject({ status, stderr: '' });
    expect(result.stdout).toContain(says);
  });

  it('reads one of them from standard input, and writes where it is told', () => {
    const output = path('diff.json');
    const command = `"$0" "$1" report diff - "$2" --json -o "$3" < "$4"`;
    const result = run('sh', ['-c', command, process.execPath, SHOOTDOWN, live, output, quiet]);
    expect(result).toMatchObject({ status: 2, stdout: '', stderr: '' });
    const diff = JSON.parse(readFileSync(output, 'utf8'));
    expect(diff).toMatchObject({
      schema: 'shootdown.report-diff/1',
      old: { name: 'standard input', live: 0 },
      worse: { live: ['0000:00:02.0'], findings: [] },
      verdicts: [{ slot: '0000:00:02.0', from: 'quiet', to: 'live' }],
    });
  });

  it('keeps what an audit said, and shows both policies', () => {
    const policy = {
      schema: 'shootdown.policy/1',
      name: 'hands-off',
      rules: [],
      otherwise: { action: 'exempt', reason: 'nobody touches it' },
    };
    const mine = file('policy.json', JSON.stringify(policy));
    const old = file('old.json', shootdown(['audit', '--json', '-F', live, '--policy', mine]).stdout);
    const { status, stdout } = shootdown(['report', 'diff', old, live]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^old .* hands-off /m);
    expect(stdout).toMatch(/^exempt +gate +0000:00:02\.0$/m);
  });
});

describe('what cannot be done', () => {
  it.each([
    [['prometheus', '--audit', 'CRASH', '-F', 'LIVE'], 64, /--audit says that already: leave -F out/],
    [['prometheus', '--audit', 'CRASH', '--for', 'crash'], 64, /leave --for out/],
    [['prometheus', '--audit', 'CRASH', '--policy', 'x'], 64, /leave --policy out/],
    [['prometheus', '--audit', 'TORN'], 1, /torn\.json: not JSON: line \d+, column \d+: it ends here/],
    [['prometheus', '--audit', 'BINARY'], 1, /binary: not JSON/],
    [['prometheus', '--audit', '/nowhere'], 1, /\/nowhere: no such file/],
    [['prometheus', '--audit', 'CRASH', '-o', '/nowhere/x.prom'], 1, /its folder is not there/],
    [['prometheus', '--audit', 'CRASH', '-o', '/dev/full'], 64, /is not a regular file/],
    [['diff', '-', '-'], 64, /both are standard input/],
    [['diff', 'CRASH'], 64, /missing required argument 'new'/],
    [['diff', 'CRASH', 'BINARY'], 1, /binary holds no lspci -x output/],
    [['diff', 'OTHER', 'CRASH'], 1, /not a valid audit: schema: is "shootdown\.policy\/1"/],
    [['diff', 'CRASH', 'NORMAL'], 1, /OLD is about a crash jump and NEW about a normal one/],
  ] as [string[], number, RegExp][])('%j is %i', (args, status, message) => {
    const audit = readFileSync(crash, 'utf8');
    const names: Record<string, string> = {
      CRASH: crash,
      LIVE: live,
      TORN: file('torn.json', audit.slice(0, 3000)),
      BINARY: file(
        'binary',
        Uint8Array.from({ length: 2000 }, (_, n) => (n * 73) & 0xff),
      ),
      OTHER: new URL('../policies/default.json', import.meta.url).pathname,
      NORMAL: file('other.json', audit.replace('"for": "crash"', '"for": "normal"')),
    };
    const result = shootdown(['report', ...args.map((arg) => names[arg] ?? arg)]);
    expect(result).toMatchObject({ status, stdout: '' });
    expect(result.stderr).toMatch(message);
    if (status === 1) expect(result.stderr).toMatch(/^shootdown: [^\n]+\n$/);
  });
});
