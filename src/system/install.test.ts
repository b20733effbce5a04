import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { debianAround, debianSystems, filesOf, OTHER, RUNNING } from '../../test/support/debian-system.js';
import {
  addToTree,
  Ended,
  type FakeSystem,
  failingSystem,
  type TreeEntry,
} from '../../test/support/system-tree.js';
import { type InstallRequest, isInPlace, performInstall, planInstall, type Surroundings } from './install.js';
import { PLACES_OF } from './places.js';
import { kernelFiles, PARTS, type Part, readInstall, readKernelRecord } from './state.js';
import type { RunResult, System } from './system.js';
import { nothingToUndo, performUninstall, planUninstall } from './uninstall.js';

const debian = debianSystems();

async function install(around: Surroundings, request: Part | InstallRequest) {
  const plan = await planInstall(around, typeof request === 'string' ? { part: request } : request);
  return performInstall(around, plan);
}
const uninstall = (around: Surroundings, parts: readonly Part[] = PARTS) =>
  performUninstall(around, planUninstall(around, parts));
const done = async (around: Surroundings, part: Part) => isInPlace(await planInstall(around, { part }));

const RELOAD = ['kdump-config unload', 'kdump-config load'];

describe('install kdump', () => {
  it('wraps, changes, loads, says what is loaded, and is taken back byte for byte', async () => {
    const system = debian();
    const before = filesOf(system);
    const around = debianAround(system);
    const result = await install(around, 'kdump');
    expect(result).toMatchObject({
      problems: [],
      notes: [],
      loaded: `loaded for a crash: ${kernelFiles(RUNNING).wrapped}`,
    });
    expect(system.ran).toEqual(['systemctl daemon-reload', ...RELOAD]);
    expect(system.read('/etc/default/kdump-tools')?.toString()).toMatch(
      /initrd\.img\neval "\$\(\/usr\/share\/shootdown\/integrations\/lib\/kdump-kernel 2>\/dev\/null\)" \|\| : # shootdown\n$/,
    );
    expect(system.read('/etc/kernel/postinst.d/zz-shootdown')?.toString()).toMatch(
      /\/usr\/bin\/shootdown refresh --kernel/,
    );
    expect(system.entry('/etc/kernel/postrm.d/zz-shootdown')?.mode).toBe(0o755);
    expect(readInstall(system)?.parts).toEqual({ kdump: {} });
    expect(readKernelRecord(system, OTHER)).toMatchObject({ tool: '1.2.3', cert: null });
    expect(await done(around, 'kdump')).toBe(true);

    const undone = await uninstall(around);
    expect(undone).toMatchObject({
      problems: [],
      notes: [],
      loaded: 'loaded for a crash: /var/lib/kdump/vmlinuz',
    });
    expect(filesOf(system)).toEqual(before);
    expect(nothingToUndo(planUninstall(around, PARTS))).toBe(true);
  });

  it('changes nothing before it is performed', async () => {
    const system = debian();
    const before = filesOf(system);
    const plan = await planInstall(debianAround(system), { part: 'kdump' });
    expect(isInPlace(plan)).toBe(false);
    expect(plan.kernels.map(({ version, status }) => `${version} ${status}`)).toEqual([
      `${OTHER} wrapped`,
      `${RUNNING} wrapped`,
    ]);
    expect(filesOf(system)).toEqual(before);
    expect(system.ran).toEqual([]);
  });

  it('loads the plain kernel where the wrapped one is refused, and says what is loaded', async () => {
    const system = debian({}, (line, env) => line === 'kdump-config load' && env['SHOOTDOWN_PLAIN'] !== '1');
    expect(await install(debianAround(system), 'kdump')).toMatchObject({
      problems: ['kdump-config load: it does not work'],
      loaded: 'loaded for a crash: /var/lib/kdump/vmlinuz',
    });
    const none = debian({}, (line) => line === 'kdump-config load');
    expect((await install(debianAround(none), 'kdump')).loaded).toMatch(/no kernel is loaded for a crash/);
  });

  it('leaves kdump alone that is switched off', async () => {
    const system = debian({ '/etc/default/kdump-tools': 'USE_KDUMP=1\nUSE_KDUMP=0' });
    expect(await install(debianAround(system), 'kdump')).toMatchObject({ loaded: null });
    expect(system.ran).toEqual(['systemctl daemon-reload']);
  });

  it('changes nothing where the running kernel cannot be wrapped', async () => {
    const system = debian({ [`/boot/vmlinuz-${RUNNING}`]: 'no kernel' });
    const before = filesOf(system);
    await expect(install(debianAround(system), 'kdump')).rejects.toThrow(
      /vmlinuz-6\.1\.0-26-amd64: .*nothing was/,
    );
    expect(filesOf(system)).toEqual(before);
    // Another may do without.
    const other = debian({ [`/boot/vmlinuz-${OTHER}`]: 'no kernel' });
    const { problems } = await install(debianAround(other), 'kdump');
    expect(problems).toEqual([expect.stringContaining(OTHER)]);
  });

  it('only names commands for a system in a folder, and leaves its kernels to its first boot', async () => {
    const system = { ...debian(), live: false };
    const { toRun, kernels, loaded } = await install(debianAround(system), 'kdump');
    expect({ toRun, kernels, loaded, ran: system.ran }).toEqual({
      toRun: [],
      kernels: [],
      loaded: null,
      ran: [],
    });
    for (const unit of ['shootdown-refresh.service', 'shootdown-rewrap.service', 'shootdown-tidy.service'])
      expect(system.readLink(`/etc/systemd/system/multi-user.target.wants/${unit}`)).toBe(
        `/etc/systemd/system/${unit}`,
      );
    // Drivers come later, and nobody waits for what the later one does.
    expect(system.read('/etc/systemd/system/shootdown-refresh.service')?.toString()).toMatch(
      /^Before=kdump-tools\.service[\s\S]* \/usr\/bin\/shootdown refresh --boot --quiet$/m,
    );
    expect(system.read('/etc/systemd/system/shootdown-rewrap.service')?.toString()).toMatch(
      /^After=multi-user\.target kdump-tools\.service[\s\S]*udevadm settle[\s\S]* refresh --reload --quiet$/m,
    );
  });
});

