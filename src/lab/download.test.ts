import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock as clock } from '../host/clock.js';
import type { DebianPackage } from './debian.js';
import { Store } from './store.js';

/** A program's start on a busy machine. */
const LONG = { timeout: 20_000 };
const CONTENT = { one: 'the first package', two: 'the second one', three: 'the third' } as const;
type Name = keyof typeof CONTENT;

let folder: string;
let pathBefore: string | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-download-'));
  mkdirSync(join(folder, 'bin'));
  pathBefore = process.env['PATH'];
  process.env['PATH'] = `${folder}/bin:${pathBefore}`;
});
afterEach(() => {
  process.env['PATH'] = pathBefore;
  rmSync(folder, { recursive: true });
});

/** An apt-get that runs `script` with $log, which gets what it was asked for and what it found in its folder. */
function apt(script: string): void {
  const head = `#!/bin/sh\nlog='${folder}/log'\nshift 4; echo "asked: $*" >>"$log"; ls >>"$log"\n`;
  writeFileSync(join(folder, 'bin/apt-get'), head + script);
  chmodSync(join(folder, 'bin/apt-get'), 0o755);
}

const asked = () => readFileSync(join(folder, 'log'), 'utf8').trim().split('\n');

function described(name: Name): DebianPackage {
  const bytes = Buffer.from(CONTENT[name]);
  return {
    name,
    version: '1',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
  };
}

const ALL = (['one', 'two', 'three'] as const).map(described);
const put = (name: Name, text: string = CONTENT[name]) => `printf %s '${text}' >${name}_1_amd64.deb\n`;

function store(signal?: AbortSignal): Store {
  return new Store({
    folder: join(folder, 'cache'),
    clock,
    offline: false,
    progress: () => () => {},
    ...(signal ? { signal } : {}),
  });
}

const packages = () => readdirSync(join(folder, 'cache/packages')).map((name) => name.split('_')[0]);
const partial = () => readdirSync(join(folder, 'cache/partial'), { recursive: true, encoding: 'utf8' });

describe('a download', () => {
  it('puts packages where they belong', async () => {
    apt(put('one') + put('two') + put('three'));
    await store().packages(ALL);
    expect(packages().sort()).toEqual(['one', 'three', 'two']);
    expect(partial()).toEqual([]);
    await store().packages(ALL);
    expect(asked()).toEqual(['asked: one=1 two=1 three=1']);
  });

  it('that fails keeps what is complete, and the next one asks for the rest', async () => {
    apt(`${put('one')}${put('two', 'the sec')}echo 'E: the network is gone' >&2; exit 100`);
    await expect(store().packages(ALL)).rejects.toThrow(/the network is gone/);
    expect(packages()).toEqual(['one']);
    expect(partial()).toEqual([]);
    apt(put('two') + put('three'));
    await store().packages(ALL);
    expect(asked().slice(1)).toEqual(['asked: two=1 three=1']);
    expect(packages().sort()).toEqual(['one', 'three', 'two']);
    expect(partial()).toEqual([]);
  });

  it('that is stopped keeps it, too', async () => {
    apt(`${put('one')}${put('two', 'the sec')}exec sleep 60`);
    const stop = new AbortController();
    const running = expect(store(stop.signal).packages(ALL)).rejects.toThrow(/apt-get: stopped/);
    while (!existsSync(join(folder, 'log')) || !partial().some((name) => name.includes('two_')))
      await clock.sleep(10);
    stop.abort();
    await running;
    expect(packages()).toEqual(['one']);
    expect(partial()).toEqual([]);
  });

  it('ends with the program that asked for it', async () => {
    const said = join(folder, 'pid');
    apt(`echo $$ >'${said}'; exec sleep 60`);
    const main = join(folder, 'main.mjs');
    await build({
      stdin: {
        contents: `import { downloadPackages } from './debian.js';
          await downloadPackages(${JSON.stringify(ALL)}, ${JSON.stringify(folder)});`,
        resolveDir: import.meta.dirname,
        loader: 'ts',
      },
      ...{ outfile: main, bundle: true, platform: 'node', format: 'esm', logLevel: 'warning' },
    });
    const asking = spawn(process.execPath, [main]);
    const pid = await vi.waitFor(() => Number(/^\d+(?=\n)/.exec(readFileSync(said, 'utf8'))?.[0]), LONG);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    asking.kill('SIGKILL');
    await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), LONG);
  });

  it('goes on after a run that was killed, and leaves alone one that is at work', async () => {
    const left = join(folder, 'cache/partial/999999999-1');
    const working = join(folder, `cache/partial/${process.ppid}-1`);
    for (const path of [left, working]) mkdirSync(path, { recursive: true });
    writeFileSync(join(left, 'one_1_amd64.deb'), CONTENT.one);
    writeFileSync(join(left, 'two_1_amd64.deb'), 'the sec');
    writeFileSync(join(working, 'three_1_amd64.deb'), CONTENT.three);
    apt(put('two') + put('three'));
    await store().packages(ALL);
    expect(asked()[0]).toBe('asked: two=1 three=1');
    expect(partial()).toEqual([`${process.ppid}-1`, `${process.ppid}-1/three_1_amd64.deb`]);
  });

  it('takes nothing for what it is not', async () => {
    apt(put('one') + put('two', 'the SECOND one') + put('three'));
    await expect(store().packages(ALL)).rejects.toThrow(/left no two 1 with the SHA-256 that apt's index/);
    expect(packages().sort()).toEqual(['one', 'three']);
    expect(partial()).toEqual([]);
  });

  it('leaves no part of a package on a full disk', async () => {
    const text = 'E: Write error - write (28: No space left on device)';
    apt(`${put('one')}${put('two', 'the sec')}echo '${text}' >&2; exit 100`);
    await expect(store().packages(ALL)).rejects.toThrow(/: no space left on its disk$/);
    expect(packages()).toEqual(['one']);
    expect(partial()).toEqual([]);
  });
});
