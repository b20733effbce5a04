// npm start: installs, builds, and runs the demo on the embedded simulated machine.
import { spawnSync } from 'node:child_process';
import { install, root } from './install.mjs';

install();
for (const args of [['scripts/build.mjs'], ['dist/shootdown.mjs', 'demo', ...process.argv.slice(2)]]) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
