import { access, readdir, rename } from 'node:fs/promises';
import { describePackages } from '../../src/lab/debian.js';
import { hashOf } from '../../src/lab/hash.js';
import type { Store } from '../../src/lab/store.js';
import { BUILD, bootstrapImage } from './bootstrap.js';
import { SystemMachine } from './machine.js';
import { closures } from './packages.js';
import type { Recipe } from './recipe.js';

const FOLDER = 'guests';
const FIRST_BOOT_TIMEOUT_MS = 1_800_000;

/**
 * The image of a system that has been installed and has run once, from the cache or made now, which takes minutes. Its
 * name has the hash of all that went into it. It is not to be written to: `SystemMachine` works on a copy.
 */
export async function guestImage(store: Store, recipe: Recipe): Promise<string> {
  const [base = [], ...groups] = await closures(store, [recipe.base, ...recipe.groups]);
  const debs = await describePackages(recipe.debs);
  const hashes = [base, ...groups, debs].map((group) => group.map(({ sha256 }) => sha256));
  const hash = hashOf(Buffer.from(JSON.stringify([recipe, hashes, BUILD]))).slice(0, 16);
  const path = store.path(FOLDER, `${recipe.name}_${hash}`);
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (there) return path;
  const fresh = store.path(FOLDER, `${recipe.name}-fresh_${hash}`);
  await bootstrapImage(store, { recipe, base, groups, debs }, fresh);
  store.options.progress(`starting ${recipe.name} for the first time`)(0, 1);
  await firstBoot(store, recipe, fresh, path);
  await store.discard(fresh);
  for (const name of await readdir(store.path(FOLDER))) {
    const old = name.startsWith(`${recipe.name}_`) && name !== `${recipe.name}_${hash}`;
    if (old) await store.discard(store.path(FOLDER, name));
  }
  return path;
}

async function firstBoot(store: Store, recipe: Recipe, fresh: string, path: string): Promise<void> {
  const machine = await SystemMachine.create({ store, image: fresh, name: `first-boot-${recipe.name}` });
  try {
    const guest = await machine.boot();
    await guest.must(recipe.firstBoot, FIRST_BOOT_TIMEOUT_MS);
    await guest.powerOff();
    await machine.disk.list('/');
    await rename(machine.disk.path, path);
  } finally {
    await machine.close();
  }
}