describe('install hook', () => {
  it('has the initramfs made with it, looks whether it is in it, and without it again', async () => {
    const system = debian();
    const before = filesOf(system);
    const around = debianAround(system);
    expect(await install(around, 'hook')).toMatchObject({ problems: [] });
    const make = `/etc/kernel/postinst.d/kdump-tools ${RUNNING}`;
    expect(system.ran).toEqual([
      make,
      'systemctl daemon-reload',
      expect.stringMatching(/^lsinitramfs .*\/var\/lib\/kdump\/initrd\.img-6\.1\.0-26-amd64$/),
      ...RELOAD,
    ]);
    expect(readInstall(system)?.parts).toEqual({ hook: { when: 'crash', generator: 'initramfs-tools' } });
    expect(await done(around, 'hook')).toBe(true);
    system.ran.length = 0;
    await uninstall(around);
    const list = expect.stringMatching(/^lsinitramfs .*\/var\/lib\/kdump\/initrd/);
    expect(system.ran).toEqual([make, list, 'systemctl daemon-reload', ...RELOAD]);
    expect(filesOf(system)).toEqual(before);
  });

  it('is taken out of what kernels that came since have made of it, not of those that are gone', async () => {
    const system = debian();
    const around = debianAround(system);
    await install(around, 'hook');
    const newer = '6.1.0-27-amd64';
    addToTree(system.root, `/boot/vmlinuz-${newer}`, 'x');
    addToTree(system.root, `/var/lib/kdump/initrd.img-${newer}`, 'with the hook');
    system.remove(`/boot/vmlinuz-${RUNNING}`);
    system.ran.length = 0;
    // Nothing could be loaded anew, so what is loaded stays.
    expect((await uninstall(around)).problems).toEqual([
      `/boot/vmlinuz-${RUNNING} is missing, so what is loaded for a crash stays: mend that, then systemctl restart kdump-tools`,
    ]);
    expect(system.ran).toEqual([
      'systemctl daemon-reload',
      `/etc/kernel/postinst.d/kdump-tools ${newer}`,
      expect.stringMatching(`^lsinitramfs .*initrd.img-${newer}$`),
    ]);
  });

  it('in all kernels, or with dracut', async () => {
    const system = debian({ '/usr/sbin/kdump-config': null, '/etc/kernel/postinst.d/kdump-tools': null });
    await install(debianAround(system), { part: 'hook', when: 'always' });
    expect(system.ran[0]).toBe(`update-initramfs -u -k ${RUNNING}`);
    const without = { '/usr/sbin/mkinitramfs': null, '/usr/sbin/update-initramfs': null };
    const settings = { '/etc/default/kdump-tools': 'USE_KDUMP=1\nKDUMP_KERNEL=\nKDUMP_INITRD=\n' };
    const dracut = debian({ ...without, ...settings, '/usr/bin/dracut': 'x' });
    await expect(install(debianAround(dracut), 'hook')).resolves.toMatchObject({
      problems: [expect.stringContaining('the hook is not in /boot/initrd.img')],
    });
    expect(dracut.ran[0]).toBe(`dracut --force /boot/initrd.img-${RUNNING} ${RUNNING}`);
    expect(dracut.entry('/usr/lib/dracut/modules.d/95shootdown/module-setup.sh')?.mode).toBe(0o755);
  });

  it('has a kernel loaded where none was, or says that none is', async () => {
    const none = { '/sys/kernel/kexec_crash_loaded': '0\n' };
    const system = debian(none);
    const { loaded, problems } = await install(debianAround(system), 'hook');
    expect({ loaded, problems }).toEqual({
      loaded: 'loaded for a crash: /var/lib/kdump/vmlinuz',
      problems: [],
    });
    const failing = debian(none, (line) => line === 'kdump-config load');
    expect(await install(debianAround(failing), 'hook')).toMatchObject({
      problems: ['kdump-config load: it does not work'],
      loaded: 'no kernel is loaded for a crash: no dump would be saved',
    });
    // Not done yet.
    expect(await done(debianAround(failing), 'hook')).toBe(false);
    const off = debian({
      ...none,
      '/etc/default/kdump-tools':
        'USE_KDUMP=0\nKDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_INITRD=/var/lib/kdump/initrd.img\n',
    });
    for (const part of ['hook', 'kdump'] as const)
      expect((await install(debianAround(off), part)).notes).toEqual([
        'no kernel is loaded for a crash, so no dump would be saved: USE_KDUMP is off in /etc/default/kdump-tools',
      ]);
    // Who wants it in every kernel may have no use for kdump.
    const always = debian(none);
    const result = await install(debianAround(always), { part: 'hook', when: 'always' });
    expect(result).toMatchObject({
      loaded: null,
      notes: [],
      problems: [],
    });
  });

  it('in all kernels is known to dracut and to what makes the initramfs of kdump-tools', async () => {
    const both = { '/usr/sbin/update-initramfs': null, '/usr/bin/dracut': 'x', '/usr/bin/lsinitrd': 'x' };
    const system = debian(both);
    const before = filesOf(system);
    const around = debianAround(system);
    await install(around, { part: 'hook', when: 'always' });
    expect(readInstall(system)?.parts.hook).toEqual({ when: 'always', generator: 'dracut' });
    const dracut = '/usr/lib/dracut/modules.d/95shootdown/gate-hook.sh';
    for (const path of [dracut, '/etc/initramfs-tools/hooks/shootdown'])
      expect(system.exists(path)).toBe(true);
    const makes = [
      `/etc/kernel/postinst.d/kdump-tools ${RUNNING}`,
      `dracut --force /boot/initrd.img-${RUNNING} ${RUNNING}`,
    ];
    expect(system.ran.slice(0, 2)).toEqual(makes);
    expect(system.ran.filter((line) => line.startsWith('lsinit')).map((line) => line.split(' ')[0])).toEqual([
      'lsinitramfs',
      'lsinitrd',
    ]);
    system.ran.length = 0;
    await uninstall(around);
    expect(system.ran).toEqual(expect.arrayContaining(makes));
    expect(filesOf(system)).toEqual(before);
    // Only in a capture kernel, that one alone matters.
    const crash = debian(both);
    await install(debianAround(crash), 'hook');
    expect(crash.exists(dracut)).toBe(false);
  });

  it('names what puts it into older kernels, which it leaves', async () => {
    const image = `/var/lib/kdump/initrd.img-${OTHER}`;
    const { notes } = await install(debianAround(debian({ [image]: 'older' })), 'hook');
    expect(notes).toEqual([`older kernels get the hook by: /etc/kernel/postinst.d/kdump-tools ${OTHER}`]);
    expect((await install(debianAround(debian()), 'hook')).notes).toEqual([]);
  });

  it('is taken back where the initramfs cannot be made', async () => {
    const system = debian({}, (line) => line.includes('postinst.d') && system.ran.length === 1);
    const before = filesOf(system);
    await expect(install(debianAround(system), 'hook')).rejects.toThrow(
      /it does not work; all is as it was before/,
    );
    expect(filesOf(system)).toEqual(before);
    // It was removed before it could not be made.
    expect(system.ran.filter((line) => line.includes('postinst.d'))).toHaveLength(2);
  });
});

