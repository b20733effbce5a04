import { ShootdownError } from '../pci/error.js';

/** Ends a run: the program does what this machine does not know or does not allow. */
export function stop(why: string): never {
  throw new ShootdownError('unsupported', why);
}
