import { describe, expect, it } from 'vitest';
import { bootVersions, runningAndNewest } from './installed-kernels.js';

describe('the kernels in /boot', () => {
  it('are those whose names are of kernels, the newest last', () => {
    const names = [
      'vmlinuz-6.1.0-9-amd64',
      'vmlinuz-6.1.0-26-amd64',
      'vmlinuz-6.1.0-9-amd64.old',
      'vmlinuz-6.1.dpkg-new',
      'vmlinuz-',
      'vmlinuz-..',
      'vmlinuz-$(x)',
      'vmlinuz-a b',
      'vmlinuz',
      'initrd.img-6.1',
    ];
    expect(bootVersions({ list: () => names })).toEqual(['6.1.0-9-amd64', '6.1.0-26-amd64']);
  });

  it('that matter are the one that runs and the newest', () => {
    const list = () => ['vmlinuz-6.1.0-26', 'vmlinuz-6.1.0-9', 'vmlinuz-6.1.0-10'];
    const read = (path: string) => (path.endsWith('/osrelease') ? Buffer.from('6.1.0-9\n') : undefined);
    const boot = { list, read };
    expect(runningAndNewest(boot)).toEqual(['6.1.0-9', '6.1.0-26']);
    expect(runningAndNewest(boot, '6.1.0-9')).toEqual(['6.1.0-9', '6.1.0-26']);
    expect(runningAndNewest(boot, '6.1.0-26')).toEqual(['6.1.0-26']);
    expect(runningAndNewest(boot, '6.1.0-8')).toEqual(['6.1.0-26']);
    expect(runningAndNewest(boot, '')).toEqual(['6.1.0-26']);
    expect(runningAndNewest({ list: () => [], read })).toEqual([]);
  });
});
