import { gzipSync } from 'node:zlib';
import type { Machine } from '../../src/host/scan.js';
import { cpioArchive } from '../../src/lab/cpio.js';
import { performInstall, planInstall } from '../../src/system/install.js';
import { kernelFiles, type Part } from '../../src/system/state.js';
import type { System } from '../../src/system/system.js';
import { debianAround, debianSystem, OTHER, RUNNING } from './debian-system.js';
import type { FakeSystem, TreeEntry } from './system-tree.js';

export const LIB = '/usr/share/shootdown/integrations/lib';

/** What a whole system has beyond what `install` looks at. */
const WHOLE: Readonly<Record<string, TreeEntry>> = {
  '/etc/systemd/system/basic.target.wants/kdump-tools.service': {
    link: '/lib/systemd/system/kdump-tools.service',
  },
  [`/boot/initrd.img-${OTHER}`]: 'initrd',
  [`/lib/modules/${RUNNING}`]: 'folder/',
  [`/lib/modules/${OTHER}`]: 'folder/',
  [`${LIB}/kdump-kernel`]: 'x',
  [`${LIB}/kdump-fallback`]: 'x',
  [`${LIB}/save-flight`]: 'x',
  [`${LIB}/wrapped-kernel`]: 'x',
  [`${LIB}/kexec-load`]: 'x',
  [`${LIB}/gate`]: 'x',
  '/usr/bin/shootdown': 'x',
  '/proc/meminfo': 'MemTotal:        1024 kB\n',
  '/var/lib/dpkg/status':
    'Package: kdump-tools\nStatus: install ok installed\nVersion: 1\n\nPackage: bash\nStatus: install ok unpacked\n',
};

/** A system with these parts installed, on which all is well but for what `changes` put there before. */
export async function wholeSystem(
  parts: readonly Part[],
  changes: Readonly<Record<string, TreeEntry | null>> = {},
): Promise<FakeSystem> {
  const system = debianSystem({ ...WHOLE, ...changes });
  for (const part of parts) {
    const around = debianAround(system);
    await performInstall(around, await planInstall(around, { part }));
  }
  return system;
}

export async function machineOf(system: System): Promise<Machine> {
  return (await debianAround(system).machine()).machine;
}

/** As `kdump-kernel` answers: only a whole wrapped kernel is named, and nothing where the script is gone. */
export function answering(system: FakeSystem): System {
  const { run } = system;
  const { wrapped, sums } = kernelFiles(RUNNING);
  return {
    ...system,
    run: (command, args, options) => {
      if (command !== `${LIB}/kdump-kernel`) return run(command, args, options);
      if (!system.exists(command)) return Promise.resolve({ status: 127, stdout: '', stderr: '' });
      const there = system.exists(wrapped) && system.exists(sums);
      return Promise.resolve({ status: 0, stdout: there ? `KDUMP_KERNEL=${wrapped}\n` : '', stderr: '' });
    },
  };
}

/** An initramfs with the hook and this table, or without the hook. */
export function hookImage(table: string | null): Buffer {
  const file = (path: string, text: string) => ({ path, kind: 'file' as const, bytes: Buffer.from(text) });
  const hook =
    table === null
      ? []
      : [
          file('usr/lib/shootdown/gate', 'x'),
          file('conf/conf.d/shootdown', 'x'),
          file('usr/lib/shootdown/table', table),
        ];
  return gzipSync(cpioArchive([file('init', 'x'), ...hook]));
}
