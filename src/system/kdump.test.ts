import { utimesSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { debianSystem, RUNNING } from '../../test/support/debian-system.js';
import { addToTree, type FakeSystem, failingSystem, removeTree } from '../../test/support/system-tree.js';
import { crashKernel, initrdToLoad, initrdToMake, loadedInitrd, reloadIfBehind } from './kdump.js';
import { kdumpLine } from './parts.js';
import type { System } from './system.js';

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

const HOOK = `/etc/kernel/postinst.d/kdump-tools ${RUNNING}`;
const LINE = `KDUMP_KERNEL=/var/lib/kdump/vmlinuz\n${kdumpLine('/lib')}\n`;
const WRAPPED = `/var/lib/shootdown/kernels/vmlinuz-${RUNNING}`;
const INITRD = `/var/lib/kdump/initrd.img-${RUNNING}`;
const SYSCTLS = '/etc/kdump/sysctl.conf';
const [UNLOAD, LOAD] = ['kdump-config unload', 'kdump-config load'];
const loadedNow = (kernel: string) =>
  addToTree(system.root, '/var/crash/kexec_cmd', `kexec -p --initrd=/var/lib/kdump/initrd.img ${kernel}\n`);
const newer = (path: string) => utimesSync(`${system.root}${path}`, 4e9, 4e9);

/** As kdump-config of 1.8.1 loads: it makes the initrd if it has to, which takes minutes, with nothing loaded. */
function kdumpTools(options: { makes?: boolean } = {}): System & { readonly unguarded: string[] } {
  const unguarded: string[] = [];
  const run: System['run'] = async (command, args, given) => {
    const line = [command, ...args].join(' ');
    if (command === '/lib/kdump-kernel')
      return { status: 0, stdout: system.exists(WRAPPED) ? `KDUMP_KERNEL=${WRAPPED}\n` : '', stderr: '' };
    const makes = line === HOOK || (line === LOAD && initrdToMake(system) !== undefined);
    if (makes && !crashKernel(system).loaded) unguarded.push(line);
    if (makes && options.makes === false) return { status: 1, stdout: '', stderr: 'no space\n' };
    if (makes) addToTree(system.root, INITRD, 'made anew');
    return system.run(command, args, given);
  };
  return { ...system, run, unguarded };
}

describe('what waits for a crash is loaded anew', () => {
  it('where it is another kernel than our line names, or that or its initrd is newer', async () => {
    withDefaults(LINE);
    addToTree(system.root, WRAPPED, 'wrapped');
    addToTree(system.root, `${WRAPPED}.sha256`, 'sums');
    const tools = kdumpTools();
    // The plain kernel is loaded.
    expect(await reloadIfBehind(tools)).toMatchObject({
      problems: [],
      loaded: expect.stringMatching(WRAPPED),
    });
    expect(system.ran).toEqual([UNLOAD, LOAD]);
    loadedNow(WRAPPED);
    newer('/var/crash/kexec_cmd');
    expect(await reloadIfBehind(tools)).toBeUndefined();
    for (const path of [WRAPPED, INITRD]) {
      loadedNow(WRAPPED);
      newer(path);
      expect(await reloadIfBehind(tools)).toMatchObject({ problems: [] });
      utimesSync(`${system.root}${path}`, 1, 1);
    }
    expect(system.ran).toEqual([UNLOAD, LOAD, UNLOAD, LOAD, UNLOAD, LOAD]);
  });

  it.each<[string, () => void]>([
    ['nothing changed', () => {}],
    ['our line names none: one of ours that is loaded is left', () => loadedNow(WRAPPED)],
    ['nothing is loaded', () => addToTree(system.root, '/sys/kernel/kexec_crash_loaded', '0\n')],
    ['kdump is off', () => addToTree(system.root, DEFAULTS, `USE_KDUMP=0\n${LINE}`)],
  ])('not where %s', async (_, change) => {
    withDefaults(LINE);
    change();
    newer('/var/crash/kexec_cmd');
    expect(await reloadIfBehind(kdumpTools())).toBeUndefined();
    expect(system.ran).toEqual([]);
  });

  it('where a script says what is loaded', async () => {
    withDefaults('');
    const text = `USE_KDUMP=1\nKDUMP_KERNEL=/k-$(uname -r)\nKDUMP_INITRD="/i-$(uname -r)"\n${kdumpLine('/lib')}\n`;
    addToTree(system.root, DEFAULTS, text);
    addToTree(system.root, WRAPPED, 'wrapped');
    expect(initrdToLoad(system, RUNNING)).toBeUndefined();
    expect(await reloadIfBehind(kdumpTools())).toMatchObject({ problems: [] });
    expect(system.ran).toEqual([UNLOAD, LOAD]);
  });

  it.each<[string, () => void]>([
    ['is missing', () => system.remove(INITRD)],
    ['was made with other sysctls', () => addToTree(system.root, SYSCTLS, 'kernel.panic = 1\n')],
    [
      'is about to be thrown away',
      () => {
        addToTree(system.root, SYSCTLS, 'kernel.panic = 1\n');
        addToTree(system.root, `/var/lib/kdump/latest_sysctls-${RUNNING}`, 'kernel.panic = 2\n');
      },
    ],
  ])('with its initrd made first where that %s', async (_, change) => {
    withDefaults(LINE);
    change();
    const tools = kdumpTools();
    expect(initrdToMake(system)).toBe(RUNNING);
    expect(await reloadIfBehind(tools)).toMatchObject({ problems: [] });
    expect(system.ran).toEqual([HOOK, UNLOAD, LOAD]);
    expect(tools.unguarded).toEqual([]);
    expect(initrdToMake(system)).toBeUndefined();
    expect(crashKernel(system).loaded).toBe(true);
  });

  it('not where its initrd cannot be made, nor where it cannot be let go', async () => {
    withDefaults(LINE);
    addToTree(system.root, SYSCTLS, 'kernel.panic = 1\n');
    expect(await reloadIfBehind(kdumpTools({ makes: false }))).toMatchObject({
      problems: [`${HOOK}: no space; what is loaded for a crash stays`],
    });
    expect(system.read(INITRD)?.toString()).toBe('kdump initrd');
    const stuck = { ...kdumpTools(), write: failingSystem(system, 0, 'ENOSPC').write };
    expect((await reloadIfBehind(stuck))?.problems).toEqual([expect.stringMatching(/ENOSPC.* stays$/)]);
    expect(system.ran).not.toContain(UNLOAD);
    const { run } = kdumpTools();
    const held: System = {
      ...system,
      run: (command, args, given) =>
        args[0] === 'unload'
          ? Promise.resolve({ status: 1, stdout: '', stderr: 'Device or resource busy\n' })
          : run(command, args, given),
    };
    expect((await reloadIfBehind(held))?.problems).toEqual([
      'kdump-config unload: Device or resource busy; what is loaded for a crash stays',
    ]);
    expect(system.ran).not.toContain(LOAD);
    expect(crashKernel(system).loaded).toBe(true);
  });

  it('not where there is nothing to load', async () => {
    withDefaults(LINE);
    addToTree(system.root, WRAPPED, 'wrapped');
    system.remove(`/boot/vmlinuz-${RUNNING}`);
    const result = await reloadIfBehind(kdumpTools());
    expect(result?.problems).toEqual([expect.stringContaining('is missing')]);
    expect(system.ran).toEqual([]);
    expect(crashKernel(system).loaded).toBe(true);
  });

  it('dracut alone makes no initrd of kdump-tools', () => {
    system = debianSystem({ [INITRD]: null, '/usr/sbin/mkinitramfs': null });
    expect(initrdToMake(system)).toBeUndefined();
  });
});
