import { readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { fileError } from './file-error.js';

/**
 * What QEMU has written down so far (`-trace EVENT -D FILE`), a line an event. Throws `io` where that cannot be all:
 * when the disk is full QEMU goes on in silence, and what it could not write is missing.
 */
export function readTrace(path: string): string {
  let text: string;
  let full: boolean;
  try {
    text = readFileSync(path, 'latin1');
    full = statfsSync(dirname(path)).bavail === 0;
  } catch (cause) {
    throw fileError(path, cause);
  }
  if (!full && (text === '' || text.endsWith('\n'))) return text;
  const why = full ? 'its disk is full' : 'its last line is not whole';
  const advice = 'free some room, or set TMPDIR to a folder on another disk';
  throw new ShootdownError('io', `${path}: QEMU's trace is cut off: ${why}: ${advice}`);
}
