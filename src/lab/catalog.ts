import { readFile, rename, writeFile } from 'node:fs/promises';
import * as v from 'valibot';
import { ShootdownError } from '../pci/error.js';
import { type DebianPackage, describePackages, kernelPackages, libraryPackages } from './debian.js';
import type { Store } from './store.js';

/** Which packages the lab is made of: what apt said when it was last asked. */
export interface Catalog {
  /** Kernels by series and flavour: `6.1`, `6.12`, `6.1-cloud`, `6.12-rt`. */
  readonly kernels: Readonly<Record<string, DebianPackage>>;
  readonly busybox: DebianPackage;
  readonly kexec: DebianPackage;
  readonly kexecLibraries: readonly DebianPackage[];
}

/** The series that scenarios are made for, where apt has them. */
export const KERNEL_SERIES = ['6.1', '6.12'] as const;
/** Debian's other kernels of a series; used only where they are named. */
const FLAVOURS = ['cloud', 'rt'] as const;
const KNOWN_KERNELS = KERNEL_SERIES.flatMap((series) => [
  series,
  ...FLAVOURS.map((one) => `${series}-${one}`),
]);

const NEWEST = 'catalog.json';
const BEFORE = 'catalog-before.json';
const PACKAGE = v.object({ name: v.string(), version: v.string(), sha256: v.string(), bytes: v.number() });
const CATALOG = v.object({
  kernels: v.record(v.string(), PACKAGE),
  busybox: PACKAGE,
  kexec: PACKAGE,
  kexecLibraries: v.array(PACKAGE),
});

/** All that a guest with this kernel is made of. */
export function packagesFor(catalog: Catalog, series: string): readonly DebianPackage[] {
  const kernel = catalog.kernels[series];
  return [
    ...(kernel === undefined ? [] : [kernel]),
    catalog.busybox,
    catalog.kexec,
    ...catalog.kexecLibraries,
  ];
}

/** Asks apt, or offline the file that the last online run left. */
export async function readCatalog(store: Store): Promise<Catalog> {
  return store.options.offline ? storedCatalog(store) : askApt(store);
}

/** What the last online run left. */
export async function storedCatalog(store: Store): Promise<Catalog> {
  const path = store.path(NEWEST);
  try {
    return v.parse(CATALOG, JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? 'nothing is prepared yet' : `${path} cannot be used`;
    throw new ShootdownError('not-found', `${what}: run shootdown lab prepare without --offline`, { cause });
  }
}

async function askApt(store: Store): Promise<Catalog> {
  const { signal } = store.options;
  const options = signal === undefined ? {} : { signal };
  const names = await kernelPackages(options);
  const known = KNOWN_KERNELS.flatMap((series) => {
    const name = names.get(series);
    return name === undefined ? [] : [{ series, name }];
  });
  if (known.length === 0) {
    throw new ShootdownError(
      'not-found',
      `apt knows no kernel of the series ${KERNEL_SERIES.join(', ')}: this needs Debian's package lists, and apt-get update`,
    );
  }
  const libraries = await libraryPackages('kexec-tools', options);
  const [busybox, kexec, ...rest] = await describePackages(
    ['busybox-static', 'kexec-tools', ...known.map(({ name }) => name), ...libraries],
    options,
  );
  if (busybox === undefined || kexec === undefined)
    throw new Error('describePackages gives one for each name');
  const catalog: Catalog = {
    kernels: Object.fromEntries(
      known.flatMap(({ series }, i) => {
        const kernel = rest[i];
        return kernel === undefined ? [] : [[series, kernel]];
      }),
    ),
    busybox,
    kexec,
    kexecLibraries: rest.slice(known.length),
  };
  await storeCatalog(store, catalog);
  return catalog;
}

/** The one before stays: runs that were started with it may still be at work. */
export async function storeCatalog(store: Store, catalog: Catalog): Promise<void> {
  const text = `${JSON.stringify(catalog, null, 2)}\n`;
  const old = await readFile(store.path(NEWEST), 'utf8').catch(() => text);
  if (old !== text) await writeThrough(store, BEFORE, old);
  await writeThrough(store, NEWEST, text);
}

/** The newest and the one before it, as far as they can be read. */
export async function keptCatalogs(store: Store): Promise<readonly Catalog[]> {
  const read = async (name: string): Promise<Catalog[]> => {
    try {
      return [v.parse(CATALOG, JSON.parse(await readFile(store.path(name), 'utf8')))];
    } catch {
      return [];
    }
  };
  return [...(await read(NEWEST)), ...(await read(BEFORE))];
}

/** All packages that it names. */
export function packagesOf(catalog: Catalog): readonly DebianPackage[] {
  return [...Object.values(catalog.kernels), catalog.busybox, catalog.kexec, ...catalog.kexecLibraries];
}

async function writeThrough(store: Store, name: string, text: string): Promise<void> {
  await store.make(store.path(name), async (temporary) => {
    await writeFile(temporary, text);
    await rename(temporary, store.path(name));
  });
}
