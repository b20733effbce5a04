import { readdir } from 'node:fs/promises';
import { keptCatalogs, packagesOf } from './catalog.js';
import { dropPartial } from './download.js';
import type { Store } from './store.js';

/**
 * Removes what is left of downloads, and packages, packed and unpacked, that neither the newest catalog nor the one before it names. With that one a
 * run may still be at work; catalogs change when Debian does, and a run takes minutes.
 */
export async function prune(store: Store): Promise<void> {
  await dropPartial(store);
  const catalogs = await keptCatalogs(store);
  if (catalogs.length === 0) return;
  const packages = catalogs.flatMap(packagesOf);
  const wanted = new Set(packages.flatMap((one) => [store.debPath(one), store.treePath(one)]));
  for (const kind of ['packages', 'trees']) {
    for (const name of await readdir(store.path(kind)).catch(() => [])) {
      const path = store.path(kind, name);
      if (!wanted.has(path)) await store.discard(path);
    }
  }
}
