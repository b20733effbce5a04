import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const text = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

it('every package in the bundles is named in docs/dependencies.md, and no other', () => {
  const bundled = [...text('dist/THIRD-PARTY-LICENSES.txt').matchAll(/^(\S+) \d+\.\d+\.\d+ \(/gm)];
  const [, said = ''] = text('docs/dependencies.md').split(/^## In the bundles$|^The library's types/m);
  const named = new Set([...said.matchAll(/`([a-z0-9-]+)`/g)].map(([, name]) => name));
  expect([...named].sort()).toEqual(bundled.map(([, name]) => name).sort());
});
