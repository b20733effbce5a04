import { chmod, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from './file-error.js';
import type { Store } from './store.js';

/** Of images with the same name: a bundle under development is another one with every change. */
const KEPT = 3;

/** A run may still be about to start its QEMU with an image, milliseconds before the one that was used last. */
const IN_USE = 600_000;

/**
 * Puts an image into the store, under its name and the hash of its bytes, and removes older ones of that name: those
 * that were not among the last three used, and not within ten minutes of the last. A QEMU that runs has the one it was
 * started with, removed or not.
 */
export async function keepImage(
  store: Store,
  name: string,
  bytes: Uint8Array,
  inUse = IN_USE,
): Promise<string> {
  let path = await store.file(name, bytes);
  try {
    // Another run may have found it old a moment ago.
    while (!(await markUsed(path))) path = await store.file(name, bytes);
    const images = await imagesOf(join(path, '..'), name);
    const latest = images[0]?.used ?? 0;
    const old = images.slice(KEPT).filter(({ used }) => latest - used > inUse);
    for (const { path } of old) await rm(path, { force: true });
  } catch (cause) {
    throw fileError(path, cause);
  }
  return path;
}

/** False where there is no such file. */
async function markUsed(path: string): Promise<boolean> {
  try {
    // Sets the time of its last change, which says when it was last used, without a look at the clock.
    await chmod(path, 0o644);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw cause;
  }
}

interface Image {
  readonly path: string;
  /** In milliseconds. */
  readonly used: number;
}

/** Last used first. */
async function imagesOf(folder: string, name: string): Promise<readonly Image[]> {
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
  return dated.sort((a, b) => b.used - a.used);
}
