import { utimesSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { debianSystem, RUNNING } from '../../test/support/debian-system.js';
import { addToTree, type FakeSystem, failingSystem, removeTree } from '../../test/support/system-tree.js';
import { crashKernel, initrdToLoad, initrdToMake, loadedInitrd, reloadIfBehind } from './kdump.js';
import { kdumpLine } from './kdump-settings.js';
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

  it.each([
    'KDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_INITRD=\n',
    'KDUMP_KERNEL=/var/lib/kdump/vmlinuz\n#KDUMP_INITRD=/var/lib/kdump/initrd.img\n',
    `KDUMP_KERNEL=/boot/vmlinuz-${RUNNING}\n`,
  ])('with %j is a kernel alone', (text) => {
    withDefaults(text);
    expect(initrdToLoad(system, RUNNING)).toBeNull();
  });

  it('is a kernel alone where that was noted, and not known where nothing was', () => {
    withDefaults('');
    const note = (line: string) => addToTree(system.root, '/var/crash/kexec_cmd', line);
    note('/sbin/kexec -p --command-line="x" /var/lib/kdump/vmlinuz\n');
    expect(loadedInitrd(system, RUNNING)).toBeNull();
    note('kexec -p --ramdisk /x --command-line="x" /var/lib/kdump/vmlinuz\n');
    expect(loadedInitrd(system, RUNNING)).toBe('/x');
    note('');
    expect(loadedInitrd(system, RUNNING)).toBeUndefined();
  });
});

const HOOK = `/etc/kernel/postinst.d/kdump-tools ${RUNNING}`;
const DEBIANS = 'KDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_INITRD=/var/lib/kdump/initrd.img\n';
const LINE = `${DEBIANS}${kdumpLine('/lib')}\n`;
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

  it('not where that would be without a kernel for minutes whatever is done first', async () => {
    withDefaults(LINE);
    addToTree(system.root, WRAPPED, 'wrapped');
    addToTree(system.root, '/usr/sbin/kdump-config', { text: 'check_sysctl_change()\n', mode: 0o755 });
    const stays = {
      problems: [
        expect.stringMatching(
          /^\/etc\/kdump\/sysctl\.conf is missing,.* stays: put it back \(it may be empty\)/,
        ),
      ],
    };
    expect(await reloadIfBehind(kdumpTools())).toMatchObject(stays);
    expect(system.ran).toEqual([]);
    // Nor where it would remove its initrd and could not make another.
    system.remove('/usr/sbin/mkinitramfs');
    expect(await reloadIfBehind(kdumpTools())).toMatchObject(stays);
    // One in /boot it leaves alone.
    addToTree(system.root, DEFAULTS, `USE_KDUMP=1\n${kdumpLine('/lib')}\n`);
    expect(await reloadIfBehind(kdumpTools())).toMatchObject({ problems: [] });
    expect(system.ran).toEqual([UNLOAD, LOAD]);
  });

  it('once that file is put back, be it empty', async () => {
    withDefaults(LINE);
    addToTree(system.root, '/usr/sbin/kdump-config', { text: 'check_sysctl_change()\n', mode: 0o755 });
    addToTree(system.root, SYSCTLS, '');
    const tools = kdumpTools();
    expect(await reloadIfBehind(tools)).toMatchObject({ problems: [] });
    expect(system.ran).toEqual([HOOK, UNLOAD, LOAD]);
    expect(tools.unguarded).toEqual([]);
  });

  it('dracut alone makes no initrd of kdump-tools', () => {
    system = debianSystem({ [INITRD]: null, '/usr/sbin/mkinitramfs': null });
    expect(initrdToMake(system)).toBeUndefined();
  });
});

describe('where nothing waits for a crash', () => {
  const installed = (parts: object) =>
    addToTree(
      system.root,
      '/etc/shootdown/install.json',
      JSON.stringify({ schema: 'shootdown.install/1', parts, policy: null, sign: null }),
    );
  const hook = (when: string) => ({ hook: { when, generator: 'initramfs-tools' } });
  /** As systemctl says of kdump-tools.service. */
  const unitIs = (state: string, makes = true): System => {
    const tools = kdumpTools({ makes });
    return {
      ...tools,
      run: async (command, args, given) => {
        const result = await tools.run(command, args, given);
        return command === 'systemctl' ? { status: 0, stdout: `${state}\n`, stderr: '' } : result;
      },
    };
  };
  const NONE = 'no kernel is loaded for a crash';
  const ASKS = 'systemctl is-active kdump-tools.service';
  const nothingLoaded = () => {
    withDefaults(LINE);
    addToTree(system.root, '/sys/kernel/kexec_crash_loaded', '0\n');
  };

  it.each(['active', 'failed', ''])('one is loaded for what needs it (%j)', async (state) => {
    for (const parts of [{ kdump: {} }, hook('crash')]) {
      nothingLoaded();
      installed(parts);
      addToTree(system.root, WRAPPED, 'wrapped');
      addToTree(system.root, `${WRAPPED}.sha256`, 'sums');
      expect(await reloadIfBehind(unitIs(state))).toEqual({
        loaded: `loaded for a crash: ${WRAPPED}`,
        problems: [],
      });
      removeTree(system.root);
    }
  });

  it('that none could be loaded is a problem', async () => {
    nothingLoaded();
    installed({ kdump: {} });
    system.remove(INITRD);
    const stuck = unitIs('active', false);
    const loads = vi.fn(async () => ({ status: 1, stdout: '', stderr: 'no space\n' }));
    const run: System['run'] = (command, args, given) =>
      args[0] === 'load' ? loads() : stuck.run(command, args, given);
    expect(await reloadIfBehind({ ...stuck, run })).toEqual({
      loaded: `${NONE}: no dump would be saved`,
      problems: ['kdump-config load: no space'],
    });
    // The plain one was tried, too.
    expect(loads).toHaveBeenCalledTimes(2);
  });

  it.each([
    ['inactive', `${NONE}, and kdump-tools.service is not started: systemctl start kdump-tools`],
    [
      'activating',
      `${NONE}, and kdump-tools.service is just being started or stopped: shootdown doctor says what came of it`,
    ],
  ])('nothing is done beside a unit that is %s, and that is a problem', async (state, problem) => {
    nothingLoaded();
    installed({ kdump: {} });
    expect((await reloadIfBehind(unitIs(state)))?.problems).toEqual([problem]);
    expect(system.ran).toEqual([ASKS]);
  });

  it.each([{}, { kexec: {} }, hook('always')])('nothing is done for %j', async (parts) => {
    nothingLoaded();
    installed(parts);
    expect(await reloadIfBehind(unitIs('active'))).toBeUndefined();
    expect(system.ran).toEqual([]);
  });
});
