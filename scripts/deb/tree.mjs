// The files of a package, taken from the project.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../install.mjs';

export const gzipped = (content) => ({ content: gzipSync(content, { level: 9 }), mode: 0o644 });
export const plain = (content) => ({ content, mode: 0o644 });
export const executable = (content) => ({ content, mode: 0o755 });

export const packagingText = (path) => readFileSync(join(root, 'packaging', path), 'utf8');

/** A file as it is, executable if it is so in the project. */
export function asItIs(path) {
  const file = join(root, path);
  const content = readFileSync(file);
  return statSync(file).mode & 0o100 ? executable(content) : plain(content);
}

/** Every file below a folder of the project, as `[path below the folder, path in the project]`, sorted. */
export function filesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(root, folder).length + 1))
    .sort()
    .map((path) => [path, `${folder}/${path}`]);
}

/** Fills in @NAME@s; one that is not known is a mistake. */
export function filled(text, values) {
  return text.replace(/@([A-Z]+)@/g, (whole, name) => {
    if (name === 'SIZE') return whole;
    if (values[name] === undefined) throw new Error(`${whole} has no value`);
    return values[name];
  });
}
