import { access, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { hashOf, hashOfFile } from '../../src/lab/hash.js';
import type { Store } from '../../src/lab/store.js';
import { SystemMachine } from './machine.js';

/** What an administrator did to a system that has been there. */
export interface Preparation {
  readonly name: string;
  /** The image it begins with. */
  readonly image: string;
  /** A folder that the guest finds at `FILES_FOLDER`. */
  readonly files?: string;
  /** Must succeed. */
  readonly script: string;
}

/** The image of a system after that, from the cache or made now. Not to be written to, as `guestImage`'s. */
export async function preparedImage(store: Store, preparation: Preparation): Promise<string> {
  const { name, image, files, script } = preparation;
  const given: (readonly [string, string | undefined])[] = [];
  if (files !== undefined)
    for (const file of (await readdir(files)).sort()) given.push([file, await hashOfFile(join(files, file))]);
  const hash = hashOf(Buffer.from(JSON.stringify([basename(image), given, script]))).slice(0, 16);
  const path = store.path('guests', `${name}_${hash}`);
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (there) return path;
  store.options.progress(`preparing ${name}`)(0, 1);
  const machine = await SystemMachine.create({ store, image, name: `prepare-${name}` });
  try {
    const guest = await machine.boot(files === undefined ? {} : { files });
    await guest.must(script);
    await guest.powerOff();
    await machine.disk.list('/');
    await rename(machine.disk.path, path);
  } finally {
    await machine.close();
  }
  for (const old of await readdir(store.path('guests')))
    if (old.startsWith(`${name}_`) && old !== basename(path)) await store.discard(store.path('guests', old));
  return path;
}

/** A folder of this machine while something is done. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'shootdown-system-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
