import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock as clock } from '../host/clock.js';
import { type Catalog, storeCatalog } from './catalog.js';
import type { DebianPackage } from './debian.js';
import { prune } from './prune.js';
import { Store } from './store.js';

let store: Store;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-prune-'));
  store = new Store({ folder, clock, offline: true, progress: () => () => {} });
});
afterEach(() => rmSync(store.path(), { recursive: true }));

/** Of a Debian as it was at that time: the kernel and kexec-tools change, the rest does not. */
function catalogOf(time: number): Catalog {
  const one = (name: string, version: number): DebianPackage => ({
    name,
    version: String(version),
    sha256: String(version).padStart(64, '0').split('').reverse().join(''),
    bytes: 1,
  });
  return {
    kernels: { '6.1': one(`linux-image-6.1.0-${time}-amd64`, time) },
    busybox: one('busybox-static', 0),
    kexec: one('kexec-tools', time),
    kexecLibraries: [one('libc6', 0)],
  };
}

function unpack({ kernels, busybox, kexec, kexecLibraries }: Catalog): void {
  for (const one of [...Object.values(kernels), busybox, kexec, ...kexecLibraries]) {
    mkdirSync(join(store.treePath(one), 'boot'), { recursive: true });
    mkdirSync(store.path('packages'), { recursive: true });
    writeFileSync(store.debPath(one), 'x');
  }
}

const names = (kind: string) =>
  readdirSync(store.path(kind))
    .map((name) => name.replace(/_(\d+?)0*(\.deb)?$/, ' $1'))
    .sort();

it('keeps what the newest catalog and the one before it name', async () => {
  for (const time of [1, 2, 3]) {
    unpack(catalogOf(time));
    await storeCatalog(store, catalogOf(time));
    await storeCatalog(store, catalogOf(time));
  }
  mkdirSync(store.path('partial/999999999-1'), { recursive: true });
  mkdirSync(store.path(`partial/${process.pid}-1`), { recursive: true });
  await prune(store);
  const kept = [
    'busybox-static 0',
    'kexec-tools 2',
    'kexec-tools 3',
    'libc6 0',
    'linux-image-6.1.0-2-amd64 2',
    'linux-image-6.1.0-3-amd64 3',
  ];
  expect(names('packages')).toEqual(kept);
  expect(names('trees')).toEqual(kept);
  expect(readdirSync(store.path('partial'))).toEqual([`${process.pid}-1`]);
  expect(readdirSync(store.path('temporary'))).toEqual([]);
});

it('removes nothing when it does not know what is wanted', async () => {
  unpack(catalogOf(1));
  await prune(store);
  expect(names('trees')).toHaveLength(4);
});
