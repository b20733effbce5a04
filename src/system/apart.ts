import { existsSync, statSync } from 'node:fs';

/** What tells the system at / from the one that runs; tests pass others. */
export interface Roots {
  /** Whether /proc is mounted. */
  readonly hasProc: boolean;
  /** Device and inode of this process's root folder, and of the first process's; `undefined` for who may not see it. */
  readonly own: string | undefined;
  readonly first: string | undefined;
}

/**
 * Why the system at / is not the one that runs, but that of an image which is being built, or mended: then /proc and /sys
 * tell of another machine, and its programs would act on that. `undefined` if it runs, as far as can be told.
 * `SYSTEMD_OFFLINE` has the last word, as for systemctl (docs/ENVIRONMENT.md of systemd); builders of images set it.
 */
export function whyApart(
  env: Readonly<Record<string, string | undefined>>,
  roots: Roots = rootsOfThis(),
): string | undefined {
  const offline = env['SYSTEMD_OFFLINE']?.toLowerCase();
  if (offline !== undefined && ['1', 'yes', 'true', 'on'].includes(offline)) return 'SYSTEMD_OFFLINE is set';
  if (offline !== undefined && ['0', 'no', 'false', 'off'].includes(offline)) return undefined;
  if (!roots.hasProc) return '/proc is not mounted here';
  const { own, first } = roots;
  return own !== undefined && first !== undefined && own !== first ? 'this is a chroot' : undefined;
}

function rootsOfThis(): Roots {
  return { hasProc: existsSync('/proc/self'), own: identity('/'), first: identity('/proc/1/root') };
}

/** Only root may look through the link of the first process. */
function identity(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
