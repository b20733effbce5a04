import { afterEach, describe, expect, it } from 'vitest';
import { debianSystem, RUNNING } from '../../test/support/debian-system.js';
import { addToTree, type FakeSystem, removeTree } from '../../test/support/system-tree.js';
import { crashKernel, initrdToLoad, loadedInitrd, reloadChanged } from './kdump.js';
import { kdumpLine } from './parts.js';

const DEFAULTS = '/etc/default/kdump-tools';
let system: FakeSystem;
afterEach(() => removeTree(system.root));
const withDefaults = (text: string) => {
  system = debianSystem({ [DEFAULTS]: `USE_KDUMP=1\n${text}` });
};

describe('what kdump-tools loads', () => {
  it('is noted beside the dumps, wherever they go', () => {
    withDefaults('KDUMP_COREDIR="/srv/dumps"\n');
    const line = 'kexec -p --initrd=/var/lib/kdump/initrd.img /srv/vmlinuz\n';
    addToTree(system.root, '/srv/dumps/kexec_cmd', line);
    expect(crashKernel(system)).toEqual({ loaded: true, kernel: '/srv/vmlinuz' });
    expect(loadedInitrd(system, RUNNING)).toBe(`/var/lib/kdump/initrd.img-${RUNNING}`);
  });

  it.each([
    ['KDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_INITRD=/var/lib/kdump/initrd.img\n', '/var/lib/kdump'],
    ['KDUMP_KERNEL=\nKDUMP_INITRD=\n', '/boot'],
    // It is not looked at then.
    ['KDUMP_KERNEL=\nKDUMP_INITRD=/var/lib/kdump/initrd.img\n', '/boot'],
    [`KDUMP_KERNEL=/x\nKDUMP_INITRD=/boot/initrd.img-${RUNNING}\n`, '/boot'],
  ])('with %j has its initrd in %s', (text, folder) => {
    withDefaults(text);
    expect(initrdToLoad(system, RUNNING)).toBe(`${folder}/initrd.img-${RUNNING}`);
  });
});

describe('a reload after a refresh', () => {
  const ofRunning = (status: 'wrapped' | 'fresh' | 'failed') => [{ version: RUNNING, status, message: null }];
  const line = `KDUMP_KERNEL=/var/lib/kdump/vmlinuz\n${kdumpLine('/lib')}\n`;

  it('is made where the running kernel was wrapped again', async () => {
    withDefaults(line);
    expect(await reloadChanged(system, ofRunning('wrapped'))).toMatchObject({ problems: [] });
    expect(system.ran).toEqual(['kdump-config unload', 'kdump-config load']);
  });

  it.each<
    [string, () => readonly { version: string; status: 'wrapped' | 'fresh' | 'failed'; message: null }[]]
  >([
    ['nothing changed', () => ofRunning('fresh')],
    ['it could not be wrapped', () => ofRunning('failed')],
    ['another kernel was wrapped', () => [{ version: '6.2', status: 'wrapped', message: null }]],
    [
      'our line is not there',
      () => {
        addToTree(system.root, DEFAULTS, 'USE_KDUMP=1\n');
        return ofRunning('wrapped');
      },
    ],
    [
      'nothing is loaded',
      () => {
        addToTree(system.root, '/sys/kernel/kexec_crash_loaded', '0\n');
        return ofRunning('wrapped');
      },
    ],
  ])('is not made where %s', async (_, change) => {
    withDefaults(line);
    expect(await reloadChanged(system, change())).toBeUndefined();
    expect(system.ran).toEqual([]);
  });

  it('is made where a script says what is loaded', async () => {
    withDefaults('');
    const text = `USE_KDUMP=1\nKDUMP_KERNEL=/k-$(uname -r)\nKDUMP_INITRD="/i-$(uname -r)"\n${kdumpLine('/lib')}\n`;
    addToTree(system.root, DEFAULTS, text);
    expect(initrdToLoad(system, RUNNING)).toBeUndefined();
    expect(await reloadChanged(system, ofRunning('wrapped'))).toMatchObject({ problems: [] });
  });

  it('keeps what is loaded where there is nothing to load', async () => {
    withDefaults(line);
    system.remove(`/boot/vmlinuz-${RUNNING}`);
    const result = await reloadChanged(system, ofRunning('wrapped'));
    expect(result?.problems).toEqual([expect.stringContaining('is missing')]);
    expect(system.ran).toEqual([]);
    expect(crashKernel(system).loaded).toBe(true);
  });
});
