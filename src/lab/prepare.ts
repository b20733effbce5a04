import { ShootdownError } from '../pci/error.js';
import { type Catalog, KERNEL_SERIES, packagesFor, readCatalog, storedCatalog } from './catalog.js';
import { buildInitramfs, type GuestParts, guestParts } from './initramfs.js';
import { prune } from './prune.js';
import type { Store } from './store.js';
import { checkTrees } from './tree-check.js';

/** A kernel that is ready to be run. */
export interface PreparedKernel {
  readonly series: string;
  readonly release: string;
  readonly version: string;
  readonly package: string;
  readonly image: string;
  readonly initramfs: string;
}

/**
 * Gets everything for guests with these kernels (by default those of `kernelSeries`), proves that it fits together, and removes
 * packages that are out of use.
 */
export async function prepare(store: Store, series?: readonly string[]): Promise<readonly PreparedKernel[]> {
  await store.sweep();
  const catalog = await readCatalog(store);
  const prepared: PreparedKernel[] = [];
  for (const one of series ?? kernelSeries(catalog)) {
    await store.packages(packagesFor(catalog, one));
    await checkTrees(store, packagesFor(catalog, one));
    const parts = await guestParts(store, one, catalog);
    const { path } = await buildInitramfs(parts);
    const { release, version, image } = parts.kernel;
    const name = catalog.kernels[one]?.name ?? '';
    prepared.push({ series: one, release, version, package: name, image, initramfs: path });
  }
  await prune(store);
  return prepared;
}

/** The kernels of a catalog that are used where none is named, oldest series first. */
export function kernelSeries(catalog: Catalog): readonly string[] {
  return KERNEL_SERIES.filter((series) => catalog.kernels[series] !== undefined);
}

/** What was prepared before, so that a run asks apt only if it must. */
export async function preparedCatalog(store: Store, series?: string): Promise<Catalog> {
  const stored = await storedCatalog(store).catch((error: unknown) => {
    if (store.options.offline) throw error;
    return undefined;
  });
  if (stored && (series === undefined || stored.kernels[series] !== undefined)) return stored;
  return readCatalog(store);
}

/** Parts of a guest with this kernel, from what was prepared before, or prepared now. */
export async function preparedParts(store: Store, series: string): Promise<GuestParts> {
  return guestParts(store, series, await preparedCatalog(store, series));
}

/** Parts of a guest with the kernel that was asked for, or with the newest that is prepared. */
export async function chosenParts(store: Store, asked: string | undefined): Promise<GuestParts> {
  const series = asked ?? kernelSeries(await preparedCatalog(store)).at(-1);
  if (series === undefined)
    throw new ShootdownError('not-found', 'no kernel is prepared: shootdown lab prepare');
  return preparedParts(store, series);
}
