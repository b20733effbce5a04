import { PLACES_OF } from './places.js';
import { readTextOf, type System } from './system.js';

/** The kernel that runs, as in `uname -r`; `''` where that is not to be seen. */
export function runningRelease(system: Pick<System, 'read'>): string {
  return readTextOf(system, PLACES_OF.release)?.trim() ?? '';
}
