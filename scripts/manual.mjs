// Writes the man pages and the shells' completions, made from the command line's own table, into dist/.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './install.mjs';
import { loadTs } from './load-ts.mjs';

export async function writeManual() {
  const { manualFiles } = await loadTs('scripts/manual/manual.ts');
  const files = manualFiles();
  // A page of a command that is no more would stay.
  rmSync(join(root, 'dist/man'), { recursive: true, force: true });
  for (const { path, content } of files) {
    const file = join(root, 'dist', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}
