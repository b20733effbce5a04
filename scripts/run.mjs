// Runs a TypeScript file: node scripts/run.mjs FILE [ARGUMENTS]
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';
import { root } from './install.mjs';
import { REQUIRE_BANNER } from './load-ts.mjs';

const [entry, ...rest] = process.argv.slice(2);
if (!entry) {
  console.error('usage: node scripts/run.mjs FILE [ARGUMENTS]');
  process.exit(64);
}
mkdirSync(`${root}/dist`, { recursive: true });
const outfile = `${root}/dist/.run-${process.pid}.mjs`;
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  banner: { js: REQUIRE_BANNER },
  logLevel: 'warning',
});
try {
  process.exitCode = spawnSync(process.execPath, [outfile, ...rest], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(outfile, { force: true });
}
