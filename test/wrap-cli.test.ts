import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STUB } from '../src/image/stub.generated.js';
import { makeBzImage } from './support/bzimage.js';
import { run, SHOOTDOWN, shootdown } from './support/cli.js';

let folder = '';
let image = '';
const path = (name: string) => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-wrap-'));
  image = path('vmlinuz');
  writeFileSync(image, makeBzImage());
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What the command answered; fails if it did. */
function ok(...args: string[]): string {
  const { status, stdout, stderr } = shootdown(args);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

function failure(...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = shootdown(args);
  expect(stdout).toBe('');
  expect(stderr).not.toMatch(/\n\s+at /);
  return { status, text: stderr };
}

describe('shootdown wrap', () => {
  it('says what it did, and what never runs the stub', () => {
    const text = ok('wrap', image, '-o', path('quiet'), '--tail', '128');
    expect(text).toContain(`${path('quiet')}: 6.1.0-test (nobody@nowhere) #1 SMP, wrapped`);
    expect(text).toContain(`${STUB.program.length.toLocaleString('en-US')} bytes, of this version`);
    expect(text).toContain('128 KiB for the flight record');
    expect(text).toContain('init_size 8,192 KiB, now 8,320 KiB');
    expect(text).toContain('0 functions; scans all 256 buses');
    expect(text).toMatch(/removed, since it would be void; to sign: sbsign --key KEY --cert CERT --output/);
    expect(text).toContain('u-root');
  });

  it('prints the same as JSON', () => {
    const report = JSON.parse(ok('wrap', image, '-o', path('quiet'), '--json'));
    expect(Object.keys(report)).toEqual([
      'schema',
      'input',
      'output',
      'machine',
      'replaced',
      'signatureRemoved',
      'bytes',
      'sha256',
      'kernel',
      'signature',
      'unfit',
      'wrapped',
      'notes',
      'neverEntered',
    ]);
    expect(report).toMatchObject({
      schema: 'shootdown.wrap/1',
      machine: null,
      replaced: false,
      signatureRemoved: true,
      bytes: statSync(path('quiet')).size,
      wrapped: { stub: { sha256: STUB.sha256, ofThisVersion: true }, table: { scanAll: true } },
    });
    expect(JSON.parse(ok('wrap', image, '-o', path('quiet'), '--json'))).toEqual(report);
  });

  it('keeps the permissions, and is dated now', () => {
    chmodSync(image, 0o640);
    utimesSync(image, 1_000_000, 1_000_000);
    ok('wrap', image, '-o', path('quiet'));
    const { mode, mtimeMs } = statSync(path('quiet'));
    expect(mode & 0o7777).toBe(0o640);
    expect(mtimeMs).toBeGreaterThan(1_000_000_000_000);
    expect(readdirSync(folder).sort()).toEqual(['quiet', 'vmlinuz']);
  });

  it('takes a machine to wrap for', () => {
    const report = JSON.parse(ok('wrap', image, '-o', path('quiet'), '--for', 'sim:server', '--json'));
    expect(report.machine).toBe('sim:server');
    expect(report.wrapped.table.scanAll).toBe(false);
    expect(report.wrapped.table.knownFunctions).toBeGreaterThan(5);
    const all = ok('wrap', image, '-o', path('quiet'), '--for', 'sim:server', '--scan-all');
    expect(all).toContain('scans all 256 buses');
  });

  it('takes a policy, and names it', () => {
    const policy = {
      schema: 'shootdown.policy/1',
      name: 'only NICs',
      rules: [],
      otherwise: { action: 'exempt', reason: 'nothing else' },
    };
    writeFileSync(path('policy.json'), JSON.stringify(policy));
    const report = JSON.parse(ok('wrap', image, '-o', path('q'), '--policy', path('policy.json'), '--json'));
    expect(report.wrapped.table).toMatchObject({
      rules: [],
      otherwise: 'exempt',
      template: { policy: { name: 'only NICs' } },
    });
  });

  it('does not lose a kernel by a slip, and replaces what it wrapped', () => {
    copyFileSync(image, path('installed'));
    expect(failure('wrap', image, '-o', path('installed'))).toMatchObject({
      status: 64,
      text: expect.stringContaining('is no wrapped kernel: name another file, or say --force'),
    });
    ok('wrap', image, '-o', path('installed'), '--force');
    expect(ok('wrap', image, '-o', path('installed'))).toContain('wrapped');
  });

  it('never writes over its input, and never twice into one kernel', () => {
    const same = failure('wrap', image, '-o', image);
    expect(same).toEqual({
      status: 64,
      text: `shootdown: ${image} is the input itself: name another file with -o\n`,
    });
    ok('wrap', image, '-o', path('quiet'));
    expect(failure('wrap', path('quiet'), '-o', path('twice'))).toEqual({
      status: 1,
      text: `shootdown: ${path('quiet')}: it is wrapped already: --replace gives it a new stub, unwrap removes it\n`,
    });
    expect(readdirSync(folder).sort()).toEqual(['quiet', 'vmlinuz']);
    ok('wrap', path('quiet'), '-o', path('twice'), '--replace');
    expect(readFileSync(path('twice'))).toEqual(readFileSync(path('quiet')));
  });

  it.each([
    [['--tail', '0'], 64],
    [['--tail', '5'], 64],
    [['--tail', '0x10'], 64],
    [['--tail', '99999'], 64],
    [['--for', 'dump:/nowhere'], 1],
    [['--for', 'sim:nonsense'], 64],
    [['--policy', '/nowhere'], 1],
  ])('%j ends with %i and leaves nothing', (args, status) => {
    expect(failure('wrap', image, '-o', path('quiet'), ...args).status).toBe(status);
    expect(readdirSync(folder)).toEqual(['vmlinuz']);
  });

  it('wants to know where to', () => {
    expect(failure('wrap', image).status).toBe(64);
    expect(failure('wrap', image, '-o', path('no/quiet'))).toMatchObject({
      status: 1,
      text: expect.stringMatching(/its folder is not there/),
    });
    expect(failure('wrap', path('missing'), '-o', path('quiet'))).toEqual({
      status: 1,
      text: `shootdown: ${path('missing')}: no such file\n`,
    });
    expect(failure('wrap', folder, '-o', path('quiet')).text).toMatch(/not a regular file/);
  });

  it('leaves nothing when the file cannot be written whole', () => {
    const script = `ulimit -f 16; trap '' XFSZ; exec "$0" "$@"`;
    const args = [process.execPath, SHOOTDOWN, 'wrap', image, '-o', path('quiet')];
    const { status, stderr } = run('bash', ['-c', script, ...args]);
    expect(stderr).toMatch(/^shootdown: .*quiet cannot be written: no space left on its disk\n$/);
    expect(status).toBe(1);
    expect(readdirSync(folder)).toEqual(['vmlinuz']);
  });
});

describe('shootdown unwrap', () => {
  it('gives back the original', () => {
    chmodSync(image, 0o600);
    ok('wrap', image, '-o', path('quiet'));
    const text = ok('unwrap', path('quiet'), '-o', path('original'));
    expect(text).toMatch(/original: the original, \d+ bytes, SHA-256 [0-9a-f]{64}\n$/);
    expect(readFileSync(path('original'))).toEqual(readFileSync(image));
    expect(statSync(path('original')).mode & 0o7777).toBe(0o600);
  });

  it('refuses what is not wrapped, and its input', () => {
    expect(failure('unwrap', image, '-o', path('x')).text).toMatch(/it is not wrapped/);
    expect(failure('unwrap', image, '-o', image).status).toBe(64);
  });
});

describe('shootdown inspect', () => {
  it('tells a plain kernel from a wrapped one', () => {
    expect(ok('inspect', image)).toMatch(/^wrapped +no$/m);
    ok('wrap', image, '-o', path('quiet'));
    const text = ok('inspect', path('quiet'));
    expect(text).toMatch(/^wrapped +yes$/m);
    expect(text).toContain('unwrap gives it back');
    expect(JSON.parse(ok('inspect', path('quiet'), '--json'))).toMatchObject({
      schema: 'shootdown.inspect/1',
      file: path('quiet'),
      signature: 'absent',
      kernel: { protocol: '2.15', prefAddress: '0x1000000' },
      wrapped: { original: { restorable: true }, problems: [] },
    });
  });

  it('prints the listing of what is in the image', () => {
    ok('wrap', image, '-o', path('quiet'));
    const listing = ok('inspect', path('quiet'), '--listing');
    expect(listing).toBe(readFileSync(new URL('../src/image/stub.lst', import.meta.url), 'utf8'));
    expect(listing).toContain(STUB.sha256);
  });

  it('prints none for what is not ours', () => {
    ok('wrap', image, '-o', path('quiet'));
    const bytes = readFileSync(path('quiet'));
    bytes[bytes.indexOf('SHOTSTUB') + 100] = 0x90;
    writeFileSync(path('other'), bytes);
    expect(failure('inspect', path('other'), '--listing')).toEqual({
      status: 2,
      text: `${path('other')}: its stub is not the one of this version: there is no listing of it here\n`,
    });
    expect(shootdown(['inspect', path('other')])).toMatchObject({
      status: 2,
      stdout: expect.stringContaining('NOT the one of this version'),
    });
    expect(failure('inspect', image, '--listing')).toMatchObject({ status: 2 });
  });

  it('says what other files are', () => {
    writeFileSync(path('vmlinux'), `\x7fELF${' '.repeat(2000)}`);
    expect(failure('inspect', path('vmlinux'))).toMatchObject({
      status: 1,
      text: expect.stringMatching(/^shootdown: .*vmlinux: it is an ELF file \(vmlinux\): take the bzImage/),
    });
  });
});
