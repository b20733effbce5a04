import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAudit } from '../src/quiesce/audit-data.js';
import { SHOOTDOWN, shootdown } from './support/cli.js';
import { encodeFunction } from './support/encode.js';
import { buildFakeSysfs } from './support/fake-sysfs.js';
import { auditOf, type LooseAudit } from './support/fleet.js';
import { haveSmallDisk, onSmallDisk } from './support/small-disk.js';

const folder = mkdtempSync(join(tmpdir(), 'shootdown-fleet-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let server: LooseAudit;
const named = (hostname: string | undefined): LooseAudit => {
  const one = structuredClone(server);
  if (hostname !== undefined) one.machine.hostname = hostname;
  return one;
};
const line = (hostname: string) => `${JSON.stringify(named(hostname))}\n`;
const put = (path: string, content: string | Uint8Array) => {
  const whole = join(folder, path);
  mkdirSync(join(whole, '..'), { recursive: true });
  writeFileSync(whole, content);
  return whole;
};

beforeAll(async () => {
  server = await auditOf('server');
  put('good/web01.json', JSON.stringify(named(undefined), null, 2));
  put('good/eu/web02.json', JSON.stringify(named(undefined)));
  put('good/more.ndjson', line('db01') + line('db02'));
  put('good/packed.jsonl.gz', gzipSync(line('db03')));
  put('good/readme.txt', 'not an audit');
});

/** With `input` on standard input. */
function fleet(args: readonly string[], input: string | Uint8Array = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SHOOTDOWN, 'report', 'fleet', ...args], {
    input,
    encoding: 'utf8',
    env: { ...process.env, COLUMNS: '100' },
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}
const rowsOf = (csv: string) => csv.trim().split('\n').slice(1);

describe('audit --ndjson', () => {
  it('is the same audit in one line, with the names of the machine and its kernel', () => {
    const tree = buildFakeSysfs({
      functions: [{ slot: '0000:00:03.0', config: encodeFunction({ command: 7 }) }],
      hostname: 'web01.example',
      kernel: '6.1.0-18-amd64',
    });
    try {
      const one = shootdown(['audit', '--ndjson', '--host', `sysfs:${tree.root}`]);
      expect(one.stdout.trim().split('\n')).toHaveLength(1);
      const audit = parseAudit(one.stdout, 'x');
      expect(audit.machine).toMatchObject({ hostname: 'web01.example', kernel: '6.1.0-18-amd64' });
      const json = shootdown(['audit', '--json', '--host', `sysfs:${tree.root}`]);
      expect(JSON.parse(json.stdout)).toEqual(JSON.parse(one.stdout));
      expect(shootdown(['audit', '--json', '--ndjson', '--host', `sysfs:${tree.root}`]).status).toBe(64);
    } finally {
      tree.remove();
    }
    const dump = parseAudit(shootdown(['audit', '--ndjson', '-F', 'dumps/q35-server-xxxx.txt']).stdout, 'x');
    expect(dump.machine).not.toHaveProperty('hostname');
  });
});

describe('report fleet', () => {
  it('reads folders: files of one machine and of many, packed or not, named by what they say or are called', () => {
    const { status, stdout, stderr } = fleet(['--csv', '-', join(folder, 'good')]);
    expect([status, stderr]).toEqual([2, '']);
    expect(rowsOf(stdout).map((row) => row.split(',')[0])).toEqual([
      'eu/web02',
      'db01',
      'db02',
      'db03',
      'web01',
    ]);
  });

  it('reads standard input: lines, whole JSON one after another, gzip', () => {
    const machines = (input: string | Uint8Array) => {
      const { stdout } = fleet(['--json', '-', '-'], input);
      return JSON.parse(stdout).machines;
    };
    const read = (count: number) => ({ read: count, clean: 0, broken: 0, otherPath: 0 });
    expect(machines(line('a') + line('b'))).toEqual(read(2));
    const pretty = `${JSON.stringify(named('c'), null, 2)}\n`;
    expect(machines(`${pretty}${JSON.stringify(named('d'), null, 4)}\n${line('e')}`)).toEqual(read(3));
    expect(machines(gzipSync(line('a') + line('b')))).toEqual(read(2));
  });

  it('reads one audit whose lines are not indented from a file of its own, and says what to do elsewhere', () => {
    // As json.dump(..., indent=0) of Python writes it.
    const flat = JSON.stringify(named('flat'), null, 1).replace(/^ +/gm, '');
    const { stdout } = fleet(['--json', '-', put('flat/web.json', flat)]);
    expect(JSON.parse(stdout).machines).toMatchObject({ read: 1, broken: 0 });
    const { status, stderr } = fleet(['-'], flat);
    expect([status, stderr]).toEqual([1, expect.stringContaining('jq -c . makes one line of an audit')]);
  });

  it('says what is wrong and goes on', () => {
    const bad = join(folder, 'bad');
    const lie = named('liar');
    const live = lie.functions.find(({ verdict }) => verdict === 'live');
    if (live) live.verdict = 'quiet';
    const other = { ...named('other'), for: 'normal' };
    put(
      'bad/a.ndjson',
      `${line('a')}{"schema":"shootdown.aud\n${JSON.stringify(lie)}\n${line('a')}${JSON.stringify(other)}\n`,
    );
    put('bad/cut.json', JSON.stringify(named('b'), null, 2).slice(0, 5000));
    put('bad/cut.ndjson.gz', gzipSync(line('c') + line('d')).subarray(0, 900));
    put('bad/damaged.ndjson.gz', Buffer.concat([gzipSync(line('c')).subarray(0, 40), Buffer.alloc(500, 7)]));
    put('bad/empty.json', '');
    put('bad/noise.json', Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 7919) % 256)));
    put('bad/plan.json', '{"schema":"shootdown.plan/1"}');
    put('bad/list.json', `[${line('e')}]`);
    put('bad/zst.ndjson.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]));
    symlinkSync('nowhere', join(bad, 'gone.json'));
    const { status, stdout } = fleet(['--json', '-', bad]);
    expect(status).toBe(2);
    const data = JSON.parse(stdout);
    expect(data.machines).toMatchObject({ read: 1, otherPath: 1 });
    const said = data.broken.map(
      ({ place, problem }: { place: string; problem: string }) => `${place.slice(bad.length + 1)} ${problem}`,
    );
    for (const pattern of [
      /^a\.ndjson:2 not JSON: column 25: /,
      /^a\.ndjson:3 liar: contradicts itself: .* its verdict is quiet, its registers make it live/,
      /^a\.ndjson:4 a: a second audit of this machine/,
      /^cut\.json:1 not JSON: .* is still open|^cut\.json:1 not JSON/,
      /^cut\.ndjson\.gz the compressed data end too early/,
      /^damaged\.ndjson\.gz the compressed data are damaged/,
      /^empty\.json no audit in it/,
      /^noise\.json:1 not JSON/,
      /^plan\.json:1 its schema is shootdown\.plan\/1/,
      /^list\.json:1 a list: one audit a line/,
      /^zst\.ndjson\.zst (zstd, which this Node cannot unpack|the compressed data)/,
      /^gone\.json no such file/,
    ]) {
      expect(said).toContainEqual(expect.stringMatching(pattern));
    }
    for (const one of said) expect(one).not.toMatch(/[\u0000-\u001f]/);
    const text = fleet([bad]);
    expect(text.stdout).toMatch(/audits not usable\n/);
    expect(text.stderr).toBe('');
    expect(fleet(['--csv', '-', bad]).stderr).toMatch(/plan\.json:1: its schema is/);
  });

  it('fails where nothing could be read, and writes nothing', () => {
    const output = join(folder, 'never.json');
    const failed = (args: readonly string[], input = '') => {
      const { status, stdout, stderr } = fleet([...args, '--json', output], input);
      expect([status, stdout, existsSync(output)]).toEqual([1, '', false]);
      expect(stderr.split('\n')).toHaveLength(2);
      return stderr;
    };
    put('none/x.txt', 'x');
    expect(failed([join(folder, 'none')])).toMatch(/no audits: shootdown audit --ndjson prints one/);
    expect(failed([join(folder, 'missing.json')])).toMatch(
      /nothing could be read: .*missing\.json: no such file/,
    );
    expect(failed(['-'], 'lspci\n')).toMatch(/standard input:1: not JSON/);
    expect(failed(['-'])).toMatch(/standard input: no audit in it/);
    expect(failed(['--for', 'normal', '-'], line('a'))).toMatch(
      /no audit for a normal jump, and 1 for the other: --for crash/,
    );
  });

  it('knows a wrong command line', () => {
    const good = join(folder, 'good');
    const usage = (args: readonly string[]) => {
      const { status, stdout, stderr } = fleet(args);
      expect([status, stdout]).toEqual([64, '']);
      return stderr;
    };
    expect(usage([])).toMatch(/missing required argument/);
    expect(usage(['-', '-'])).toMatch(/- was given twice/);
    expect(usage([good, '--json', '-', '--csv', '-'])).toMatch(/lead to the same place/);
    expect(usage([good, '--json', join(folder, 'x'), '--html', `${folder}/./x`])).toMatch(
      /lead to the same place/,
    );
    expect(usage([good, '--limit', '0'])).toMatch(/from 1 to 100/);
    expect(usage([good, '--html', folder])).toMatch(/--html: .* is not a regular file: name another\n$/);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('writes all forms at once, beside the text, and passes over its own outputs', () => {
    const here = join(folder, 'own');
    put('own/a.ndjson', line('a'));
    const args = ['html', 'json', 'csv'].flatMap((form) => [`--${form}`, join(here, `fleet.${form}`)]);
    for (const _ of [1, 2]) {
      const { status, stdout } = fleet([here, ...args]);
      expect(status).toBe(2);
      expect(stdout).toMatch(/^1 of 1 machine may not get through a crash as it is\./);
      const data = JSON.parse(readFileSync(join(here, 'fleet.json'), 'utf8'));
      expect(data.machines).toMatchObject({ read: 1, broken: 0 });
    }
    expect(readFileSync(join(here, 'fleet.html'), 'utf8')).toMatch(/^<!DOCTYPE html>[\s\S]*<\/html>\n$/);
    expect(readdirSync(here).sort()).toEqual(['a.ndjson', 'fleet.csv', 'fleet.html', 'fleet.json']);
    expect(fleet([here, '--fail-on', 'never']).status).toBe(2);
    rmSync(join(here, 'fleet.json'));
    expect(fleet([here, '--fail-on', 'never']).status).toBe(0);
    expect(fleet(['/no/such/folder', '--json', '/no/such/folder/x']).stderr).toMatch(
      /cannot be written: its folder is not there/,
    );
  });

  it('leaves no half of a file when it is stopped', async () => {
    const output = put('stopped.csv', 'old\n');
    const child = spawn(process.execPath, [SHOOTDOWN, 'report', 'fleet', '-', '--csv', output], {
      stdio: 'pipe',
    });
    const said: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.stdin.on('error', () => {});
    child.stdin.write(line('a') + line('b'));
    // It has begun once its temporary file is there.
    while (!readdirSync(folder).some((name) => name.startsWith('.stopped')))
      await new Promise((go) => setTimeout(go, 20));
    child.kill('SIGINT');
    expect(await ended).toBe(1);
    expect(Buffer.concat(said).toString()).toMatch(
      /^shootdown: stopped after \d machines: incomplete, and no file was written\n$/,
    );
    expect(readFileSync(output, 'utf8')).toBe('old\n');
    expect(readdirSync(folder).filter((name) => name.startsWith('.stopped'))).toEqual([]);
  });

  it('leaves no half of a file on a full disk', async () => {
    if (!haveSmallDisk()) return;
    const mount = join(folder, 'small');
    const command = [
      process.execPath,
      SHOOTDOWN,
      'report',
      'fleet',
      join(folder, 'good'),
      '--html',
      `${mount}/x.html`,
    ];
    const { status, stdout, stderr } = await onSmallDisk('4k', mount, command);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^shootdown: .*x\.html cannot be written: no space left on its disk\n$/);
  });
});
