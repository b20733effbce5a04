import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkNotInput, type OutputFiles, writeOutput } from './output-file.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-output-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const bytes = Buffer.from('the new kernel');

/** A disk that is full after a few bytes. */
const full: OutputFiles = {
  write(fd, part) {
    writeSync(fd, part.subarray(0, 3));
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  },
  sync: () => {},
};

describe('writeOutput', () => {
  it('makes a file with the given permissions', () => {
    const path = join(folder, 'out');
    writeOutput(path, bytes, 0o640);
    expect(readFileSync(path)).toEqual(bytes);
    expect(statSync(path).mode & 0o7777).toBe(0o640);
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('writes all of it, however little is taken at a time', () => {
    const path = join(folder, 'out');
    writeOutput(path, bytes, 0o600, {
      write: (fd, part) => writeSync(fd, part.subarray(0, 1)),
      sync: () => {},
    });
    expect(readFileSync(path)).toEqual(bytes);
  });

  it('replaces a file in one step: who has the old one open reads it to its end', () => {
    const path = join(folder, 'out');
    writeFileSync(path, 'old');
    linkSync(path, join(folder, 'old'));
    writeOutput(path, bytes, 0o600);
    expect(readFileSync(path)).toEqual(bytes);
    expect(readFileSync(join(folder, 'old'), 'utf8')).toBe('old');
  });

  it('follows a symbolic link', () => {
    mkdirSync(join(folder, 'boot'));
    writeFileSync(join(folder, 'boot/out'), 'old');
    symlinkSync('boot/out', join(folder, 'link'));
    writeOutput(join(folder, 'link'), bytes, 0o600);
    expect(readFileSync(join(folder, 'boot/out'))).toEqual(bytes);
    expect(readdirSync(folder)).toEqual(['boot', 'link']);
  });

  it('refuses a symbolic link that leads nowhere, and a name that is empty', () => {
    symlinkSync('nowhere', join(folder, 'link'));
    expect(() => writeOutput(join(folder, 'link'), bytes, 0o600)).toThrow(
      'a symbolic link that leads nowhere',
    );
    expect(readdirSync(folder)).toEqual(['link']);
    expect(() => writeOutput('', bytes, 0o600)).toThrow('the name of an output file is empty');
  });

  it('leaves nothing on a full disk, and an old file as it was', () => {
    const path = join(folder, 'out');
    expect(() => writeOutput(path, bytes, 0o600, full)).toThrow(`${path} cannot be written: no space left`);
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(path, 'old');
    expect(() => writeOutput(path, bytes, 0o600, full)).toThrow('no space left');
    expect(readdirSync(folder)).toEqual(['out']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('leaves alone what a killed process of the same number left, and is not held up by it', () => {
    const path = join(folder, 'out');
    const left = [0, 1].map((time) => `.out.${process.pid + time * 2 ** 22}.tmp`);
    for (const name of left) writeFileSync(join(folder, name), 'of somebody else');
    writeOutput(path, bytes, 0o600);
    expect(readFileSync(path)).toEqual(bytes);
    expect(readdirSync(folder).sort()).toEqual([...left, 'out'].sort());
    for (const name of left) expect(readFileSync(join(folder, name), 'utf8')).toBe('of somebody else');
  });

  it('gives up in time where every name is taken', () => {
    for (let time = 0; time < 100; time++)
      writeFileSync(join(folder, `.out.${process.pid + time * 2 ** 22}.tmp`), '');
    expect(() => writeOutput(join(folder, 'out'), bytes, 0o600)).toThrow(/EEXIST/);
    expect(readdirSync(folder)).toHaveLength(100);
  });

  it('says what is wrong with the place', () => {
    expect(() => writeOutput(join(folder, 'no/out'), bytes, 0o600)).toThrow('its folder is not there');
    expect(() => writeOutput(folder, bytes, 0o600)).toThrow('is not a regular file');
    expect(() => writeOutput('/dev/null', bytes, 0o600)).toThrow('is not a regular file');
  });
});

describe('checkNotInput', () => {
  it('knows a file by whatever name', () => {
    const path = join(folder, 'in');
    writeFileSync(path, '');
    symlinkSync('in', join(folder, 'soft'));
    linkSync(path, join(folder, 'hard'));
    for (const name of ['in', 'soft', 'hard', './in']) {
      expect(() => checkNotInput(join(folder, name), path)).toThrow('is the input itself');
    }
    checkNotInput(join(folder, 'out'), path);
    checkNotInput(path, join(folder, 'missing'));
  });
});
