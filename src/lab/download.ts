import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { type DebianPackage, downloadPackages } from './debian.js';
import { fileError, isDiskFull } from './file-error.js';
import { hashOfFile } from './hash.js';
import type { Store } from './store.js';

const POLL_MS = 200;
let serial = 0;

/**
 * Downloads packages into the store. Whatever ends it, those that are complete and what apt's signed index says are in
 * their places, and the next run asks for the others only: `apt-get download` begins a package anew. A run that was
 * killed cannot put them there; the next one does.
 */
export async function fetchPackages(store: Store, wanted: readonly DebianPackage[]): Promise<void> {
  const parts = store.path('partial');
  const folder = join(parts, `${process.pid}-${++serial}`);
  try {
    await mkdir(folder, { recursive: true });
    await takeOver(parts, folder);
    const missing = await accept(store, wanted, folder);
    if (missing.length > 0) await download(store, missing, folder);
    await acceptAll(store, missing, folder);
  } catch (cause) {
    await accept(store, wanted, folder).catch(() => undefined);
    if (cause instanceof ShootdownError && !isDiskFull(cause)) throw cause;
    throw fileError(folder, cause);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined);
  }
}

/** Removes what is left of downloads that nobody went on with. */
export async function dropPartial(store: Store): Promise<void> {
  for (const name of await abandoned(store.path('partial'))) await store.discard(store.path('partial', name));
}

/** Folders of runs that have ended. */
async function abandoned(parts: string): Promise<readonly string[]> {
  const names = await readdir(parts).catch(() => []);
  return names.filter((name) => !existsSync(`/proc/${Number.parseInt(name, 10)}`));
}

/** Moves what runs that have ended left into `folder`. Of two runs that want it, one gets it: a rename says which. */
async function takeOver(parts: string, folder: string): Promise<void> {
  for (const name of await abandoned(parts)) {
    const taken = join(folder, name);
    const got = await rename(join(parts, name), taken).then(
      () => true,
      () => false,
    );
    if (!got) continue;
    for (const file of await readdir(taken)) await rename(join(taken, file), join(folder, file));
    await rm(taken, { recursive: true });
  }
}

/** Puts complete downloads into their places, and gives the packages that are not among them. */
async function accept(
  store: Store,
  wanted: readonly DebianPackage[],
  folder: string,
): Promise<readonly DebianPackage[]> {
  const missing: DebianPackage[] = [];
  for (const one of wanted) if (!(await acceptOne(store, one, folder))) missing.push(one);
  return missing;
}

async function acceptOne(store: Store, wanted: DebianPackage, folder: string): Promise<boolean> {
  const file = (await readdir(folder)).find((name) => name.startsWith(`${wanted.name}_`));
  if (file === undefined) return false;
  const path = join(folder, file);
  if ((await hashOfFile(path)) !== wanted.sha256) return false;
  await mkdir(store.path('packages'), { recursive: true });
  await rename(path, store.debPath(wanted));
  return true;
}

/** After a download that apt says went well. */
async function acceptAll(store: Store, wanted: readonly DebianPackage[], folder: string): Promise<void> {
  const [bad] = await accept(store, wanted, folder);
  if (bad === undefined) return;
  const message = `apt-get download left no ${bad.name} ${bad.version} with the SHA-256 that apt's index names`;
  throw new ShootdownError('bad-input', `${message}: apt-get update may help`);
}

async function download(store: Store, wanted: readonly DebianPackage[], folder: string): Promise<void> {
  const { clock, progress, signal } = store.options;
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  const more = wanted.length > 1 ? ` and ${wanted.length - 1} more` : '';
  const show = progress(`downloading ${wanted[0]?.name}${more}`);
  const stop = new AbortController();
  const watch = async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(POLL_MS, stop.signal);
      show(Math.min(await folderBytes(folder), total - 1), total);
    }
  };
  const watching = watch();
  try {
    await downloadPackages(wanted, folder, signal === undefined ? {} : { signal });
  } finally {
    stop.abort();
    await watching;
    show(total, total);
  }
}

async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
