import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../host/clock.js';
import { fileError } from './file-error.js';
import { Store } from './store.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function offline(): Store {
  return new Store({ folder, clock, offline: true, progress: () => () => {} });
}

const BYTES = Buffer.from('an image');
const PACKAGE = { name: 'linux-image-x', version: '1-1', sha256: 'ab'.repeat(32), bytes: 10 };

describe('the store', () => {
  it('names a file by what is in it, and keeps it', async () => {
    const path = await offline().file('image', BYTES);
    expect(path).toMatch(/images\/image_[0-9a-f]{16}$/);
    expect(readFileSync(path)).toEqual(BYTES);
    expect(await offline().file('image', BYTES)).toBe(path);
    expect(await offline().file('image', Buffer.from('another'))).not.toBe(path);
    expect(readdirSync(join(folder, 'temporary'))).toEqual([]);
  });

  it('makes a damaged file anew', async () => {
    const path = await offline().file('image', BYTES);
    writeFileSync(path, 'an im');
    await offline().file('image', BYTES);
    expect(readFileSync(path)).toEqual(BYTES);
  });

  it('does not take a package for what it is not, and asks nobody when offline', async () => {
    await offline().file('image', BYTES);
    const deb = join(folder, 'packages', `linux-image-x_${PACKAGE.sha256.slice(0, 16)}.deb`);
    await expect(offline().packages([PACKAGE])).rejects.toThrow(
      /linux-image-x 1-1 is not in .* without --offline/,
    );
    mkdirSync(join(folder, 'packages'), { recursive: true });
    writeFileSync(deb, 'not what apt said');
    await expect(offline().packages([PACKAGE])).rejects.toThrow(/is not in/);
  });

  it('sweeps away what a run that was killed has left, and nothing of one that is at work', async () => {
    const mine = await offline().temporaryFile('mine', BYTES);
    const left = join(folder, 'temporary', '999999999-1-initramfs');
    writeFileSync(left, 'x');
    await offline().sweep();
    expect(readdirSync(join(folder, 'temporary'))).toEqual([mine.split('/').at(-1)]);
  });

  it('leaves nothing of what failed', async () => {
    const store = offline();
    const failing = store.make(join(folder, 'images/x'), async (temporary) => {
      writeFileSync(temporary, 'half');
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    });
    await expect(failing).rejects.toThrow(/images\/x: no space left on its disk/);
    expect(readdirSync(join(folder, 'temporary'))).toEqual([]);
  });

  it('says what is wrong with a disk', () => {
    expect(fileError('/a', { code: 'EROFS', message: '' }).code).toBe('no-permission');
    expect(fileError('/a', new Error('dpkg-deb: No space left on device')).message).toMatch(/no space left/);
  });
});
