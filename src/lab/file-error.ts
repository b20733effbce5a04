import { ShootdownError } from '../pci/error.js';

/** True for what Node, or a program that was run, says of a disk that is full. */
export function isDiskFull(cause: unknown): boolean {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || /No space left/.test(message);
}

/** Says what happened to a file in words that help. */
export function fileError(path: string, cause: unknown): ShootdownError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (isDiskFull(cause)) return new ShootdownError('io', `${path}: no space left on its disk`, { cause });
  if (code === 'EACCES' || code === 'EROFS') {
    return new ShootdownError('no-permission', `${path}: no permission to write there`, { cause });
  }
  return new ShootdownError('io', `${path}: ${message}`, { cause });
}
