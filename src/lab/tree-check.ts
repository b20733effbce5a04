import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.js';
import type { DebianPackage } from './debian.js';
import type { Store } from './store.js';

/** Files of one package are read this many at a time. */
const FILES_AT_ONCE = 16;

/** Removes unpacked packages that are not what they were packed as, so that they are unpacked anew. */
export async function checkTrees(store: Store, packages: readonly DebianPackage[]): Promise<void> {
  for (const one of packages) {
    const tree = await store.tree(one);
    const sums = (await command('dpkg-deb', ['--info', store.debPath(one), 'md5sums'])).toString('utf8');
    if (!(await matches(tree, parseSums(sums)))) await store.discard(tree);
  }
}

/** Lines of `MD5  PATH`, as Debian packages carry them. */
function parseSums(text: string): readonly (readonly [sum: string, path: string])[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => [line.slice(0, 32), line.slice(34)] as const);
}

async function matches(
  tree: string,
  sums: readonly (readonly [sum: string, path: string])[],
): Promise<boolean> {
  let next = 0;
  let fine = true;
  const work = async () => {
    while (fine) {
      const [sum, path] = sums[next++] ?? [];
      if (sum === undefined || path === undefined) return;
      const bytes = await readFile(join(tree, path)).catch(() => undefined);
      if (bytes === undefined || createHash('md5').update(bytes).digest('hex') !== sum) fine = false;
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, work));
  return fine;
}
