// Runs a TypeScript file: node scripts/run.mjs FILE [ARGUMENTS]
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { build } from 'esbuild';
import { root } from './install.mjs';

const [entry, ...rest] = process.argv.slice(2);
if (!entry) {
  console.error('usage: node scripts/run.mjs FILE [ARGUMENTS]');
  process.exit(64);
}
const outfile = `${root}/dist/.run-${process.pid}.mjs`;
const require = `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);`;
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  banner: { js: require },
  logLevel: 'warning',
});
try {
  process.exitCode = spawnSync(process.execPath, [outfile, ...rest], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(outfile, { force: true });
}
