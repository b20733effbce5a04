import { ShootdownError } from '../pci/error.js';
import { sha256Of } from './change.js';

/** The files that `install` puts on a system: `integrations/`. */
export interface Integration {
  /** Of a file in `integrations/`; throws `not-found`. */
  read(name: string): string;
  /** The absolute folder of `integrations/lib`. */
  readonly lib: string;
  /** The command line that starts this program: absolute paths, each of them plain. */
  readonly program: readonly string[];
  /** Why it may be gone when it is needed; `null` if it will be there. */
  readonly fleeting: string | null;
}

/** What a shell and systemd both take as one word, as it is. */
const PLAIN = /^\/[A-Za-z0-9_/.,+@:=-]*$/;

/** A file of `integrations/` with its placeholders filled. */
export function filled({ read, lib, program }: Integration, name: string): string {
  const text = read(name)
    .replaceAll('@LIB@', lib)
    .replaceAll('@PROGRAM@', program.join(' '))
    .replaceAll('@GATE_SUM@', () => sha256Of(read('lib/gate')));
  const left = /@[A-Z_]+@/.exec(text)?.[0];
  if (left !== undefined) throw new Error(`${name}: nothing is known to put for ${left}`);
  return text;
}

/**
 * Throws `refused` for a program that will not be there when it is needed: one in npx's cache or in somebody's project;
 * or whose path a unit or a script could not name.
 */
export function checkProgram({ lib, program, fleeting }: Omit<Integration, 'read'>): void {
  const advice = 'npm pack there, then npm install --global what it made; or the Debian package';
  if (fleeting !== null)
    throw new ShootdownError('refused', `this shootdown ${fleeting} and may be gone when needed: ${advice}`);
  for (const path of [...program, lib]) {
    if (path.includes('/_npx/'))
      throw new ShootdownError('refused', `${path} is in npx's cache and will be gone: ${advice}`);
    if (!PLAIN.test(path))
      throw new ShootdownError(
        'refused',
        `${path}: a path that scripts cannot name; install shootdown elsewhere (${advice})`,
      );
  }
}
