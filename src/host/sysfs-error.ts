import { type ErrorCode, ShootdownError } from '../pci/error.js';
import type { Slot } from '../pci/slot.js';
import { errnoCode } from './sysfs-files.js';

export interface FailedCall {
  readonly slot: Slot;
  /** What was to be done, after the slot: `config cannot be read`. */
  readonly what: string;
  readonly register?: string;
  /** As `/sys/kernel/security/lockdown` has it; asked only where it may explain the error. */
  readonly lockdown?: () => string | undefined;
}

export const NEEDS_FLAG =
  'writing to the PCI devices of the running machine needs --write-real-pci-devices (library: writeRealSys), ' +
  'since it can take its disks, network and console away';

/** Turns an errno exception into what happened and what to do about it. */
export function sysfsError(cause: unknown, call: FailedCall): ShootdownError {
  if (cause instanceof ShootdownError) return cause;
  const errno = errnoCode(cause);
  const { code, why } = explain(errno, call);
  return new ShootdownError(code, `${call.slot}: ${call.what}: ${why}`, {
    slot: call.slot,
    register: call.register,
    cause,
  });
}

function explain(errno: string, call: FailedCall): { code: ErrorCode; why: string } {
  switch (errno) {
    case 'EPERM':
    case 'EACCES': {
      const lockdown = errno === 'EPERM' ? call.lockdown?.() : undefined;
      if (lockdown === undefined || lockdown === 'none')
        return { code: 'no-permission', why: `not permitted (${errno}); run as root` };
      const why =
        `the kernel is locked down (${lockdown}) and refuses it (${errno}); wrap the next kernel or use the ` +
        'initramfs hook, or boot without Secure Boot and lockdown=';
      return { code: 'lockdown', why };
    }
    case 'EROFS':
      return { code: 'no-permission', why: 'it is mounted read-only (EROFS)' };
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
    case 'ENOTDIR':
      return { code: 'vanished', why: `the function is gone (${errno})` };
    case 'ENOTTY':
    case 'EOPNOTSUPP':
      return { code: 'unsupported', why: `the kernel cannot do it (${errno})` };
    case 'EMFILE':
    case 'ENFILE':
      return { code: 'io', why: `too many open files (${errno}); raise ulimit -n` };
    default:
      return { code: 'io', why: errno || 'no errno' };
  }
}
