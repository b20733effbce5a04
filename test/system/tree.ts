import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hashOf } from '../../src/lab/hash.js';

export interface TreeEntry {
  /** Type and permission bits. */
  readonly mode: number;
  readonly owner: string;
  /** SHA-256 of a file, target of a link. */
  readonly content: string | null;
}

/** Everything below a folder, by path. */
export async function treeOf(folder: string): Promise<ReadonlyMap<string, TreeEntry>> {
  const names = await readdir(folder, { recursive: true });
  const entries = new Map<string, TreeEntry>();
  for (const name of names.sort()) {
    const path = join(folder, name);
    const stat = await lstat(path);
    const content = stat.isFile()
      ? hashOf(await readFile(path))
      : stat.isSymbolicLink()
        ? await readlink(path)
        : null;
    entries.set(name, { mode: stat.mode, owner: `${stat.uid}:${stat.gid}`, content });
  }
  return entries;
}

/** Lines that say what changed: `+ path`, `- path`, `! path`; empty if nothing did. */
export function treeChanges(
  before: ReadonlyMap<string, TreeEntry>,
  after: ReadonlyMap<string, TreeEntry>,
): readonly string[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path) => {
    const [old, now] = [before.get(path), after.get(path)];
    if (old === undefined) return [`+ ${path}`];
    if (now === undefined) return [`- ${path}`];
    const same = old.mode === now.mode && old.owner === now.owner && old.content === now.content;
    return same ? [] : [`! ${path}`];
  });
}
