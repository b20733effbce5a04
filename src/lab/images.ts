import { chmod, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from './file-error.js';
import type { Store } from './store.js';

/** Of images with the same name: a bundle under development is another one with every change. */
const KEPT = 3;

/**
 * Puts an image into the store, under its name and the hash of its bytes, and removes older ones of that name: those
 * that were not among the last three used. A QEMU that runs has the one it was started with, removed or not.
 */
export async function keepImage(store: Store, name: string, bytes: Uint8Array): Promise<string> {
  const path = await store.file(name, bytes);
  try {
    // Sets the time of its last change, which says when it was last used, without a look at the clock.
    await chmod(path, 0o644);
    for (const old of (await imagesOf(join(path, '..'), name)).slice(KEPT)) await rm(old, { force: true });
  } catch (cause) {
    throw fileError(path, cause);
  }
  return path;
}

/** Last used first. */
async function imagesOf(folder: string, name: string): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((one) => one.slice(0, one.lastIndexOf('_')) === name);
  const dated = await Promise.all(
    names.map(async (one) => {
      const path = join(folder, one);
      // One that another run has just removed.
      const used = await stat(path).then(
        ({ ctimeMs }) => ctimeMs,
        () => 0,
      );
      return { path, used };
    }),
  );
  return dated.sort((a, b) => b.used - a.used).map(({ path }) => path);
}