/** As kdump-tools' kernel hook: it removes the initrd, and what comes then may not work. */
function remaking(works: { now: boolean }, makes = works) {
  const initrd = `/var/lib/kdump/initrd.img-${RUNNING}`;
  const system = debian({}, (line) => {
    if (!line.includes('postinst.d/kdump-tools')) return false;
    const old = system.read(initrd) ?? '';
    system.remove(initrd);
    if (works.now && makes.now) addToTree(system.root, initrd, { text: old, mode: 0o644 });
    return !works.now;
  });
  return { system, initrd };
}

describe('an initramfs of kdump that cannot be made', () => {
  it('is put back at install', async () => {
    const { system, initrd } = remaking({ now: false });
    const before = filesOf(system);
    await expect(install(debianAround(system), 'hook')).rejects.toThrow(/it does not work/);
    expect(system.read(initrd)?.toString()).toBe('kdump initrd');
    expect(system.ran).not.toContain('kdump-config unload');
    expect((await uninstall(debianAround(system))).problems).toHaveLength(2);
    expect(filesOf(system)[initrd.slice(1)]).toEqual(before[initrd.slice(1)]);
    expect(system.list('/var/lib/kdump')).toHaveLength(1);
  });

  it.each(['fails', 'makes nothing'])(
    'is put back at uninstall when its program %s, and what is loaded stays',
    async (how) => {
      const [works, makes] = [{ now: true }, { now: true }];
      const { system, initrd } = remaking(works, makes);
      const before = filesOf(system);
      const around = debianAround(system);
      await install(around, 'hook');
      (how === 'fails' ? works : makes).now = false;
      system.ran.length = 0;
      const { problems, loaded } = await uninstall(around);
      expect(problems).toEqual([
        expect.stringMatching(/postinst\.d\/kdump-tools .*(does not work|made no)/),
        expect.stringMatching(/left as it is/),
      ]);
      expect(loaded).toMatch(/^loaded for a crash/);
      expect(system.ran).not.toContain('kdump-config unload');
      expect(system.read(initrd)?.toString()).toBe('kdump initrd');
      works.now = makes.now = true;
      expect((await uninstall(around)).problems).toEqual([]);
      expect(filesOf(system)).toEqual(before);
    },
  );

  it('is found where an earlier try that was ended has put it aside', async () => {
    const { system, initrd } = remaking({ now: true });
    system.rename(initrd, `/var/lib/kdump/.initrd.img-${RUNNING}.shootdown`);
    await install(debianAround(system), 'hook');
    expect(system.list('/var/lib/kdump')).toEqual([`initrd.img-${RUNNING}`]);
    expect(system.read(initrd)?.toString()).toBe('kdump initrd');
  });

  it('that is missing keeps what is loaded', async () => {
    const system = debian({ [`/var/lib/kdump/initrd.img-${RUNNING}`]: null });
    const { problems, loaded } = await install(debianAround(system), 'kdump');
    expect(problems).toEqual([
      expect.stringMatching(
        /initrd\.img-\S+ is missing, so .* stays: \S+kdump-tools \S+ makes it, then systemctl/,
      ),
    ]);
    expect(loaded).toBe('loaded for a crash: /var/lib/kdump/vmlinuz');
    expect(system.ran).not.toContain('kdump-config unload');
  });
});

