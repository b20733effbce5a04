// What is in the package shootdown: dist/ as built, arranged as Debian has it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../install.mjs';
import { changelogText, lastEntry } from './changelog.mjs';
import { asItIs, executable, filesBelow, filled, gzipped, packagingText, plain } from './tree.mjs';

const PROGRAM = 'usr/share/shootdown';
const DOC = 'usr/share/doc/shootdown';
const COMPLETIONS = {
  'shootdown.bash': 'usr/share/bash-completion/completions/shootdown',
  _shootdown: 'usr/share/zsh/vendor-completions/_shootdown',
  'shootdown.fish': 'usr/share/fish/vendor_completions.d/shootdown.fish',
};

export function shootdownPackage() {
  const { version, maintainer } = lastEntry();
  const files = new Map();
  const folder = (from, to, wanted = () => true) => {
    for (const [path, source] of filesBelow(from))
      if (wanted(path)) files.set(`${to}/${path}`, asItIs(source));
  };
  const bundle = readFileSync(join(root, 'dist/shootdown.mjs'), 'utf8');
  files.set('usr/bin/shootdown', executable(packagingText('debian/launcher')));
  // Only the launcher starts it: no #! that would name another Node.
  files.set(`${PROGRAM}/dist/shootdown.mjs`, plain(bundle.replace(/^#!.*\n/, '')));
  // Relative to the program they are where npm has them.
  // The Ansible collection is for who manages machines, not for those that are managed.
  folder('integrations', `${PROGRAM}/integrations`, (path) => !path.startsWith('ansible/'));
  folder('policies', `${PROGRAM}/policies`, (path) => path.endsWith('.json'));
  folder('scenarios', `${PROGRAM}/scenarios`, (path) => path.endsWith('.json'));
  for (const [path, source] of filesBelow('dist/man'))
    files.set(`usr/share/man/man8/${path}.gz`, gzipped(readFileSync(join(root, source))));
  for (const [name, path] of Object.entries(COMPLETIONS)) files.set(path, asItIs(`dist/completions/${name}`));
  folder('docs', `${DOC}/docs`, (path) => !path.endsWith('.json'));
  folder('hazards', `${DOC}/hazards`);
  folder('schemas', `${DOC}/schemas`);
  for (const path of ['README.md', 'policies/README.md', 'scenarios/README.md'])
    files.set(`${DOC}/${path}`, asItIs(path));
  files.set(`${DOC}/changelog.gz`, gzipped(changelogText()));
  files.set(`${DOC}/copyright`, plain(copyright()));
  files.set('usr/share/lintian/overrides/shootdown', plain(packagingText('debian/lintian-overrides')));
  return {
    name: 'shootdown',
    version,
    architecture: 'all',
    control: filled(packagingText('debian/control'), { VERSION: version, MAINTAINER: maintainer }),
    scripts: {
      postinst: packagingText('debian/postinst'),
      prerm: packagingText('debian/prerm'),
      postrm: packagingText('debian/postrm'),
    },
    files,
  };
}

/** Debian has its text in one place, from the title to the advice on how to apply it; who holds the rights comes after. */
const APACHE =
  /^ *Apache License\n *Version 2\.0, January 2004\n[\s\S]*? *END OF TERMS AND CONDITIONS\n(?:\s*APPENDIX[\s\S]*?third-party archives\.\n)?/gm;

/** In DEP-5's format, with the texts of what is in the bundle. */
function copyright() {
  const texts = readFileSync(join(root, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8').replaceAll(
    APACHE,
    'Apache License, Version 2.0: /usr/share/common-licenses/Apache-2.0\n',
  );
  const holders = new Set([...texts.matchAll(/^ *Copyright (.*)$/gm)].map(([, holder]) => holder));
  const indented = texts.split('\n').map((line) => (line.trim() === '' ? ' .' : ` ${line}`));
  return [
    packagingText('debian/copyright'),
    `Files: ${PROGRAM}/dist/shootdown.mjs`,
    `Copyright: ${['2026 The shootdown authors', ...holders].join('\n ')}`,
    'License: Apache-2.0 and bundled',
    'Comment: The program is one file, with the packages in it that it needs.',
    '',
    'License: bundled',
    indented.join('\n').replace(/(\n \.)+$/, ''),
    '',
  ].join('\n');
}
