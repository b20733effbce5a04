// Builds dist/: the bundled executable, the bundled library with its types, and the policy's JSON Schema.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  define: { SHOOTDOWN_VERSION: JSON.stringify(version) },
  legalComments: 'none',
  logLevel: 'warning',
};
// commander is CommonJS and requires Node's own modules at run time.
const require = `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);`;

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
await Promise.all([
  build({
    ...common,
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/shootdown.mjs',
    banner: { js: `#!/usr/bin/env node\n${require}` },
    minifySyntax: true,
  }),
  build({ ...common, entryPoints: ['src/index.ts'], outfile: 'dist/index.mjs', banner: { js: require } }),
]);
chmodSync('dist/shootdown.mjs', 0o755);
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json'], {
  stdio: 'inherit',
});
copyFileSync('policies/policy.schema.json', 'dist/policy.schema.json');
