import { PLACES_OF } from './places.js';
import { runningRelease } from './running-release.js';
import type { System } from './system.js';

/** Versions of the kernels in /boot, the newest last; copies that package tools keep are left out. */
export function bootVersions(system: Pick<System, 'list'>): readonly string[] {
  return system
    .list(PLACES_OF.boot)
    .filter((name) => name.startsWith('vmlinuz-') && !NOT_A_KERNEL.test(name))
    .map((name) => name.slice('vmlinuz-'.length))
    .filter(isVersion)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

const NOT_A_KERNEL = /(\.old|\.bak|~|\.dpkg-\w+|\.signed|\.tmp|\.sha256|\.hmac)$/;

/** As in `uname -r`: nothing that leads out of a folder. */
export function isVersion(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$/.test(text) && !text.includes('..');
}

/** Of the kernels in /boot the one that runs, if it is there, and the newest: what boots next. */
export function runningAndNewest(
  system: Pick<System, 'list' | 'read'>,
  running = runningRelease(system),
): readonly string[] {
  const versions = bootVersions(system);
  return versions.filter((version, n) => version === running || n === versions.length - 1);
}
