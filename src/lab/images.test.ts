import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock as clock } from '../host/clock.js';
import { keepImage } from './images.js';
import { Store } from './store.js';

let folder: string;
let store: Store;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-images-'));
  store = new Store({ folder, clock, offline: true, progress: () => () => {} });
});
afterEach(() => rmSync(folder, { recursive: true }));

it('images of one name are kept as long as they are among the last three used', async () => {
  const keep = async (name: string, text: string) => {
    // The clock of a file system ticks every few milliseconds.
    await clock.sleep(20);
    return keepImage(store, name, Buffer.from(text), 0);
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

it('more than three at once are kept: each is about to be started', async () => {
  const texts = ['one', 'two', 'three', 'four', 'five', 'six'];
  const paths = await Promise.all(texts.map((text) => keepImage(store, 'wrapped', Buffer.from(text))));
  expect(paths.filter((path) => existsSync(path))).toHaveLength(6);
});

it('an image that another run removes meanwhile is written again', async () => {
  const first = await keepImage(store, 'wrapped', Buffer.from('one'));
  class Swept extends Store {
    swept = 0;
    override async file(name: string, bytes: Uint8Array): Promise<string> {
      const path = await super.file(name, bytes);
      if (this.swept++ === 0) rmSync(path);
      return path;
    }
  }
  const swept = new Swept({ folder, clock, offline: true, progress: () => () => {} });
  expect(await keepImage(swept, 'wrapped', Buffer.from('one'))).toBe(first);
  expect(existsSync(first)).toBe(true);
});
