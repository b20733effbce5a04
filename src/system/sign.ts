import { ShootdownError } from '../pci/error.js';
import { makeFolders, removeTemporaries } from './change-journal.js';
import { PLACES_OF } from './places.js';
import { failureText } from './run-command.js';
import { hasProgram, type System } from './system.js';

const SIGN_MS = 30_000;
const unsigned = `${PLACES_OF.state}/.unsigned`;
const signed = `${PLACES_OF.state}/.signed`;

/**
 * Signs an image for Secure Boot with sbsign and looks with sbverify, if that is there, whether it is. Throws
 * `not-found` if sbsign is not installed, `io` with what it said if it fails.
 */
export async function signImage(
  system: System,
  image: Uint8Array,
  { key, cert }: { readonly key: string; readonly cert: string },
): Promise<Uint8Array> {
  makeFolders(system, PLACES_OF.state);
  const at = (path: string) => system.locate(path);
  try {
    system.write(unsigned, image, 0o600);
    const args = ['--key', at(key), '--cert', at(cert), '--output', at(signed), at(unsigned)];
    await check(system, 'sbsign', args);
    const bytes = system.read(signed);
    if (!bytes) throw new ShootdownError('io', 'sbsign: it wrote nothing');
    if (hasProgram(system, 'sbverify')) await check(system, 'sbverify', ['--cert', at(cert), at(signed)]);
    return bytes;
  } finally {
    removeSigningFiles(system);
  }
}

/** What was left by one that was ended half-way, too. */
export function removeSigningFiles(system: System): void {
  for (const path of [unsigned, signed]) {
    system.remove(path);
    removeTemporaries(system, path);
  }
}

async function check(system: System, program: string, args: readonly string[]): Promise<void> {
  const result = await system.run(program, args, { timeoutMs: SIGN_MS });
  if (result.status === 0) return;
  if (result.status === 127)
    throw new ShootdownError('not-found', `${program} is not installed: apt install sbsigntool`);
  throw new ShootdownError('io', `${program}: ${failureText(result)}`);
}
