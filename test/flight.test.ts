import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SHOOTDOWN, shootdown } from './support/cli.js';
import { encodeFlight, type RecordSpec } from './support/flight-record.js';
import { CRASH, SUMMARY } from './support/flight-samples.js';

const CLEAN: RecordSpec = { entries: [{ rid: 0x0010, flags: ['planned'], after: 0x0503, outcome: 'done' }] };
const PAD9 = 0xeec;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-flight-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, content: Uint8Array | string): string {
  const whole = join(folder, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, content);
  return whole;
}

/** A 4096-byte boot_params with a summary in it, or without. */
function bootParams(spec?: RecordSpec): Uint8Array {
  const page = new Uint8Array(4096).fill(0x11, 0, PAD9);
  if (spec) page.set(encodeFlight(spec), PAD9);
  return page;
}

/** As Linux shows its setup data: numbered folders, the type in hexadecimal. */
function tree(nodes: readonly { type: number; data: Uint8Array }[], page = bootParams()): string {
  put('kernel/boot_params/data', page);
  put('kernel/boot_params/version', '0x020f\n');
  for (const [n, { type, data }] of nodes.entries()) {
    put(`kernel/boot_params/setup_data/${n}/type`, `0x${type.toString(16)}\n`);
    put(`kernel/boot_params/setup_data/${n}/data`, data);
  }
  return `sysfs:${folder}`;
}

const SHOT = 0x5348_4f54;
const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe('from the running kernel', () => {
  it('finds the full record among its setup data', () => {
    const others = [
      { type: 9, data: new Uint8Array(40) },
      { type: 0x8000_0000, data: encodeFlight(CLEAN) },
    ];
    const host = tree([...others, { type: SHOT, data: encodeFlight(CRASH) }], bootParams(SUMMARY));
    const result = shootdown(['flight', '--host', host]);
    expect(result).toMatchObject({ status: 2, stderr: '' });
    expect(result.stdout).toMatch(/^Crash jump: 3 gated; 5 still live\.\npolicy default/);
    expect(json(shootdown(['flight', '--json', '--host', host]).stdout)).toMatchObject({
      schema: 'shootdown.flight/1',
      file: null,
      jump: 'crash',
    });
  });

  it('takes the summary where there is no full one', () => {
    const { status, stdout } = shootdown(['flight', '--json', '--host', tree([], bootParams(SUMMARY))]);
    expect(status).toBe(2);
    expect(json(stdout)).toMatchObject({ summary: true, end: 'time' });
  });

  it('says in one line that there is none', () => {
    const result = shootdown(['flight', '--host', tree([{ type: 4, data: new Uint8Array(8) }])]);
    expect(result).toMatchObject({ status: 1, stdout: '' });
    expect(result.stderr).toMatch(
      /^shootdown: no flight record: this kernel was not entered by a wrapped kernel's stub \(firmware boot, [^\n]+\)\n$/,
    );
    rmSync(join(folder, 'kernel'), { recursive: true });
    expect(shootdown(['flight', '--host', `sysfs:${folder}`])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/boot_params: not there: only x86 kernels/),
    });
  });

  it('keeps a record that it cannot read', () => {
    const broken = encodeFlight(CRASH);
    broken[200] = 0;
    const saved = join(folder, 'saved');
    const result = shootdown(['flight', '--host', tree([{ type: SHOT, data: broken }]), '--save', saved]);
    expect(result).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('damaged') });
    expect(readFileSync(saved)).toEqual(Buffer.from(broken));
  });

  it.skipIf(process.getuid?.() === 0)('asks for root where it may not read', () => {
    const host = tree([]);
    chmodSync(join(folder, 'kernel/boot_params/data'), 0);
    expect(shootdown(['flight', '--host', host])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('run as root'),
    });
  });
});

describe('from a file', () => {
  it('reads a raw record, a copy of boot_params, and standard input', () => {
    const raw = put('raw', encodeFlight(CLEAN));
    expect(shootdown(['flight', raw])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Normal jump: 1 gated; 0 still live\.\n/),
    });
    expect(json(shootdown(['flight', '--json', raw]).stdout)).toMatchObject({ file: raw });
    expect(shootdown(['flight', put('page', bootParams(SUMMARY))])).toMatchObject({ status: 2 });
    const piped = spawnSync(process.execPath, [SHOOTDOWN, 'flight', '-'], {
      input: encodeFlight(CLEAN),
      encoding: 'utf8',
    });
    expect(piped).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('1 gated') });
  });

  it('saves what it read, whole, over what was there', () => {
    const host = tree([{ type: SHOT, data: encodeFlight(CRASH) }]);
    const saved = put('saved', 'something longer '.repeat(1000));
    const live = shootdown(['flight', '--host', host, '--save', saved]);
    expect(readFileSync(saved)).toEqual(Buffer.from(encodeFlight(CRASH)));
    expect(shootdown(['flight', saved]).stdout).toBe(live.stdout);
    const summary = join(folder, 'summary');
    shootdown(['flight', put('page', bootParams(SUMMARY)), '--save', summary]);
    expect(shootdown(['flight', summary])).toMatchObject({ status: 2, stderr: '' });
    expect(shootdown(['flight', saved, '--save', join(folder, 'no/where')])).toMatchObject({ status: 1 });
  });

  it.each([
    ['no record in boot_params', () => bootParams(), /no flight record: this kernel/],
    ['something else', () => 'hello', /neither a flight record nor a copy of boot_params/],
    ['nothing', () => '', /neither a flight record/],
    ['a record cut short', () => encodeFlight(CRASH).subarray(0, 300), /cut short: 300 bytes/],
  ])('%s', (_, content, message) => {
    const file = put('file', content());
    const result = shootdown(['flight', file]);
    expect(result).toMatchObject({ status: 1, stdout: '' });
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/^shootdown: [^\n]+\n$/);
  });

  it.each([
    [['flight', '/nowhere/at/all'], 1, /no such file/],
    [['flight', '/'], 1, /a folder/],
    [['flight', '/dev/zero'], 1, /larger than 16 MiB/],
    [['flight', 'x', '--host', 'sysfs'], 64, /two records/],
    [['flight', '--host', 'sim:server'], 64, /sysfs\[:ROOT\] or a file/],
    [['flight', 'a', 'b'], 64, /too many arguments/],
  ] as [string[], number, RegExp][])('%j is %i', (args, status, message) => {
    const result = shootdown(args);
    expect(result).toMatchObject({ status, stdout: '' });
    expect(result.stderr).toMatch(message);
    expect(existsSync('x')).toBe(false);
  });
});
