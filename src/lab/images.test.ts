import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock as clock } from '../host/clock.js';
import { keepImage } from './images.js';
import { Store } from './store.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-images-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('images of one name are kept as long as they are among the last three used', async () => {
  const store = new Store({ folder, clock, offline: true, progress: () => () => {} });
  const keep = async (name: string, text: string) => {
    // The clock of a file system ticks every few milliseconds.
    await clock.sleep(20);
    return keepImage(store, name, Buffer.from(text));
  };
  const other = await keep('initramfs-6.1', 'without Node');
  const used = await keep('initramfs-6.1-shootdown', 'bundle 1');
  const old = await keep('initramfs-6.1-shootdown', 'bundle 2');
  await keep('initramfs-6.1-shootdown', 'bundle 3');
  expect(await keep('initramfs-6.1-shootdown', 'bundle 1')).toBe(used);
  await keep('initramfs-6.1-shootdown', 'bundle 4');
  expect(existsSync(used)).toBe(true);
  expect(existsSync(old)).toBe(false);
  expect(existsSync(other)).toBe(true);
  expect(readdirSync(join(folder, 'images'))).toHaveLength(4);
});
