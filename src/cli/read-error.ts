import { ShootdownError } from '../pci/error.js';

/** Why a file could not be read, and what to do. */
export function readError(path: string, cause: unknown): ShootdownError {
  const { code, message } = cause as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return new ShootdownError('not-found', `${path}: no such file`, { cause });
    case 'EACCES':
      return new ShootdownError('no-permission', `${path}: no permission to read it`, { cause });
    case 'EISDIR':
      return new ShootdownError('bad-input', `${path}: a folder, not a file`, { cause });
    default:
      return new ShootdownError('io', `${path}: ${message}`, { cause });
  }
}
