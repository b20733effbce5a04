import { utimesSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { makeBzImage } from '../../test/support/bzimage.js';
import { OTHER, RUNNING } from '../../test/support/debian-system.js';
import { answering, hookImage, LIB, machineOf, wholeSystem } from '../../test/support/doctor-system.js';
import { encodeFlight } from '../../test/support/flight-record.js';
import { CRASH } from '../../test/support/flight-samples.js';
import { memoryHost } from '../../test/support/memory-host.js';
import {
  addToTree,
  type FakeSystem,
  removeTree,
  snapshot,
  type TreeEntry,
} from '../../test/support/system-tree.js';
import { scan } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { CHECKS, countStates, examine, type Result } from './doctor.js';
import type { DoctorAround } from './doctor-view.js';
import { compileGateTable } from './gate-table.js';
import { kernelFiles, type Part } from './state.js';
import type { System } from './system.js';

const KDUMP_INITRD = `/var/lib/kdump/initrd.img-${RUNNING}`;
const { wrapped: WRAPPED, original: ORIGINAL } = kernelFiles(RUNNING);
const machine = () => machineOf(system);

let system: FakeSystem;
afterEach(() => removeTree(system.root));

async function installed(parts: readonly Part[], changes: Readonly<Record<string, TreeEntry | null>> = {}) {
  system = await wholeSystem(parts, changes);
}

async function doctor(around: Partial<DoctorAround> = {}): Promise<readonly Result[]> {
  const before = snapshot(system.root);
  const results = await examine({ system: answering(system), tool: '1.2.3', machine, ...around });
  expect(snapshot(system.root)).toEqual(before);
  expect(CHECKS.length).toBeGreaterThan(20);
  for (const { state, advice, text } of results) {
    expect(text).not.toMatch(/\n|undefined|NaN/);
    if (state === 'problem' || state === 'warning') expect(advice).not.toBeNull();
  }
  return results;
}

const bad = (results: readonly Result[]) =>
  results.filter(({ state }) => state !== 'ok' && state !== 'note').map(({ id, state }) => `${state} ${id}`);
const textOf = (results: readonly Result[], id: string) =>
  results
    .filter((each) => each.id === id)
    .map(({ text, advice }) => `${text} → ${advice}`)
    .join('\n');

describe('a system on which all is well', () => {
  it('has nothing to warn of, with any part', async () => {
    for (const parts of [['kdump'], ['kexec'], ['kdump', 'kexec']] as const) {
      await installed(parts);
      const results = await doctor();
      expect(bad(results), parts.join(' ')).toEqual([]);
      expect(countStates(results).ok).toBeGreaterThan(12);
      removeTree(system.root);
    }
    await installed(['kdump']);
    expect(textOf(await doctor(), 'kdump.kernel')).toContain(`loaded for a crash: ${WRAPPED}`);
  });

  it('without shootdown: says so, and what is loaded', async () => {
    await installed([]);
    const results = await doctor();
    expect(bad(results)).toEqual(['warning install.parts', 'warning kdump.kernel']);
    expect(results[0]?.advice).toContain('shootdown install kdump');
    addToTree(system.root, '/etc/kdump-is', 'gone');
    removeTree(`${system.root}/usr/sbin/kdump-config`);
    addToTree(system.root, '/sys/kernel/kexec_crash_loaded', '0\n');
    expect(bad(await doctor())).toEqual(['warning install.parts', 'warning kdump.tools']);
  });
});

describe('kdump that is not as it should be', () => {
  type Case = [what: string, change: () => void, found: readonly string[], text: RegExp];
  const cases: readonly Case[] = [
    [
      'nothing loaded',
      () => addToTree(system.root, '/sys/kernel/kexec_crash_loaded', '0\n'),
      ['problem kdump.loaded'],
      /no dump would be saved → systemctl restart kdump-tools/,
    ],
    [
      'the plain kernel loaded',
      () => addToTree(system.root, '/var/crash/kexec_cmd', 'kexec -p /var/lib/kdump/vmlinuz\n'),
      ['problem kdump.kernel'],
      /is \/var\/lib\/kdump\/vmlinuz, and not .*kernels\/vmlinuz-6.* → shootdown refresh --reload/,
    ],
    [
      'wrapped file missing',
      () => removeTree(`${system.root}${WRAPPED}`),
      ['problem kdump.kernel', 'problem kernel.wrapped'],
      /is missing: the plain kernel is loaded instead → shootdown refresh --reload/,
    ],
    [
      'wrapped file damaged',
      () => {
        addToTree(system.root, WRAPPED, { text: makeBzImage(), mode: 0o644 });
        utimesSync(`${system.root}${WRAPPED}`, 4e9, 4e9);
      },
      ['problem kernel.wrapped', 'warning kdump.kernel'],
      /vmlinuz-6\.1\.0-26-amd64 is damaged/,
    ],
    [
      'kernel upgraded in place',
      () => addToTree(system.root, ORIGINAL, { text: makeBzImage({ kernel: `${RUNNING} b` }), mode: 0o644 }),
      ['problem kernel.wrapped'],
      /changed after it was wrapped/,
    ],
    [
      'wrapped again since',
      () => utimesSync(`${system.root}${WRAPPED}`, 4e9, 4e9),
      ['warning kdump.kernel'],
      /is newer than what is loaded/,
    ],
    [
      'the line taken out',
      () => addToTree(system.root, '/etc/default/kdump-tools', 'USE_KDUMP=1\n'),
      ['problem kdump.line', 'problem kdump.kernel'],
      /the line of shootdown is not in .* → shootdown install kdump/,
    ],
    [
      'KDUMP_KERNEL by hand',
      () =>
        addToTree(
          system.root,
          '/etc/default/kdump-tools',
          `USE_KDUMP=1\nKDUMP_KERNEL=/srv/mine\n${system.read('/etc/default/kdump-tools')?.toString().split('\n').at(-2)}\n`,
        ),
      ['warning kdump.line'],
      /set by hand to \/srv\/mine/,
    ],
    [
      'KDUMP_KERNEL behind the line',
      () =>
        addToTree(
          system.root,
          '/etc/default/kdump-tools',
          `${system.read('/etc/default/kdump-tools')}KDUMP_KERNEL=/x\n`,
        ),
      ['problem kdump.line'],
      /set behind the line/,
    ],
    [
      'the line joined to the one before',
      () =>
        addToTree(
          system.root,
          '/etc/default/kdump-tools',
          String(system.read('/etc/default/kdump-tools')).replace('\neval', '\nSSH="a" \\\neval'),
        ),
      ['problem kdump.line'],
      /ends in a backslash: the two are one → take it out, then systemctl restart kdump-tools/,
    ],
    [
      'sysctls changed since the initrd was made',
      () => addToTree(system.root, '/etc/kdump/sysctl.conf', 'kernel.panic = 1\n'),
      [],
      /was made with other sysctls .* with none loaded meanwhile → shootdown refresh --reload, which makes it first/,
    ],
    [
      'switched off',
      () =>
        addToTree(
          system.root,
          '/etc/default/kdump-tools',
          String(system.read('/etc/default/kdump-tools')).replace('USE_KDUMP=1', 'USE_KDUMP=0'),
        ),
      ['problem kdump.use'],
      /USE_KDUMP is off/,
    ],
    [
      'no memory',
      () => addToTree(system.root, '/sys/kernel/kexec_crash_size', '0\n'),
      ['problem kdump.memory'],
      /reserved no memory/,
    ],
    [
      'too little memory',
      () => addToTree(system.root, '/sys/kernel/kexec_crash_size', '4194304\n'),
      ['problem kdump.memory'],
      /4 MiB reserved for a crash are too few for kernel 9 MiB/,
    ],
    [
      'hardly enough memory',
      () => addToTree(system.root, '/sys/kernel/kexec_crash_size', '16777216\n'),
      ['warning kdump.memory'],
      /may be too few to work in/,
    ],
    [
      'no crashkernel=',
      () => addToTree(system.root, '/proc/cmdline', 'root=/dev/vda1\n'),
      ['problem kdump.memory'],
      /no crashkernel= on the kernel command line → reboot/,
    ],
    [
      'observe',
      () =>
        addToTree(
          system.root,
          '/var/crash/kexec_cmd',
          `kexec -p --command-line="root=x shootdown=off shootdown=observe" ${WRAPPED}\n`,
        ),
      ['warning kdump.words'],
      /shootdown=observe .*nothing is stopped/,
    ],
    ...['dry', '', 'on,x', 'observed'].map(
      (word): Case => [
        `a word that is not known: '${word}'`,
        () =>
          addToTree(
            system.root,
            '/var/crash/kexec_cmd',
            `kexec -p --command-line="root=x shootdown=on shootdown=${word}" ${WRAPPED}\n`,
          ),
        ['warning kdump.words'],
        new RegExp(`shootdown=${word} on its command line: nothing is stopped`),
      ],
    ),
    [
      'a unit masked',
      () => addToTree(system.root, '/etc/systemd/system/kdump-tools.service', { link: '/dev/null' }),
      ['problem kdump.unit'],
      /systemctl unmask/,
    ],
    [
      'a unit of ours gone',
      () =>
        removeTree(
          `${system.root}/etc/systemd/system/kdump-tools-dump.service.wants/shootdown-flight.service`,
        ),
      ['problem install.files'],
      /shootdown-flight\.service is gone .* → shootdown install kdump/,
    ],
    [
      'a file of ours edited',
      () => addToTree(system.root, '/etc/kernel/postinst.d/zz-shootdown', '#!/bin/sh\n'),
      ['warning install.files'],
      /zz-shootdown was changed since/,
    ],
    [
      'the program gone',
      () => removeTree(`${system.root}/usr/bin/shootdown`),
      ['problem install.program'],
      /call what is gone: \/usr\/bin\/shootdown/,
    ],
    [
      'the state gone',
      () => removeTree(`${system.root}/var/lib/shootdown/changes.json`),
      ['problem install.files'],
      /knows nothing of kdump/,
    ],
    [
      'install.json damaged',
      () => addToTree(system.root, '/etc/shootdown/install.json', '{'),
      ['problem install.parts'],
      /shootdown uninstall all/,
    ],
    [
      'half an upgrade',
      () => {
        addToTree(system.root, '/boot/vmlinuz-6.1.0-27-amd64', { text: makeBzImage(), mode: 0o600 });
        addToTree(
          system.root,
          '/var/lib/dpkg/status',
          'Package: linux-image-6.1.0-27-amd64\nStatus: install ok half-configured\n\n',
        );
      },
      ['problem kernel.wrapped', 'warning upgrade.kernel', 'warning upgrade.packages'],
      /6\.1\.0-27-amd64 has no initramfs and no modules/,
    ],
    [
      'settings of a package beside them',
      () => addToTree(system.root, '/etc/default/kdump-tools.ucf-dist', 'USE_KDUMP=1\n'),
      [],
      /left its new settings in \S+\.ucf-dist → .*diff/,
    ],
    [
      'a capture kernel that boots as far as it can',
      () =>
        addToTree(
          system.root,
          '/var/crash/kexec_cmd',
          `kexec -p --command-line="root=x nr_cpus=1 irqpoll" ${WRAPPED}\n`,
        ),
      [],
      /is not told to start kdump-tools-dump\.service.* → put systemd\.unit=/,
    ],
    [
      'no kdump initrd',
      () => removeTree(`${system.root}${KDUMP_INITRD}`),
      ['warning kdump.initrd'],
      /initrd\.img-6\.1\.0-26-amd64 is missing/,
    ],
  ];
  for (const [what, change, found, text] of cases) {
    it(what, async () => {
      await installed(['kdump']);
      change();
      const results = await doctor();
      expect(bad(results)).toEqual(expect.arrayContaining([...found]));
      for (const { state } of results.slice(0, found.length)) expect(state).not.toBe('ok');
      expect(results.map((each) => `${each.text} → ${each.advice}`).join('\n')).toMatch(text);
    });
  }

  it('full disks', async () => {
    await installed(['kdump']);
    const full = { ...answering(system), freeBytes: () => 4096 };
    const results = await doctor({ system: full });
    expect(bad(results)).toEqual(['problem disk.dumps', 'warning disk.boot', 'warning disk.state']);
    expect(textOf(results, 'disk.boot')).toMatch(
      /\/boot has 1 MiB left, and another kernel needs 1 MiB → remove/,
    );
  });
});

describe('wrapped kernels', () => {
  it('that were made by another version or with another policy', async () => {
    await installed(['kdump']);
    expect(textOf(await doctor({ tool: '1.3.0' }), 'kernel.wrapped')).toMatch(
      /not up to date: wrapped by shootdown 1\.2\.3, and this is 1\.3\.0 → shootdown refresh/,
    );
    const install = String(system.read('/etc/shootdown/install.json'));
    const policy = JSON.stringify({ ...defaultPolicy(), name: 'mine' });
    addToTree(system.root, '/etc/mine.json', policy);
    addToTree(
      system.root,
      '/etc/shootdown/install.json',
      install.replace('"policy": null', '"policy": "/etc/mine.json"'),
    );
    expect(textOf(await doctor(), 'kernel.wrapped')).toMatch(
      /its policy default is not that of now \(mine\)/,
    );
    removeTree(`${system.root}/etc/mine.json`);
    expect(bad(await doctor())).toEqual(['problem install.policy']);
  });

  it('whose units are those of another version', async () => {
    await installed(['kdump']);
    expect(textOf(await doctor({ tool: '1.3.0' }), 'install.version')).toBe(
      'units and hooks are those of shootdown 1.2.3, and this is 1.3.0 → shootdown refresh --parts --reload',
    );
  });

  it('that were made for other functions: no alarm, since one may only sleep', async () => {
    await installed(['kdump']);
    const other = async () => scan(memoryHost({ '00:03.0': { classCode: 0x020000, command: 6 } }));
    const results = await doctor({ machine: other });
    expect(bad(results)).toEqual([]);
    expect(textOf(results, 'kernel.wrapped')).toMatch(/functions of this machine were others, or slept/);
  });

  it('that a locked-down kernel would not load', async () => {
    await installed(['kdump']);
    addToTree(system.root, '/sys/kernel/security/lockdown', 'none [integrity] confidentiality\n');
    const results = await doctor();
    expect(bad(results)).toContain('problem kernel.signature');
    expect(textOf(results, 'kernel.signature')).toMatch(/locked down \(integrity\), and .* is not signed/);
  });

  it('whose original is gone', async () => {
    await installed(['kdump']);
    removeTree(`${system.root}/boot/vmlinuz-${OTHER}`);
    expect(textOf(await doctor(), 'kernel.left')).toBe(
      `wrapped kernels whose originals are gone: ${OTHER} → shootdown refresh`,
    );
  });
});

describe('the hook', () => {
  const image = hookImage;
  const put = (table: string | null) => {
    addToTree(system.root, KDUMP_INITRD, { text: image(table), mode: 0o644 });
    addToTree(
      system.root,
      '/var/crash/kexec_cmd',
      'kexec -p --initrd=/var/lib/kdump/initrd.img /var/lib/kdump/vmlinuz\n',
    );
  };
  const compiled = async (when: 'crash' | 'always' = 'crash', tool = '1.2.3', of = machine()) =>
    compileGateTable(defaultPolicy(), { machine: await of, when, tool }).text;

  it('is well where the initramfs has it with the policy of now', async () => {
    await installed(['hook']);
    put(await compiled('crash', '1.0.0'));
    const results = await doctor();
    expect(bad(results)).toEqual([]);
    expect(textOf(results, 'hook.initramfs')).toContain(
      `the hook is in ${KDUMP_INITRD}, with the policy of now`,
    );
    expect(textOf(results, 'kdump.kernel')).toContain('the hook works in its initramfs');
  });

  it('is missed, and its table is compared', async () => {
    await installed(['hook']);
    const again = `/etc/kernel/postinst.d/kdump-tools ${RUNNING}, then shootdown refresh --reload`;
    const cases: readonly [string | null, RegExp, string][] = [
      [null, /the hook is not in/, 'problem'],
      [await compiled('always'), /has "when always", and installed is "when crash"/, 'warning'],
      [
        (await compiled()).replace(/^policy .*$/m, 'policy other 0'),
        /another policy than that of now/,
        'warning',
      ],
      [(await compiled()).replace(/^otherwise .*$/m, 'otherwise exempt'), /has other rules/, 'warning'],
      [(await compiled()).replace(/^end .*$/m, ''), /table of the hook in \S+ is not whole/, 'problem'],
    ];
    for (const [table, text, state] of cases) {
      put(table);
      const results = await doctor();
      expect(bad(results)).toEqual([`${state} hook.initramfs`]);
      expect(textOf(results, 'hook.initramfs')).toMatch(text);
      expect(textOf(results, 'hook.initramfs')).toContain(again);
    }
    utimesSync(`${system.root}${KDUMP_INITRD}`, 4e9, 4e9);
    put(await compiled());
    utimesSync(`${system.root}${KDUMP_INITRD}`, 4e9, 4e9);
    expect(textOf(await doctor(), 'hook.initramfs')).toMatch(
      /is newer than what is loaded .* → shootdown refresh --reload/,
    );
    addToTree(system.root, KDUMP_INITRD, { text: image(null).subarray(0, 40), mode: 0o644 });
    expect(bad(await doctor())).toEqual(['problem hook.initramfs']);
  });

  it('is missed where what was bound, or was not there, when its table was made decides otherwise', async () => {
    await installed(['hook']);
    const at = (driver: string | null, slot = '0000:00:14.0', nic: string | null = null) =>
      scan(
        memoryHost({
          [slot]: { classCode: 0x0c0330, command: 6, facts: { driver } },
          '0000:00:02.0': { classCode: 0x020000, command: 6, facts: { driver: nic } },
        }),
      );
    const told = async (then: ReturnType<typeof at>, now: ReturnType<typeof at>) => {
      put(await compiled('crash', '1.2.3', then));
      const results = await doctor({ machine: () => now });
      return [...bad(results), textOf(results, 'hook.initramfs')];
    };
    const again = `/etc/kernel/postinst.d/kdump-tools ${RUNNING}, then shootdown refresh --reload`;
    const differs = async (then: ReturnType<typeof at>, now: ReturnType<typeof at>, text: string) =>
      expect(await told(then, now)).toEqual([
        'warning hook.initramfs',
        `the hook in ${KDUMP_INITRD} ${text} → ${again}`,
      ]);
    const bound = 'decides by what was bound when it was made: 0000:00:14.0';
    await differs(at(null), at('xhci_hcd'), `${bound} (exempt, now gate)`);
    await differs(at('xhci_hcd'), at(null), `${bound} (gate, now exempt)`);
    await differs(at('xhci_hcd', '0000:00:1a.0'), at('xhci_hcd'), 'does not know 0000:00:14.0');
    // No rule asks for these.
    const [well] = await told(at('xhci_hcd'), at('ehci-pci', '0000:00:14.0', 'e1000e'));
    expect(well).toMatch(/^the hook is in/);
    const [gone] = await told(at(null, '0000:00:1a.0'), at(null));
    expect(gone).toMatch(/^the hook is in/);
  });

  it('has the script of this version in the initramfs', async () => {
    await installed(['hook']);
    put(await compiled());
    addToTree(system.root, `${LIB}/gate`, 'mended since');
    const results = await doctor();
    expect(bad(results)).toEqual(['warning hook.initramfs']);
    expect(textOf(results, 'hook.initramfs')).toMatch(
      /^the hook in \S+ is not the one of this version → \S+kdump-tools \S+, then shootdown refresh --reload$/,
    );
  });

  it('is missed where the last crash left no log of it', async () => {
    await installed(['hook']);
    put(await compiled());
    const [folder, log] = ['/var/crash/202611231316', 'after the jump: 0 gated, 0 failed, 0 left live\n'];
    const dump = `${folder}/dump.202611231316`;
    addToTree(system.root, dump, 'dump');
    utimesSync(`${system.root}${dump}`, 4e9, 4e9);
    const results = await doctor();
    expect(bad(results)).toEqual(['warning jump.hook']);
    expect(textOf(results, 'jump.hook')).toMatch(
      /^the last crash \(\/var\/crash\/202611231316\) left no log of the hook: it did not run/,
    );
    addToTree(system.root, '/var/crash/202611231315/shootdown-hook.log', log);
    expect(bad(await doctor())).toEqual([]);
    removeTree(`${system.root}/var/crash/202611231315`);
    // A crash of before it was installed.
    utimesSync(`${system.root}${dump}`, 1, 1);
    expect(bad(await doctor())).toEqual([]);
  });

  it('is missed where kdump loads another initramfs', async () => {
    await installed(['hook']);
    put(await compiled());
    const other = `kexec -p --initrd=/boot/initrd.img-${RUNNING} /boot/vmlinuz-${RUNNING}\n`;
    addToTree(system.root, '/var/crash/kexec_cmd', other);
    const loaded = await doctor();
    expect(bad(loaded)).toEqual(['problem hook.loaded']);
    expect(textOf(loaded, 'hook.loaded')).toMatch(
      /^loaded for a crash is \/boot\/initrd\.img-6\S+, .* → systemctl restart kdump-tools$/,
    );
    const set = (text: string) => addToTree(system.root, '/etc/default/kdump-tools', `USE_KDUMP=1\n${text}`);
    set('KDUMP_KERNEL=\nKDUMP_INITRD=\n');
    expect(textOf(await doctor(), 'hook.loaded')).toMatch(
      /^loaded for a crash is \/boot\/initrd\.img-6\S+, .* → set KDUMP_KERNEL=.*--when always; then systemctl/,
    );
    put(await compiled());
    expect(textOf(await doctor(), 'hook.loaded')).toMatch(/^kdump-tools loads \/boot\/initrd/);
  });

  it('is missed where kdump loads no initramfs', async () => {
    await installed(['hook']);
    put(await compiled());
    const set = (text: string) => addToTree(system.root, '/etc/default/kdump-tools', `USE_KDUMP=1\n${text}`);
    const right = system.read('/etc/default/kdump-tools')?.toString() ?? '';
    set('KDUMP_KERNEL=/var/lib/kdump/vmlinuz\n#KDUMP_INITRD=/var/lib/kdump/initrd.img\n');
    const next = await doctor();
    expect(bad(next)).toEqual(['problem hook.loaded']);
    const settings = /set KDUMP_KERNEL=\S+ and KDUMP_INITRD=\S+ in \S+; then systemctl restart kdump-tools$/;
    expect(textOf(next, 'hook.loaded')).toMatch(/^kdump-tools loads no initramfs \(KDUMP_INITRD is empty/);
    expect(textOf(next, 'hook.loaded')).toMatch(settings);
    addToTree(system.root, '/var/crash/kexec_cmd', '/sbin/kexec -p /var/lib/kdump/vmlinuz\n');
    const loaded = await doctor();
    expect(bad(loaded)).toEqual(['problem hook.loaded']);
    expect(textOf(loaded, 'hook.loaded')).toMatch(/^loaded for a crash is a kernel without an initramfs/);
    expect(textOf(loaded, 'hook.loaded')).toMatch(settings);
    set(right);
    expect(textOf(await doctor(), 'hook.loaded')).toMatch(/without an .* → systemctl restart kdump-tools$/);
  });

  it('has an initramfs generator', async () => {
    await installed(['hook']);
    put(await compiled());
    removeTree(`${system.root}/usr/sbin/mkinitramfs`);
    expect(bad(await doctor())).toEqual(['problem hook.generator']);
    addToTree(system.root, '/usr/bin/dracut', 'x');
    expect(textOf(await doctor(), 'hook.generator')).toMatch(/installed for initramfs-tools, and now dracut/);
  });
});

describe('kexec', () => {
  it('that takes the kernel of GRUB, or is loaded at each boot', async () => {
    await installed(['kexec'], { '/etc/default/kexec': 'LOAD_KEXEC=true\nUSE_GRUB_CONFIG=true\n' });
    addToTree(system.root, '/etc/systemd/system/multi-user.target.wants/shootdown-kexec.service', {
      link: '/x',
    });
    addToTree(system.root, '/sys/kernel/kexec_loaded', '1\n');
    const results = await doctor();
    expect(bad(results)).toEqual(['warning kexec.config', 'warning kexec.unit']);
    expect(textOf(results, 'kexec.loaded')).toMatch(/the next reboot is a jump/);
  });
});

describe('the machine', () => {
  it('has what no wrapped kernel reaches', async () => {
    await installed(['kdump']);
    const far = async () =>
      scan(memoryHost({ '10000:00:02.0': { classCode: 0x020000, command: 6 } }, { iommu: true }));
    const results = await doctor({ machine: far });
    expect(bad(results)).toEqual(['warning machine.functions']);
    expect(textOf(results, 'machine.functions')).toMatch(/SD102 .*10000:00:02\.0/);
  });

  it('is a guest in which nothing can run between the kernels', async () => {
    await installed(['kdump']);
    addToTree(system.root, '/proc/cpuinfo', 'flags\t\t: fpu hypervisor tdx_guest\n');
    expect(textOf(await doctor(), 'machine.guest')).toMatch(/TDX guest.* → .*install hook/);
  });

  it('cannot be read: that is said once, and the rest goes on', async () => {
    await installed(['kdump']);
    const broken = () => Promise.reject(new ShootdownError('not-found', 'no PCI functions'));
    expect(bad(await doctor({ machine: broken }))).toEqual([
      'unknown machine.iommu',
      'unknown machine.functions',
    ]);
  });
});

describe('the last jump', () => {
  const FOLDER = '/var/crash/202611231316';
  it('is told from its record, its dump and the log of the hook', async () => {
    await installed(['kdump']);
    addToTree(system.root, '/var/crash/202611221316/dump.202611221316', 'older');
    addToTree(system.root, `${FOLDER}/dump.202611231316`, 'dump');
    addToTree(system.root, `${FOLDER}/shootdown-flight.0.bin`, { text: encodeFlight(CRASH), mode: 0o644 });
    addToTree(
      system.root,
      `${FOLDER}/shootdown-hook.log`,
      'after the jump: policy default, on crash\n0000:00:02.0 8086:100e: stays live, Command 0007: the write had no effect\nafter the jump: 2 gated, 1 failed, 0 left live\n',
    );
    const results = await doctor();
    expect(bad(results)).toEqual(['warning jump.flight', 'warning jump.hook']);
    expect(textOf(results, 'jump.flight')).toMatch(
      /^the last crash: 3 stopped; stayed live: .*; 3 failed → shootdown flight \/var\/crash\/202611231316\/shootdown-flight\.0\.bin says/,
    );
    expect(textOf(results, 'jump.hook')).toMatch(
      /2 gated, 1 failed, 0 left live; 1 line of trouble: 0000:00:02\.0/,
    );
    expect(textOf(results, 'jump.dump')).toContain(`a dump in ${FOLDER}`);
  });

  it('may have its dump on another machine, and its record apart', async () => {
    await installed(['kdump']);
    addToTree(system.root, `${FOLDER}/shootdown-flight.0.bin`, { text: encodeFlight(CRASH), mode: 0o644 });
    const pending = '/var/crash/shootdown-pending/202611231317';
    addToTree(system.root, `${pending}/shootdown-flight.0.bin`, { text: encodeFlight(CRASH), mode: 0o644 });
    const settings = system.read('/etc/default/kdump-tools');
    addToTree(system.root, '/etc/default/kdump-tools', `NFS="dumps:/srv"\n${settings}`);
    const results = await doctor();
    expect(bad(results)).toEqual(['warning jump.flight']);
    expect(textOf(results, 'jump.flight')).toContain(pending);
  });

  it('may have left no dump, or a record that cannot be read', async () => {
    await installed(['kdump']);
    addToTree(system.root, `${FOLDER}/shootdown-flight.0.bin`, 'SHOT but no more');
    const results = await doctor();
    expect(bad(results)).toEqual(['warning jump.dump', 'warning jump.flight']);
    expect(textOf(results, 'jump.flight')).toMatch(/cut short/);
  });

  it('may be the one to this kernel', async () => {
    await installed(['kexec']);
    addToTree(system.root, '/sys/kernel/boot_params/setup_data/0/type', '0x1\n');
    addToTree(system.root, '/sys/kernel/boot_params/setup_data/1/type', '0x53484f54\n');
    addToTree(system.root, '/sys/kernel/boot_params/setup_data/1/data', {
      text: encodeFlight({
        entries: [{ rid: 0x10, flags: ['planned'], before: 7, after: 0x0403, outcome: 'done' }],
      }),
      mode: 0o400,
    });
    const results = await doctor();
    expect(bad(results)).toEqual([]);
    expect(textOf(results, 'jump.now')).toBe('the jump to this kernel: 1 stopped → null');
  });
});

describe('who asks', () => {
  it('without root is told what needs root', async () => {
    await installed(['kdump']);
    const denied = new ShootdownError('no-permission', `${ORIGINAL}: no permission to read it: run as root`);
    const reader = answering(system);
    const asUser: System = {
      ...reader,
      read: (path) => {
        if (path === ORIGINAL) throw denied;
        return reader.read(path);
      },
    };
    const results = await doctor({ system: asUser });
    expect(bad(results)).toEqual(['unknown kdump.kernel', 'unknown kernel.wrapped']);
    expect(results[0]).toMatchObject({ text: denied.message, advice: 'run as root: sudo shootdown doctor' });
  });

  it('for a folder, is told what files say, and nothing is run', async () => {
    await installed(['kdump']);
    const ran = system.ran.length;
    const folder: System = { ...system, live: false };
    const results = await doctor({
      system: folder,
      machine: () => Promise.reject(new Error('not this one')),
    });
    expect(bad(results)).toEqual([]);
    expect(results.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['kernel.wrapped', 'install.files', 'system']),
    );
    expect(results.map(({ id }) => id)).not.toContain('kdump.loaded');
    expect(system.ran.length).toBe(ran);
  });

  it('in a capture kernel is told only of the jump', async () => {
    await installed(['kdump']);
    addToTree(system.root, '/proc/vmcore', 'x');
    expect((await doctor()).map(({ id }) => id)).toEqual(['system']);
  });
});
