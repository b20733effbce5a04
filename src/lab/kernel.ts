import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import type { Catalog } from './catalog.js';
import { command } from './command.js';
import { loadOrder, moduleDepends, moduleName } from './modinfo.js';
import type { Store } from './store.js';

/** A kernel out of its package, not installed. */
export interface LabKernel {
  /** `6.1`, or `6.1-cloud`. */
  readonly series: string;
  /** As `uname -r` says. */
  readonly release: string;
  /** Debian's version of it. */
  readonly version: string;
  /** Path of the bzImage. */
  readonly image: string;
  /** The named modules and what they need, uncompressed, in the order in which to load them. */
  modules(names: readonly string[]): Promise<readonly KernelModule[]>;
  /** Of the named modules, those that it does not have, built in or not. */
  missing(names: readonly string[]): Promise<readonly string[]>;
}

export interface KernelModule {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const NEEDED = [
  'CONFIG_KEXEC_CORE=y',
  'CONFIG_KEXEC_FILE=y',
  'CONFIG_CRASH_DUMP=y',
  'CONFIG_SERIAL_8250_CONSOLE=y',
];

/** Unpacks a kernel and looks whether it can do what the lab wants; `busybox` decompresses its modules. */
export async function openKernel(
  store: Store,
  catalog: Catalog,
  series: string,
  busybox: string,
): Promise<LabKernel> {
  const wanted = catalog.kernels[series];
  if (wanted === undefined) {
    const known = Object.keys(catalog.kernels).join(', ');
    throw new ShootdownError('not-found', `no kernel ${series} is to be had here: there is ${known}`);
  }
  const tree = await store.tree(wanted);
  const release = wanted.name.replace(/^linux-image-/, '');
  checkConfig(release, await readFile(join(tree, 'boot', `config-${release}`), 'utf8'));
  return {
    series,
    release,
    version: wanted.version,
    image: join(tree, 'boot', `vmlinuz-${release}`),
    modules: moduleReader(join(tree, 'lib/modules', release), busybox),
    missing: async (names) => {
      const { builtin, loadable } = await moduleFiles(join(tree, 'lib/modules', release));
      return names.filter((name) => !builtin.has(moduleName(name)) && !loadable.has(moduleName(name)));
    },
  };
}

/** Rejects a kernel without what a jump and a serial console need. */
export function checkConfig(release: string, config: string): void {
  const lines = new Set(config.split('\n'));
  const missing = NEEDED.filter((line) => !lines.has(line));
  if (missing.length > 0) {
    throw new ShootdownError('unsupported', `kernel ${release} is built without ${missing.join(', ')}`);
  }
}

function moduleReader(folder: string, busybox: string): LabKernel['modules'] {
  const read = async (path: string): Promise<Uint8Array> =>
    path.endsWith('.xz') ? command(busybox, ['xzcat', path]) : readFile(path);
  return async (names) => {
    const files = await moduleFiles(folder);
    const bytes = new Map<string, Uint8Array>();
    const order = await loadOrder(names, async (name) => {
      if (files.builtin.has(name)) return 'builtin';
      const path = files.loadable.get(name);
      if (path === undefined) return undefined;
      bytes.set(name, await read(path));
      return moduleDepends(bytes.get(name) ?? new Uint8Array());
    });
    return order.map((name) => ({ name, bytes: bytes.get(name) ?? new Uint8Array() }));
  };
}

async function moduleFiles(
  folder: string,
): Promise<{ builtin: ReadonlySet<string>; loadable: ReadonlyMap<string, string> }> {
  const builtin = await readFile(join(folder, 'modules.builtin'), 'utf8');
  const paths = await readdir(join(folder, 'kernel'), { recursive: true });
  return {
    builtin: new Set(builtin.split('\n').filter(Boolean).map(moduleName)),
    loadable: new Map(
      paths
        .filter((path) => /\.ko(\.xz)?$/.test(path))
        .map((path) => [moduleName(path), join(folder, 'kernel', path)]),
    ),
  };
}
