// Bundles the executable and the library into dist/, with the licenses of what is in them, the manual and completions.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { licenseTexts } from './licenses.mjs';
import { REQUIRE_BANNER } from './load-ts.mjs';
import { writeManual } from './manual.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

export async function bundle() {
  const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
  const common = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    define: { SHOOTDOWN_VERSION: JSON.stringify(version) },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  };
  mkdirSync(`${root}/dist`, { recursive: true });
  const bundles = await Promise.all([
    build({
      ...common,
      entryPoints: ['src/cli/main.ts'],
      outfile: 'dist/shootdown.mjs',
      banner: { js: `#!/usr/bin/env node\n${REQUIRE_BANNER}` },
    }),
    build({
      ...common,
      entryPoints: ['src/index.ts'],
      outfile: 'dist/index.mjs',
      banner: { js: REQUIRE_BANNER },
    }),
  ]);
  const inputs = bundles.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  writeFileSync(`${root}/dist/THIRD-PARTY-LICENSES.txt`, licenseTexts(inputs));
  chmodSync(`${root}/dist/shootdown.mjs`, 0o755);
  await writeManual();
}
