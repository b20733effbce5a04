import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { scan } from '../../src/host/scan.js';
import type { Surroundings } from '../../src/system/install.js';
import { assignments } from '../../src/system/kdump-settings.js';
import { makeBzImage } from './bzimage.js';
import { memoryHost } from './memory-host.js';
import {
  addToTree,
  type FakeSystem,
  fakeSystem,
  makeTree,
  removeTree,
  snapshot,
  type TreeEntry,
} from './system-tree.js';

export const RUNNING = '6.1.0-26-amd64';
export const OTHER = '6.1.0-25-amd64';
const INTEGRATIONS = join(import.meta.dirname, '../../integrations');
const program = { text: '#!/bin/sh\n', mode: 0o755 };

/** Debian 12 with kdump-tools, as far as `install` looks at it. */
export const DEBIAN: Readonly<Record<string, TreeEntry>> = {
  [`/boot/vmlinuz-${RUNNING}`]: { text: makeBzImage({ kernel: RUNNING }), mode: 0o644 },
  [`/boot/vmlinuz-${OTHER}`]: { text: makeBzImage({ kernel: OTHER }), mode: 0o600 },
  [`/boot/initrd.img-${RUNNING}`]: 'initrd',
  '/etc/default/kdump-tools':
    '# kdump-tools\nUSE_KDUMP=1\nKDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_INITRD=/var/lib/kdump/initrd.img\n',
  '/etc/initramfs-tools/hooks': 'folder/',
  '/etc/kernel/postinst.d/kdump-tools': program,
  '/etc/kernel/postrm.d/kdump-tools': program,
  '/etc/systemd/system': 'folder/',
  '/proc/cmdline': 'root=/dev/vda1 crashkernel=384M-:128M\n',
  '/proc/cpuinfo': 'flags : fpu tsc\ncpu MHz : 2000.000\n',
  '/proc/sys/kernel/osrelease': `${RUNNING}\n`,
  '/run/systemd/system': 'folder/',
  '/sys/kernel/kexec_crash_loaded': '1\n',
  '/sys/kernel/kexec_crash_size': '134217728\n',
  '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n',
  '/usr/bin/lsinitramfs': program,
  '/usr/sbin/kdump-config': program,
  '/usr/sbin/kexec': program,
  '/usr/sbin/mkinitramfs': program,
  '/usr/sbin/update-initramfs': program,
  '/var/crash/kexec_cmd': 'kexec -p --initrd=/var/lib/kdump/initrd.img /var/lib/kdump/vmlinuz\n',
  [`/var/lib/kdump/initrd.img-${RUNNING}`]: 'kdump initrd',
};

/** A Debian system, and programs that do what of it matters here. `fails`: lines of commands that do not work. */
export function debianSystem(
  changes: Readonly<Record<string, TreeEntry | null>> = {},
  fails: (line: string, env: Readonly<Record<string, string>>) => boolean = () => false,
): FakeSystem {
  const entries = Object.entries({ ...DEBIAN, ...changes }).filter(([, entry]) => entry !== null);
  const root = makeTree(Object.fromEntries(entries) as Record<string, TreeEntry>);
  const system: FakeSystem = fakeSystem(root, (line, { env = {} }) => {
    const failed = fails(line, env);
    if (line === 'kdump-config unload') addToTree(root, '/sys/kernel/kexec_crash_loaded', '0\n');
    if (line === 'kdump-config load' && !failed) load(system, env);
    if (line.startsWith('lsinitramfs')) {
      const hook = system.exists('/etc/initramfs-tools/hooks/shootdown');
      return { stdout: hook ? 'usr\nusr/lib/shootdown/gate\n' : 'usr\n' };
    }
    return failed ? { status: 1, stderr: 'it does not work\n' } : {};
  });
  return system;
}

/** Makes systems as `debianSystem` does, and removes them after each test of the file. */
export function debianSystems(): typeof debianSystem {
  const systems: FakeSystem[] = [];
  afterEach(() => {
    for (const { root } of systems.splice(0)) removeTree(root);
  });
  return (...args) => {
    const system = debianSystem(...args);
    systems.push(system);
    return system;
  };
}

/**
 * As kdump-tools does, where our line finds a kernel that it may load. Told of no kernel, it takes kernel and initrd from
 * /boot; told of one, it looks for no initrd but the one that it is told of.
 */
function load(system: FakeSystem, env: Readonly<Record<string, string>>): void {
  const text = system.read('/etc/default/kdump-tools')?.toString() ?? '';
  const set = assignments(text);
  const told = set.get('KDUMP_KERNEL') ?? '';
  const initrd = told === '' ? `/boot/initrd.img-${RUNNING}` : (set.get('KDUMP_INITRD') ?? '');
  const ours = text.includes('kdump-kernel');
  const wrapped = `/var/lib/shootdown/kernels/vmlinuz-${RUNNING}`;
  const isOurs = ours && env['SHOOTDOWN_PLAIN'] !== '1' && system.exists(`${wrapped}.sha256`);
  const kernel = isOurs ? wrapped : told || `/boot/vmlinuz-${RUNNING}`;
  const words = initrd === '' ? 'kexec -p' : `kexec -p --initrd=${initrd}`;
  addToTree(system.root, '/sys/kernel/kexec_crash_loaded', '1\n');
  addToTree(system.root, '/var/crash/kexec_cmd', `${words} ${kernel}\n`);
}

export function debianAround(
  system: Surroundings['system'],
  changes: Partial<Surroundings> = {},
): Surroundings {
  return {
    system,
    integration: {
      read: (name) => readFileSync(join(INTEGRATIONS, name), 'utf8'),
      lib: '/usr/share/shootdown/integrations/lib',
      program: ['/usr/bin/shootdown'],
      fleeting: null,
    },
    isRoot: true,
    tool: '1.2.3',
    now: '2026-01-31T12:00:00.000Z',
    machine: async () => ({
      machine: await scan(memoryHost({ '00:02.0': { classCode: 0x020000, command: 6 } })),
      tscKhz: 2_000_000,
    }),
    ...changes,
  };
}

/** All that is not the kernel's own or what waits for a crash. */
export function filesOf(system: FakeSystem): Record<string, string> {
  const all = Object.entries(snapshot(system.root));
  return Object.fromEntries(all.filter(([path]) => !/^(sys|proc|run|var\/crash)/.test(path)));
}
