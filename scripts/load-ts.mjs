// Bundles a TypeScript file of the project and gives its exports.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { root } from './install.mjs';

/** commander is CommonJS and requires Node's own modules at run time. */
export const REQUIRE_BANNER =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** `entry`: from the root of the project. */
export async function loadTs(entry) {
  // Within the project, where a library that is not bundled is found.
  mkdirSync(join(root, 'dist'), { recursive: true });
  const folder = mkdtempSync(join(root, 'dist/.load-'));
  const outfile = join(folder, 'bundle.mjs');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  try {
    await build({
      entryPoints: [join(root, entry)],
      outfile,
      bundle: true,
      external: ['iced-x86'],
      platform: 'node',
      target: 'node20',
      format: 'esm',
      define: { SHOOTDOWN_VERSION: JSON.stringify(version) },
      banner: { js: REQUIRE_BANNER },
      logLevel: 'warning',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