describe('parts together', () => {
  it('share, and go one by one', async () => {
    const system = debian();
    const before = filesOf(system);
    const around = debianAround(system);
    for (const part of PARTS) await install(around, part);
    for (const part of PARTS) expect(await done(around, part)).toBe(true);
    await uninstall(around, ['kdump']);
    expect(Object.keys(readInstall(system)?.parts ?? {})).toEqual(['kexec', 'hook']);
    expect(system.exists(kernelFiles(RUNNING).wrapped)).toBe(true);
    expect(system.exists('/etc/kernel/postinst.d/zz-shootdown')).toBe(true);
    await uninstall(around, ['kexec']);
    expect(system.exists(kernelFiles(RUNNING).wrapped)).toBe(false);
    await uninstall(around, ['hook']);
    expect(filesOf(system)).toEqual(before);
  });

  it('keep what an earlier install was given', async () => {
    const system = debian({ '/etc/key': 'k', '/etc/cert': 'c', '/usr/bin/sbsign': 'x' }, () => false);
    const signing = debianAround({ ...system, run: (command, args) => sign(system, command, args) });
    await install(signing, { part: 'kdump', sign: { key: '/etc/key', cert: '/etc/cert' } });
    expect(readInstall(system)?.sign).toEqual({ key: '/etc/key', cert: '/etc/cert' });
    await install(signing, 'kexec');
    expect(readInstall(system)?.sign).toEqual({ key: '/etc/key', cert: '/etc/cert' });
    expect(readKernelRecord(system, RUNNING)?.cert).toMatch(/^[0-9a-f]{64}$/);
  });
});

