// Writes a Debian package from what is to be in it, the same bytes for the same content.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sourceDate } from './changelog.mjs';

/** A block of the installed size, in bytes, as Debian counts it: a folder is one. */
const BLOCK = 1024;

/**
 * A package: `name`, `version`, `architecture`; `control` is the text of its control file, where @SIZE@ becomes the
 * installed size; `scripts` by name; `files` a Map from a path without a slash in front to { content, mode }.
 */
export function writeDeb({ name, version, architecture, control, scripts = {}, files }, folder) {
  const tree = mkdtempSync(join(tmpdir(), 'shootdown-tree-'));
  try {
    const paths = [...files.keys()].sort();
    for (const path of paths) {
      const { content, mode } = files.get(path);
      put(join(tree, path), content, mode);
    }
    const sums = paths.map((path) => `${md5(files.get(path).content)}  ${path}\n`);
    put(join(tree, 'DEBIAN/control'), control.replace('@SIZE@', installedSize(files)), 0o644);
    put(join(tree, 'DEBIAN/md5sums'), sums.join(''), 0o644);
    for (const [script, content] of Object.entries(scripts))
      put(join(tree, 'DEBIAN', script), content, 0o755);
    const date = sourceDate();
    settle(tree, date);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${name}_${version}_${architecture}.deb`);
    // One thread: xz's result may depend on how many there are.
    const args = ['--root-owner-group', '-Zxz', '--threads-max=1', '--build', tree, path];
    const { error, status, stderr } = spawnSync('dpkg-deb', args, {
      encoding: 'utf8',
      env: { ...process.env, SOURCE_DATE_EPOCH: String(date) },
    });
    if (error?.code === 'ENOENT') throw new Error('dpkg-deb is missing: install the package dpkg');
    if (status !== 0) throw new Error(`dpkg-deb failed: ${error?.message ?? stderr.trim()}`);
    return path;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function put(path, content, mode) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
}

/** Folders are made by whoever builds, whatever the umask: one mode and one date for all. */
function settle(folder, date) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) settle(path, date);
    else utimesSync(path, date, date);
  }
  chmodSync(folder, 0o755);
  utimesSync(folder, date, date);
}

/** In KiB. */
function installedSize(files) {
  const folders = new Set();
  let blocks = 0;
  for (const [path, { content }] of files) {
    blocks += Math.ceil(Buffer.byteLength(content) / BLOCK);
    for (let above = dirname(path); above !== '.'; above = dirname(above)) folders.add(above);
  }
  return String(blocks + folders.size);
}

function md5(content) {
  return createHash('md5').update(content).digest('hex');
}
