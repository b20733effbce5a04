// npm run deb: builds the Debian packages into dist/deb/.
//
//   --no-runtime   only shootdown, without the package that has a Node in it
//   --check        builds everything once more elsewhere, and fails if a byte differs
//   --out FOLDER   where they go
//
// The date in them is SOURCE_DATE_EPOCH's, or else that of the last entry of packaging/debian/changelog.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runtimePackage } from './deb/runtime.mjs';
import { shootdownPackage } from './deb/shootdown.mjs';
import { writeDeb } from './deb/write.mjs';
import { install, root } from './install.mjs';

const { values: options } = parseArgs({
  options: {
    'no-runtime': { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    out: { type: 'string', default: join(root, 'dist/deb') },
  },
});

/** Writes all packages; returns their paths. */
async function packages(folder) {
  // Needs packages that install() may have to fetch first.
  const { bundle } = await import('./bundle.mjs');
  await bundle();
  const wanted = [shootdownPackage()];
  if (!options['no-runtime']) wanted.push(runtimePackage());
  return wanted.map((each) => writeDeb(each, folder));
}

const sha256 = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

try {
  install();
  const paths = await packages(resolve(options.out));
  for (const path of paths)
    console.log(`${sha256(path)}  ${path}  ${Math.ceil(statSync(path).size / 1024)} KiB`);
  if (options.check) {
    const elsewhere = mkdtempSync(join(tmpdir(), 'shootdown-deb-'));
    try {
      const again = await packages(elsewhere);
      const different = paths.filter((path, index) => sha256(path) !== sha256(again[index]));
      if (different.length > 0)
        throw new Error(
          `not the same when built again: ${different.map((path) => basename(path)).join(', ')}`,
        );
      console.log('built again: the same');
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
  }
} catch (error) {
  console.error(`deb: ${error.message}`);
  process.exitCode = 1;
}
