import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasCommand, run, shootdown } from './support/cli.js';
import { labWanted, shootdownAsync } from './support/lab.js';

// Debian's own kernels, wrapped, signed, and given back.

const SERIES = ['6.1', '6.12'] as const;
const PREPARE_TIMEOUT_MS = 400_000;

let folder = '';
const path = (name: string) => join(folder, name);
const images = new Map<string, string>();

async function findKernels(): Promise<void> {
  const { stdout, stderr, status } = await shootdownAsync(['lab', 'prepare', '--json']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const prepared = JSON.parse(stdout) as { folder: string; kernels: { series: string; release: string }[] };
  const trees = join(prepared.folder, 'trees');
  for (const { series, release } of prepared.kernels) {
    const tree = readdirSync(trees).find((name) => name.startsWith(`linux-image-${release}_`)) ?? '';
    images.set(series, join(trees, tree, 'boot', `vmlinuz-${release}`));
  }
}

function openssl(...args: string[]): void {
  const { status, stderr } = run('openssl', args);
  expect(status, stderr).toBe(0);
}

const signing = hasCommand('sbsign', 'sbsigntool') && hasCommand('openssl', 'openssl');

describe.skipIf(!labWanted())('Debian kernels', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'shootdown-kernels-'));
    if (signing) {
      const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', path('key'), '-out', path('cert')];
      openssl('req', '-x509', ...key, '-subj', '/CN=shootdown test', '-days', '2');
    }
    await findKernels();
  }, PREPARE_TIMEOUT_MS);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(SERIES)('%s is wrapped, inspected and given back', (series) => {
    const image = images.get(series) ?? '';
    const [quiet, original] = [path(`quiet-${series}`), path(`original-${series}`)];
    expect(shootdown(['wrap', image, '-o', quiet])).toMatchObject({ status: 0, stderr: '' });
    const info = JSON.parse(shootdown(['inspect', quiet, '--json']).stdout);
    expect(info).toMatchObject({
      kernel: { version: expect.stringContaining(series), protocol: '2.15', relocatable: true },
      signature: 'absent',
      wrapped: { stub: { ofThisVersion: true }, original: { restorable: true }, problems: [] },
    });
    const payload = ({ kernel }: typeof info) => kernel.payload;
    expect(payload(info)).toEqual(payload(JSON.parse(shootdown(['inspect', image, '--json']).stdout)));
    expect(shootdown(['unwrap', quiet, '-o', original]).status).toBe(0);
    expect(Buffer.compare(readFileSync(original), readFileSync(image))).toBe(0);
  });

  it.skipIf(!signing).each(SERIES)('%s is signed and verified, and is still given back', (series) => {
    const image = images.get(series) ?? '';
    const [quiet, signed] = [path(`tosign-${series}`), path(`signed-${series}`)];
    expect(shootdown(['wrap', image, '-o', quiet]).status).toBe(0);
    expect(run('sbverify', ['--cert', path('cert'), quiet]).status).not.toBe(0);
    const sign = ['--key', path('key'), '--cert', path('cert'), '--output', signed, quiet];
    expect(run('sbsign', sign)).toMatchObject({ status: 0 });
    const verified = run('sbverify', ['--cert', path('cert'), signed]);
    expect(`${verified.status} ${verified.stdout}`).toMatch(/^0 Signature verification OK/);

    expect(JSON.parse(shootdown(['inspect', signed, '--json']).stdout)).toMatchObject({
      signature: 'present',
      wrapped: { stub: { ofThisVersion: true }, original: { restorable: true } },
    });
    // One byte of the stub, and the signature is void.
    const forged = readFileSync(signed);
    const at = forged.indexOf('SHOTSTUB') + 200;
    forged[at] = (forged[at] ?? 0) ^ 1;
    writeFileSync(path('forged'), forged);
    expect(run('sbverify', ['--cert', path('cert'), path('forged')]).status).not.toBe(0);

    expect(shootdown(['unwrap', signed, '-o', path('original')]).status).toBe(0);
    expect(Buffer.compare(readFileSync(path('original')), readFileSync(image))).toBe(0);
    expect(shootdown(['wrap', signed, '-o', path('again'), '--replace']).status).toBe(0);
    expect(Buffer.compare(readFileSync(path('again')), readFileSync(quiet))).toBe(0);
  });
});
