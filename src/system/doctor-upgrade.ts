import { dirname } from 'node:path';
import { type Check, mib, ok, problem, type Said, some, warning } from './doctor-check.js';
import type { DoctorView } from './doctor-view.js';
import { bootVersions } from './installed-kernels.js';
import { initramfsPaths } from './parts.js';
import { PLACES_OF } from './places.js';
import { kdumpInitrd, kernelFiles } from './state.js';
import { readTextOf } from './system.js';

/** Upgrades that did not come to their end, and disks that will stop the next. */
export const UPGRADE_CHECKS: readonly Check[] = [
  { id: 'upgrade.kernel', look: lookAtKernels },
  { id: 'upgrade.packages', look: lookAtPackages },
  { id: 'disk.boot', look: lookAtBoot },
  { id: 'disk.state', look: lookAtState },
  { id: 'disk.dumps', look: lookAtDumps },
];

function lookAtKernels({ system, running }: DoctorView): readonly Said[] {
  const versions = bootVersions(system);
  if (versions.length === 0) return [];
  const half = versions.flatMap((version) => {
    // It has booted with what it has.
    if (version === running) return [];
    const missing = [
      ...(initramfsPaths(version).some((path) => system.exists(path)) ? [] : ['initramfs']),
      ...(system.exists(`/lib/modules/${version}`) ? [] : ['modules']),
    ];
    return missing.length === 0 ? [] : [`${version} has no ${missing.join(' and no ')}`];
  });
  if (half.length === 0) return [ok('every kernel in /boot has its initramfs and modules')];
  return [
    warning(`half an upgrade: ${some(half)}`, 'dpkg --configure -a; or remove what is left of that kernel'),
  ];
}

const DPKG = '/var/lib/dpkg/status';
const OURS = /^(linux-image-.*|kdump-tools|kexec-tools|shootdown|initramfs-tools(-core)?|dracut(-core)?)$/;
/** The third word of a package's status that is neither there nor gone. */
const HALF = /^(half-installed|unpacked|half-configured|triggers-awaited|triggers-pending)$/;

function lookAtPackages({ system }: DoctorView): readonly Said[] {
  const text = readTextOf(system, DPKG);
  if (text === undefined) return [];
  const half: string[] = [];
  for (const [, name = '', rest = ''] of text.matchAll(/^Package: (.+)\n((?:.+\n)*)/gm)) {
    if (!OURS.test(name)) continue;
    const state = /^Status: \S+ \S+ (\S+)$/m.exec(rest)?.[1] ?? '';
    if (HALF.test(state)) half.push(`${name} (${state})`);
  }
  if (half.length === 0) return [ok('no package of kernels or kdump is half installed')];
  return [warning(`half installed: ${some(half)}`, 'dpkg --configure -a, which says what stops it')];
}

/** A new kernel needs as much room as the newest. */
function lookAtBoot(view: DoctorView): readonly Said[] {
  const { system } = view;
  const newest = bootVersions(system).at(-1);
  const free = system.freeBytes(PLACES_OF.boot);
  if (newest === undefined || free === undefined) return [];
  const paths = [kernelFiles(newest).original, ...initramfsPaths(newest)];
  const need = paths.reduce((sum, path) => sum + view.size(path), 0);
  const text = `${PLACES_OF.boot} has ${mib(free)} left`;
  if (free >= need) return [ok(text)];
  return [
    warning(`${text}, and another kernel needs ${mib(need)}`, 'remove old kernels: apt autoremove --purge'),
  ];
}

/** The kdump initrd and wrapped kernels are written anew beside the old ones. */
function lookAtState(view: DoctorView): readonly Said[] {
  const { system, running = '' } = view;
  const free = system.freeBytes('/var/lib');
  if (free === undefined || !view.install) return [];
  const wraps = view.has('kdump') || view.has('kexec');
  const newest = bootVersions(system).at(-1) ?? '';
  const kernel = wraps ? view.size(kernelFiles(newest).original) : 0;
  const need = kernel + view.size(kdumpInitrd(running)) + (1 << 20);
  const text = `/var/lib has ${mib(free)} left`;
  if (free >= need) return [ok(text)];
  return [
    warning(
      `${text}, and the next kernel needs ${mib(need)} there`,
      'free some: apt clean, journalctl --vacuum-size=100M',
    ),
  ];
}

/** Compressed and without pages of user space, most dumps take a few hundredths of memory. */
const DUMP_PART = 1 / 32;
const DUMP_MIN = 16 << 20;

function lookAtDumps(view: DoctorView): readonly Said[] {
  const { system } = view;
  const { coredir, remote, on } = view.settings;
  if (!view.hasKdumpTools || !on || remote) return [];
  let at = coredir;
  while (at !== '/' && !system.exists(at)) at = dirname(at);
  const free = system.freeBytes(at) ?? 0;
  const text = `${coredir} has ${mib(free)} left`;
  const advice = `remove old dumps from ${coredir}, or have fewer kept (KDUMP_NUM_DUMPS)`;
  if (free < DUMP_MIN) return [problem(`${text}: no dump can be saved there`, advice)];
  const kib = /^MemTotal:\s+(\d+) kB/m.exec(
    system.live ? (readTextOf(system, '/proc/meminfo') ?? '') : '',
  )?.[1];
  const need = Number(kib ?? 0) * 1024 * DUMP_PART;
  if (free < need) return [warning(`${text}; a dump of this machine may need ${mib(need)} and more`, advice)];
  return [ok(text)];
}
