import { describe, expect, it } from 'vitest';
import { loadOrder, moduleDepends, moduleName } from './modinfo.js';

type Depends = Readonly<Record<string, readonly string[] | 'builtin'>>;

function order(names: readonly string[], depends: Depends): Promise<readonly string[]> {
  return loadOrder(names, async (name) => depends[name]);
}

describe('what a module needs', () => {
  const module = (info: string) => Buffer.from(`\x7fELF junk\0license=GPL\0${info}\0retpoline=Y\0more junk`);

  it('is in its strings', () => {
    expect(moduleDepends(module('depends=net_failover,virtio-ring'))).toEqual([
      'net_failover',
      'virtio_ring',
    ]);
    expect(moduleDepends(module('depends='))).toEqual([]);
  });

  it('is an error where there are none', () => {
    expect(() => moduleDepends(module('name=x'))).toThrow(/not a kernel module/);
  });

  it('goes by the name that the kernel uses', () => {
    expect(moduleName('kernel/drivers/net/virtio-net.ko.xz')).toBe('virtio_net');
    expect(moduleName('e1000.ko')).toBe('e1000');
  });
});

describe('the order of loading', () => {
  it('puts what is needed first, once', async () => {
    const depends = { a: ['b', 'c'], b: ['d'], c: ['d'], d: [] };
    expect(await order(['a', 'c'], depends)).toEqual(['d', 'b', 'c', 'a']);
  });

  it('leaves out what is part of the kernel', async () => {
    expect(await order(['virtio-net'], { virtio_net: ['virtio_pci'], virtio_pci: 'builtin' })).toEqual([
      'virtio_net',
    ]);
  });

  it('says what is not there, and who wants it', async () => {
    await expect(order(['a'], { a: ['gone'] })).rejects.toThrow('no module gone, which a needs');
    await expect(order(['gone'], {})).rejects.toThrow('no module gone');
  });

  it('does not run in a circle', async () => {
    await expect(order(['a'], { a: ['b'], b: ['a'] })).rejects.toThrow(/circle/);
  });
});