/** An sbsign that adds nothing. */
async function sign(system: FakeSystem, command: string, args: readonly string[]) {
  if (command === 'sbsign') {
    const [from, to] = [args.at(-1) ?? '', args[args.indexOf('--output') + 1] ?? ''].map((path) =>
      path.slice(system.root.length),
    ) as [string, string];
    system.write(to, system.read(from) ?? Buffer.alloc(0), 0o600);
  }
  return system.run(command, args);
}

describe('install refuses', () => {
  const cases: [string, Part, Record<string, TreeEntry | null>, RegExp][] = [
    [
      'no kdump-tools',
      'kdump',
      { '/usr/sbin/kdump-config': null },
      /^kdump-tools is not installed: apt install/,
    ],
    [
      'no kdump-tools for the hook',
      'hook',
      { '/usr/sbin/kdump-config': null },
      /^kdump-tools is not installed/,
    ],
    ['no kexec-tools', 'kexec', { '/usr/sbin/kexec': null }, /^kexec-tools is not installed: apt install/],
    ['no crashkernel=', 'kdump', { '/proc/cmdline': 'quiet\n' }, /^no crashkernel= .* reboot/],
    [
      'no room reserved',
      'kdump',
      { '/sys/kernel/kexec_crash_size': '0\n' },
      /^the kernel reserved no memory/,
    ],
    [
      'lockdown',
      'kdump',
      { '/sys/kernel/security/lockdown': 'none [integrity] confidentiality\n' },
      /^the kernel is locked down \(integrity\), .* shootdown install hook$/,
    ],
    [
      'Secure Boot',
      'kexec',
      { [PLACES_OF.secureBoot]: { text: Uint8Array.of(6, 0, 0, 0, 1), mode: 0o644 } },
      /^Secure Boot is on, .*--sign-key/,
    ],
    [
      'TDX',
      'kdump',
      { '/proc/cpuinfo': 'flags : fpu hypervisor tdx_guest\n' },
      /TDX guest.*install hook works/,
    ],
    ['a capture kernel', 'hook', { '/proc/vmcore': 'x' }, /^this is a capture kernel/],
    [
      'no initramfs generator',
      'hook',
      { '/usr/sbin/mkinitramfs': null, '/usr/sbin/update-initramfs': null },
      /^neither initramfs-tools nor dracut/,
    ],
    [
      'a hook in what kdump does not load',
      'hook',
      { '/etc/default/kdump-tools': 'USE_KDUMP=1\nKDUMP_KERNEL=\nKDUMP_INITRD=/var/lib/kdump/initrd.img\n' },
      /^kdump loads \/boot\/initrd\.img-6\S+, and .*kdump\/initrd.img-6\S+: set KDUMP_KERNEL=.* --when always$/,
    ],
    [
      'a hook in what kdump does not load, by hand',
      'hook',
      {
        '/etc/default/kdump-tools':
          'USE_KDUMP=1\nKDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_INITRD=/initrd\n',
        '/initrd': { link: '/boot/initrd.img-6.1.0-26-amd64' },
      },
      /^kdump loads \/boot\/initrd\.img-6/,
    ],
    [
      'a hook where kdump loads no initramfs',
      'hook',
      {
        '/etc/default/kdump-tools':
          'USE_KDUMP=1\nKDUMP_KERNEL=/var/lib/kdump/vmlinuz\n#KDUMP_INITRD=/var/lib/kdump/initrd.img\n',
      },
      /^kdump loads no initramfs \(KDUMP_INITRD is empty in \S+\), .*: set KDUMP_KERNEL=\S+ and KDUMP_INITRD=\S+ in \S+$/,
    ],
    [
      'settings that go on in the next line',
      'kdump',
      { '/etc/default/kdump-tools': 'USE_KDUMP=1\nKDUMP_CMDLINE_APPEND="a b" \\' },
      /^\/etc\/default\/kdump-tools ends in a backslash, .*: take it out$/,
    ],
    ['a broken list', 'kdump', { [PLACES_OF.changes]: '{' }, /changes\.json: not JSON/],
    ['a broken install.json', 'kdump', { [PLACES_OF.install]: '{}' }, /install\.json.*uninstall all/],
    ['a folder in the way', 'kexec', { '/etc/default/kexec.d/shootdown/x': 'x' }, /is not a regular file/],
  ];
  it.each(cases)('%s', async (_, part, changes, message) => {
    const system = debian(changes);
    const before = filesOf(system);
    await expect(install(debianAround(system), part)).rejects.toThrow(message);
    expect(filesOf(system)).toEqual(before);
    expect(system.ran).toEqual([]);
  });

  it('another user, a full disk, a program that will be gone', async () => {
    const system = debian();
    const around = debianAround(system);
    await expect(install({ ...around, isRoot: false }, 'kdump')).rejects.toThrow(/run it as root/);
    const full = debianAround({ ...system, freeBytes: () => 4096 });
    await expect(install(full, 'kdump')).rejects.toThrow(/^\/var\/lib has 1 MiB left, and .* need 3/);
    await expect(install(full, 'hook')).rejects.toThrow(
      /^\/var\/lib\/kdump has 1 MiB left, and making \S+kdump\/initrd\.img-6\S+ anew needs 17 MiB/,
    );
    const npx = { ...around.integration, program: ['/usr/bin/node', '/root/.npm/_npx/1/shootdown.mjs'] };
    await expect(install({ ...around, integration: npx }, 'kdump')).rejects.toThrow(/npx's cache/);
    const odd = { ...around.integration, lib: '/opt/my programs/lib' };
    await expect(install({ ...around, integration: odd }, 'kdump')).rejects.toThrow(/scripts cannot name/);
  });
});

describe('after a failure at any step', () => {
  it('a disk that fails leaves all as it was, or uninstall does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PARTS),
        fc.nat(70),
        fc.constantFrom('ENOSPC', 'EROFS', 'EACCES', 'end before', 'end after'),
        fc.constantFrom(1, 1, 1000),
        async (part, at, how, lasts) => {
          const system = debian();
          const before = filesOf(system);
          const broken = failingSystem(system, at, how as 'EROFS', lasts);
          const error = await install(debianAround(broken), part).then(
            (result) => result.problems[0],
            (failed) => failed as Error,
          );
          if (broken.count() <= at) expect(error).toBeUndefined();
          else if (error instanceof Error && !(error instanceof Ended) && 'code' in error)
            if (error.code !== 'incomplete' && lasts === 1) expect(filesOf(system)).toEqual(before);
          expect((await uninstall(debianAround(system))).problems).toEqual([]);
          expect(filesOf(system)).toEqual(before);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('a second install makes it whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...PARTS), fc.nat(70), async (part, at) => {
        const system = debian();
        const before = filesOf(system);
        await install(debianAround(failingSystem(system, at, 'end after')), part).catch(() => {});
        const around = debianAround(system);
        await install(around, part);
        expect(await done(around, part)).toBe(true);
        await uninstall(around);
        expect(filesOf(system)).toEqual(before);
      }),
      { numRuns: 15 },
    );
  });
});

