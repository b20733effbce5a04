// The script of a report's page, bundled and minified: what scripts/generate.mjs puts into page.generated.ts.
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './install.mjs';

export async function browserCode() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'src/report/browser/page.ts')],
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    // Browsers of 2022 on; older ones show the page without its script.
    target: ['chrome105', 'firefox104', 'safari15.4'],
    format: 'iife',
    charset: 'ascii',
    legalComments: 'none',
    logLevel: 'warning',
  });
  return outputFiles[0].text.trim();
}
