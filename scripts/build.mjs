// Builds dist/: the bundled executable, the bundled library with its types, and the policy's JSON Schema.
import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { bundle } from './bundle.mjs';
import { root } from './install.mjs';

rmSync(`${root}/dist`, { recursive: true, force: true });
await bundle();
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json'], {
  cwd: root,
  stdio: 'inherit',
});
copyFileSync(`${root}/policies/policy.schema.json`, `${root}/dist/policy.schema.json`);
