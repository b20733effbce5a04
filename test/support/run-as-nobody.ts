import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const NOBODY = 65534;

/**
 * Runs a TypeScript module, whose imports are relative to the project, as somebody who is not root, and returns what
 * it wrote to stdout as JSON.
 */
export async function runAsNobody(source: string): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-nobody-'));
  try {
    chmodSync(folder, 0o755);
    const outfile = join(folder, 'main.mjs');
    const resolveDir = join(import.meta.dirname, '../..');
    await build({
      stdin: { contents: source, resolveDir, loader: 'ts' },
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      outfile,
      logLevel: 'warning',
    });
    chmodSync(outfile, 0o644);
    const drop = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--bounding-set=-all', '--'];
    const [command, args] =
      process.getuid?.() === 0 ? ['setpriv', [...drop, process.execPath]] : [process.execPath, []];
    const run = spawnSync(command, [...args, outfile], { encoding: 'utf8', cwd: '/', timeout: 30_000 });
    if (run.status !== 0) throw new Error(`exit status ${run.status}: ${run.error?.message ?? run.stderr}`);
    return JSON.parse(run.stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