describe('uninstall', () => {
  it('says what it could not do, and does it the next time', async () => {
    const system = debian();
    const before = filesOf(system);
    const around = debianAround(system);
    await install(around, 'kdump');
    const full: FakeSystem = {
      ...system,
      write: (path) => {
        throw Object.assign(new Error(), { code: 'ENOSPC', path });
      },
    };
    const broken = failingSystem(system, 0, 'ENOSPC', 0);
    const { write } = failingSystem(full, 0, 'ENOSPC', 1000);
    const result = await uninstall(debianAround({ ...broken, write }));
    expect(result.problems).toEqual([
      expect.stringMatching(/kdump-tools: ENOSPC/),
      expect.stringContaining('ENOSPC'),
    ]);
    expect(system.read('/etc/default/kdump-tools')?.toString()).toContain('# shootdown');
    expect((await uninstall(around)).problems).toEqual([]);
    expect(filesOf(system)).toEqual(before);
  });

  const IMAGES = [`/var/lib/kdump/initrd.img-${RUNNING}`, `/boot/initrd.img-${RUNNING}`];
  /** With initramfs programs of which `broken` says how they end; `has`: images that the hook is in. */
  function remakers(changes: Parameters<typeof debian>[0] = {}) {
    const system = debian(changes);
    const has = new Set<string>();
    let broken: Partial<RunResult> | undefined;
    const run: System['run'] = async (command, args, options) => {
      const result = await system.run(command, args, options);
      const [kdump = '', own = ''] = IMAGES;
      const image = { '/etc/kernel/postinst.d/kdump-tools': kdump, 'update-initramfs': own }[command];
      if (command === 'lsinitramfs') {
        const listed = has.has(String(args[0]).slice(system.root.length));
        return { ...result, stdout: listed ? 'usr/lib/shootdown/gate\n' : 'init\n' };
      }
      if (image === undefined) return result;
      if (broken) return { ...result, ...broken };
      if (system.exists('/etc/initramfs-tools/hooks/shootdown')) has.add(image);
      else has.delete(image);
      return result;
    };
    const breaks = (how: typeof broken) => {
      broken = how;
    };
    return { system, around: debianAround({ ...system, run }), has, breaks };
  }

  it.each<[string, Partial<RunResult>, RegExp]>([
    [
      'a program in it is missing',
      { status: 127, stderr: 'x: mkinitramfs: not found\n' },
      /: x: mkinitramfs: not found$/,
    ],
    ['it does nothing', {}, /^the hook is still in \S+ after .*: mend that, then shootdown uninstall hook$/],
    [
      '/boot is read-only',
      { stderr: 'W: /boot is ro mounted.\n' },
      /still in .* \(W: \/boot is ro mounted\.\): mend/,
    ],
  ])(
    'says that the hook is still in an initramfs where %s, and takes it out the next time',
    async (_, how, said) => {
      const { system, around, has, breaks } = remakers();
      const before = filesOf(system);
      await install(around, { part: 'hook', when: 'always' });
      expect([...has]).toEqual(IMAGES);
      breaks(how);
      const { problems, loaded } = await uninstall(around);
      expect(problems).toEqual([
        expect.stringMatching(said),
        expect.stringMatching(said),
        expect.stringMatching(/left as it is/),
      ]);
      expect(loaded).toMatch(/^loaded for a crash/);
      expect(nothingToUndo(planUninstall(around, PARTS))).toBe(false);
      breaks(undefined);
      expect((await uninstall(around)).problems).toEqual([]);
      expect([...has]).toEqual([]);
      expect(filesOf(system)).toEqual(before);
    },
  );

  it('names the hook that somebody changed, and that therefore still goes into each initramfs', async () => {
    const { system, around } = remakers();
    await install(around, { part: 'hook' });
    addToTree(system.root, '/etc/initramfs-tools/hooks/shootdown', 'edited');
    expect((await uninstall(around)).problems[0]).toMatch(
      /: remove \/etc\/initramfs-tools\/hooks\/shootdown, then shootdown uninstall hook$/,
    );
  });

  it('does without a program that is not installed any more, unless its image still has the hook', async () => {
    const { system, around, has, breaks } = remakers();
    await install(around, { part: 'hook' });
    system.remove('/etc/kernel/postinst.d/kdump-tools');
    breaks({ status: 127 });
    expect((await uninstall(around)).problems[0]).toMatch(
      /still in .*kdump\/initrd\S+ .* \(it is not installed\): have it made anew, then/,
    );
    has.clear();
    expect((await uninstall(around)).problems).toEqual([]);
    expect(system.exists(PLACES_OF.state)).toBe(false);
  });

  it('does nothing on a system on which nothing was installed', async () => {
    const system = debian();
    const before = filesOf(system);
    const around = debianAround(system);
    expect(nothingToUndo(planUninstall(around, PARTS))).toBe(true);
    await uninstall(around);
    expect(filesOf(system)).toEqual(before);
    expect(system.ran).toEqual([]);
  });
});
