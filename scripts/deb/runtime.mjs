// What is in the package shootdown-runtime: the Node that builds it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { lastEntry } from './changelog.mjs';
import { executable, filled, gzipped, packagingText, plain } from './tree.mjs';

/** Debian's names. */
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64', ppc64: 'ppc64el', s390x: 's390x' };
const DOC = 'usr/share/doc/shootdown-runtime';

export function runtimePackage() {
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) throw new Error(`no Debian architecture is known for ${process.arch}`);
  if (process.config.variables.node_shared)
    throw new Error(
      `${process.execPath} keeps its engine in a library of the system, and cannot be carried elsewhere: ` +
        'build with a Node that is one file, or say --no-runtime',
    );
  const license = nodeLicense();
  const { maintainer, date } = lastEntry();
  const version = process.versions.node;
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-runtime-'));
  try {
    const node = join(folder, 'node');
    run('strip', ['--strip-unneeded', '-o', node, process.execPath]);
    const depends = libraries(folder, node);
    const changes = [
      `shootdown-runtime (${version}) unstable; urgency=medium`,
      '',
      `  * Node.js ${version}.`,
      '',
      ` -- ${maintainer}  ${date}`,
      '',
    ];
    return {
      name: 'shootdown-runtime',
      version,
      architecture,
      control: filled(packagingText('runtime/control'), {
        VERSION: version,
        ARCHITECTURE: architecture,
        MAINTAINER: maintainer,
        DEPENDS: depends,
      }),
      files: new Map([
        ['usr/lib/shootdown/node', executable(readFileSync(node))],
        ['usr/share/lintian/overrides/shootdown-runtime', plain(packagingText('runtime/lintian-overrides'))],
        [`${DOC}/copyright`, plain(copyright(license, version))],
        [`${DOC}/changelog.gz`, gzipped(changes.join('\n'))],
      ]),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Node's license with those of all that is built into it, as it lies beside the program. */
function nodeLicense() {
  const prefix = dirname(dirname(process.execPath));
  const places = [
    `${prefix}/LICENSE`,
    `${prefix}/share/doc/nodejs/LICENSE`,
    `${prefix}/share/doc/node/LICENSE`,
  ];
  const found = places.find((path) => existsSync(path));
  if (!found) throw new Error(`the license of ${process.execPath} is not in any of ${places.join(', ')}`);
  return readFileSync(found, 'utf8').replaceAll('\r', '');
}

function copyright(license, version) {
  return [
    `This is Node.js ${version}, from https://nodejs.org, without its symbols and otherwise as its makers built it.`,
    '',
    'Copyright: Node.js contributors, and those whom the following text names.',
    '',
    license,
  ].join('\n');
}

/** The packages of the libraries that it is linked to. */
function libraries(folder, node) {
  mkdirSync(join(folder, 'debian'));
  writeFileSync(
    join(folder, 'debian/control'),
    'Source: shootdown\n\nPackage: shootdown-runtime\nArchitecture: any\nDescription: Node.js\n',
  );
  const out = run('dpkg-shlibdeps', ['-O', `-e${node}`], folder);
  const depends = /^shlibs:Depends=(.+)$/m.exec(out)?.[1];
  if (depends === undefined) throw new Error(`dpkg-shlibdeps found no libraries: ${out}`);
  return depends;
}

function run(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error(`${command} is missing: install the package dpkg-dev`);
    throw new Error(`${command}: ${error.stderr || error.message}`);
  }
}
