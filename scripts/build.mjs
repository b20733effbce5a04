// Builds dist/: the bundled executable, and the bundled library with its types.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { bundle } from './bundle.mjs';
import { root } from './install.mjs';

rmSync(`${root}/dist`, { recursive: true, force: true });
await bundle();
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json'], {
  cwd: root,
  stdio: 'inherit',
});
