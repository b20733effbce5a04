import { ShootdownError } from '../pci/error.js';

/**
 * Names of the modules that this module needs, from its `.modinfo` strings. Debian's packages carry no modules.dep
 * (depmod makes it where a kernel is installed), and every module names what it needs itself.
 */
export function moduleDepends(bytes: Uint8Array): readonly string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const key = '\0depends=';
  const start = text.indexOf(key);
  if (start < 0)
    throw new ShootdownError('bad-input', 'not a kernel module: it does not say what it depends on');
  const from = start + key.length;
  const list = text.toString('latin1', from, text.indexOf(0, from));
  return list === '' ? [] : list.split(',').map(moduleName);
}

/** `virtio-net.ko.xz` and `virtio_net` are one module: file names use either. */
export function moduleName(file: string): string {
  return file
    .replace(/^.*\//, '')
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}

/**
 * The named modules and all that they need, each once and after what it needs: the order in which to load them.
 * `dependsOf` gives a module's own list, `'builtin'` for one that is part of the kernel and needs no loading, or
 * `undefined` for one that the kernel does not have, which is rejected.
 */
export async function loadOrder(
  names: readonly string[],
  dependsOf: (name: string) => Promise<readonly string[] | 'builtin' | undefined>,
): Promise<readonly string[]> {
  const order = new Set<string>();
  const waiting = new Set<string>();
  const visit = async (name: string, wantedBy: string | undefined): Promise<void> => {
    if (order.has(name)) return;
    if (waiting.has(name))
      throw new ShootdownError('bad-input', `modules need each other in a circle: ${name}`);
    const depends = await dependsOf(name);
    if (depends === 'builtin') return;
    if (depends === undefined) {
      const by = wantedBy === undefined ? '' : `, which ${wantedBy} needs`;
      throw new ShootdownError('not-found', `this kernel has no module ${name}${by}`);
    }
    waiting.add(name);
    for (const needed of depends) await visit(needed, name);
    waiting.delete(name);
    order.add(name);
  };
  for (const name of names) await visit(moduleName(name), undefined);
  return [...order];
}
