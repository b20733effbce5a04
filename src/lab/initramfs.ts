import { readFile } from 'node:fs/promises';
import { type Catalog, packagesFor, readCatalog } from './catalog.js';
import { type CpioEntry, cpioArchive } from './cpio.js';
import { GUEST_INIT } from './guest-init.js';
import { busyboxPath, kexecEntries, nodeEntries } from './guest-programs.js';
import { keepImage } from './images.js';
import { type LabKernel, openKernel } from './kernel.js';
import { SCENARIOS } from './scenarios.js';
import type { Store } from './store.js';

/** What a guest is made of. */
export interface GuestParts {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly kernel: LabKernel;
  readonly busybox: string;
}

/** Node and a bundle that becomes the command `shootdown` in a guest. */
export interface GuestShootdown {
  readonly node: string;
  readonly bundle: string;
}

/** Where the next kernel and its initramfs lie in the guest. */
export const NEXT_KERNEL = '/next/vmlinuz';
export const NEXT_INITRAMFS = '/next/initramfs';

/** What a guest needs to read the disk of `buildToolsDisk`. */
export const TOOLS_DISK_MODULES = ['virtio_pci', 'virtio_blk'] as const;

const ALL_MODULES = [
  ...new Set([
    ...SCENARIOS.flatMap(({ modules, nextModules = [] }) => [...modules, ...nextModules]),
    ...TOOLS_DISK_MODULES,
  ]),
];

/** Where a guest's modules lie. */
export function modulePath(name: string): string {
  return `/modules/${name}.ko`;
}

/** Gets one kernel and the programs for its guests, from Debian or from the store. */
export async function guestParts(store: Store, series: string, catalog?: Catalog): Promise<GuestParts> {
  const known = catalog ?? (await readCatalog(store));
  await store.packages(packagesFor(known, series));
  const busybox = await busyboxPath(store, known);
  return { store, catalog: known, kernel: await openKernel(store, known, series, busybox), busybox };
}

/**
 * A guest's initramfs, with the modules of every scenario, of which a run loads its own. Not compressed: unpacking
 * under TCG costs more than reading. The next kernel is the same one, unless `next` names another. It lies in the store, for the next run and for whoever repeats this one.
 */
export async function buildInitramfs(
  parts: GuestParts,
  { shootdown, next }: { readonly shootdown?: GuestShootdown; readonly next?: string } = {},
): Promise<{ readonly path: string }> {
  const { store, kernel } = parts;
  const base = await baseEntries(parts);
  const modules = (await kernel.modules(await availableModules(kernel))).map(moduleEntry);
  const entries: CpioEntry[] = [
    ...base,
    ...(await kexecEntries(store, parts.catalog)),
    ...modules,
    { path: NEXT_KERNEL.slice(1), kind: 'file', bytes: await readFile(next ?? kernel.image) },
    { path: NEXT_INITRAMFS.slice(1), kind: 'file', bytes: cpioArchive([...base, ...modules]) },
  ];
  const name = `initramfs-${kernel.series}${next === undefined ? '' : '-wrapped'}`;
  if (!shootdown) return { path: await keepImage(store, name, cpioArchive(entries)) };
  entries.push(...(await nodeEntries('shootdown', shootdown.node, shootdown.bundle)));
  return { path: await keepImage(store, `${name}-shootdown`, cpioArchive(entries)) };
}

/**
 * Node and the bundle as an archive to be put on a disk: a chain of kernels reads it anew each time, which costs less
 * than carrying it in every initramfs. It lies in the store, too.
 */
export async function buildToolsDisk(store: Store, { node, bundle }: GuestShootdown): Promise<string> {
  const archive = cpioArchive(await nodeEntries('shootdown', node, bundle));
  const sectors = Math.ceil(archive.length / 512);
  const disk = new Uint8Array(sectors * 512);
  disk.set(archive);
  return keepImage(store, 'tools', disk);
}

/** A kernel of another flavour may lack some: a scenario that needs them cannot be run with it. */
async function availableModules(kernel: LabKernel): Promise<readonly string[]> {
  const missing = await kernel.missing(ALL_MODULES);
  return ALL_MODULES.filter((name) => !missing.includes(name));
}

async function baseEntries({ busybox }: GuestParts): Promise<CpioEntry[]> {
  return [
    { path: 'init', kind: 'file', bytes: Buffer.from(GUEST_INIT), executable: true },
    { path: 'bin/busybox', kind: 'file', bytes: await readFile(busybox), executable: true },
    { path: 'bin/sh', kind: 'link', target: 'busybox' },
    // Before devtmpfs is mounted, the kernel opens the console for the first process.
    { path: 'dev/console', kind: 'device', major: 5, minor: 1 },
  ];
}

function moduleEntry({ name, bytes }: { name: string; bytes: Uint8Array }): CpioEntry {
  return { path: modulePath(name).slice(1), kind: 'file', bytes };
}
