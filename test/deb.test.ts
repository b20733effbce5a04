import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasCommand, run } from './support/cli.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const there = hasCommand('dpkg-deb', 'dpkg');
const has = (command: string) => spawnSync('which', [command]).status === 0;

/** Builds the package from dist/ as it is, in a process of its own. Returns its path. */
function build(folder: string, env: NodeJS.ProcessEnv = {}, umask = '022'): string {
  const code = `
    const { shootdownPackage } = await import('${root}scripts/deb/shootdown.mjs');
    const { writeDeb } = await import('${root}scripts/deb/write.mjs');
    console.log(writeDeb(shootdownPackage(), '${folder}'));`;
  const command = `umask ${umask}; exec "$@"`;
  const args = ['-c', command, 'sh', process.execPath, '--input-type=module', '--eval', code];
  const { status, stdout, stderr } = run('sh', args, env);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.trim();
}

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe.skipIf(!there)('the Debian package', () => {
  let folder: string;
  let deb: string;
  let tree: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'shootdown-deb-test-'));
    deb = build(join(folder, 'first'));
    tree = join(folder, 'tree');
    expect(run('dpkg-deb', ['-x', deb, tree]).status).toBe(0);
    expect(run('dpkg-deb', ['-e', deb, join(tree, 'DEBIAN')]).status).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is the same when it is built again, elsewhere', () => {
    const again = build(join(folder, 'second'), { TZ: 'Asia/Tokyo', LC_ALL: 'C' }, '077');
    expect(sha256(again)).toBe(sha256(deb));
    const later = build(join(folder, 'third'), { SOURCE_DATE_EPOCH: '2000000000' });
    expect(sha256(later)).not.toBe(sha256(deb));
  });

  it('belongs to root, and only what is to be started can be', () => {
    const lines = run('dpkg-deb', ['-c', deb]).stdout.trimEnd().split('\n');
    expect(lines.filter((line) => !line.includes(' root/root '))).toEqual([]);
    const modes = new Set(lines.map((line) => line.slice(0, 10)));
    expect([...modes].sort()).toEqual(['-rw-r--r--', '-rwxr-xr-x', 'drwxr-xr-x']);
    const scripts = readdirSync(join(root, 'integrations/lib')).map((name) => `integrations/lib/${name} `);
    for (const script of ['/usr/bin/shootdown ', ...scripts])
      expect(
        lines.find((line) => `${line} `.includes(script)),
        script,
      ).toMatch(/^-rwx/);
  });

  it('has what the project has', () => {
    const version = JSON.parse(readFileSync(`${root}package.json`, 'utf8')).version;
    expect(readFileSync(join(tree, 'DEBIAN/control'), 'utf8')).toContain(`\nVersion: ${version}\n`);
    const usr = (path: string) => join(tree, 'usr', path);
    expect(readdirSync(usr('share/man/man8'))).toContain('shootdown-audit.8.gz');
    for (const path of [
      'share/bash-completion/completions/shootdown',
      'share/zsh/vendor-completions/_shootdown',
      'share/fish/vendor_completions.d/shootdown.fish',
      'share/doc/shootdown/copyright',
      'share/doc/shootdown/changelog.gz',
      'share/shootdown/policies/default.json',
    ])
      expect(existsSync(usr(path)), path).toBe(true);
    const sums = run('sh', ['-c', `cd ${tree} && md5sum --check --quiet DEBIAN/md5sums`]);
    expect(sums).toMatchObject({ status: 0, stdout: '' });
  });

  it.skipIf(!has('lintian'))('is nothing that lintian warns of', () => {
    const { stdout } = run('lintian', ['--allow-root', '--fail-on', 'error,warning', deb]);
    expect(stdout).toBe('');
  });

  describe('its launcher', () => {
    /** With the tree's paths instead of the system's, and nothing in PATH but a folder. */
    function launch(name: string, programs: Readonly<Record<string, string>>, args: readonly string[]) {
      const bin = join(folder, name);
      mkdirSync(bin);
      for (const [program, text] of Object.entries(programs)) {
        writeFileSync(join(bin, program), `#!/bin/sh\n${text}\n`);
        chmodSync(join(bin, program), 0o755);
      }
      const text = readFileSync(join(tree, 'usr/bin/shootdown'), 'utf8')
        .replace('/usr/lib/shootdown/node', join(bin, 'runtime'))
        .replace('/usr/share/shootdown', join(tree, 'usr/share/shootdown'));
      return run('/bin/sh', ['-c', text, 'shootdown', ...args], { PATH: bin });
    }

    it('starts the program with a Node that is new enough', () => {
      const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
      const node = `exec ${process.execPath} "$@"`;
      expect(launch('new', { node }, ['--version'])).toMatchObject({ status: 0, stdout: `${version}\n` });
      expect(launch('own', { runtime: node }, ['--version'])).toMatchObject({ status: 0 });
      expect(launch('other', { nodejs: node }, ['--version'])).toMatchObject({ status: 0 });
      const { stdout } = launch('demo', { node }, ['demo']);
      expect(stdout.length).toBeGreaterThan(100);
    });

    it('takes its own before the system’s, and says where the program is', () => {
      const programs = { runtime: 'echo own $SHOOTDOWN_PROGRAM "$@"', node: 'echo v22.1.0' };
      const { stdout } = launch('both', programs, ['doctor', 'a  b']);
      expect(stdout).toMatch(/^own \/usr\/bin\/shootdown \S+\/dist\/shootdown\.mjs doctor a {2}b\n$/);
    });

    it('says what is missing', () => {
      expect(launch('none', {}, ['audit'])).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringMatching(/^shootdown: there is no Node here.*shootdown-runtime.*\n$/),
      });
      expect(launch('broken', { node: 'exit 127' }, ['audit']).stderr).toMatch(/does not start/);
      for (const [at, version] of ['v18.20.4', 'v20.18.3', 'v8.0.0', 'v20.9.0'].entries()) {
        const { status, stderr } = launch(`old${at}`, { node: `echo ${version}` }, ['audit']);
        expect({ version, status }).toEqual({ version, status: 1 });
        expect(stderr).toContain(`is ${version}, and it needs Node 20.19 or later`);
      }
      for (const [at, version] of ['v20.19.0', 'v20.20.2', 'v22.0.0', 'v100.1.0'].entries())
        expect(launch(`newer${at}`, { node: `echo ${version}` }, ['audit']).stdout).toBe(`${version}\n`);
    });
  });

  describe('its scripts', () => {
    /** On a system in a folder of its own, with a program that says what it was asked for. */
    function script(name: string, args: readonly string[], at: string, program = 'echo "$@"') {
      const etc = join(at, 'etc/shootdown');
      const state = join(at, 'var/lib/shootdown');
      mkdirSync(at, { recursive: true });
      writeFileSync(join(at, 'shootdown'), `#!/bin/sh\n${program}\n`);
      chmodSync(join(at, 'shootdown'), 0o755);
      const text = readFileSync(join(tree, 'DEBIAN', name), 'utf8')
        .replaceAll('/usr/bin/shootdown', join(at, 'shootdown'))
        .replaceAll('/etc/shootdown', etc)
        .replaceAll('/var/lib/shootdown', state);
      const result = run('sh', ['-c', text, name, ...args]);
      return { ...result, etc: existsSync(etc), state: existsSync(state) };
    }
    function installed(name: string): string {
      const at = join(folder, name);
      mkdirSync(join(at, 'etc/shootdown'), { recursive: true });
      mkdirSync(join(at, 'var/lib/shootdown'), { recursive: true });
      writeFileSync(join(at, 'etc/shootdown/install.json'), '{}');
      return at;
    }

    it('bring up to date at an upgrade what was installed, and nothing else', () => {
      const at = installed('upgrade');
      expect(script('postinst', ['configure', '0.0.9'], at)).toMatchObject({
        status: 0,
        stdout: 'refresh --parts --reload\n',
      });
      expect(script('postinst', ['configure', ''], at)).toMatchObject({ status: 0, stdout: '' });
      expect(script('postinst', ['configure', '0.0.9'], join(folder, 'bare'))).toMatchObject({ stdout: '' });
      expect(script('prerm', ['upgrade', '0.2.0'], at)).toMatchObject({ status: 0, stdout: '' });
    });

    it('uninstall at a removal, and fail for nothing', () => {
      const at = installed('remove');
      expect(script('prerm', ['remove'], at)).toMatchObject({ status: 0, stdout: 'uninstall all\n' });
      expect(script('prerm', ['remove'], join(folder, 'bare'))).toMatchObject({ status: 0, stdout: '' });
      expect(script('prerm', ['remove'], at, 'exit 3')).toMatchObject({ status: 0 });
      expect(script('postinst', ['configure', '0.0.9'], at, 'kill -9 $$')).toMatchObject({ status: 0 });
    });

    it('leave nothing behind at a purge but what was not put back', () => {
      const at = installed('purge');
      expect(script('postrm', ['remove'], at)).toMatchObject({ status: 0, etc: true, state: true });
      expect(script('postrm', ['purge'], at)).toMatchObject({ status: 0, etc: false, state: false });
      const left = installed('left');
      writeFileSync(join(left, 'var/lib/shootdown/changes.json'), '{}');
      const purged = script('postrm', ['purge'], left);
      expect(purged).toMatchObject({ status: 0, etc: false, state: true });
      expect(purged.stderr).toContain('not put back');
    });
  });
});
