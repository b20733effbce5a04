import { access, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import type { Catalog } from './catalog.js';
import { command } from './command.js';
import type { CpioEntry } from './cpio.js';
import type { Store } from './store.js';

const LOADER = 'ld-linux-x86-64.so.2';

/** Path of a static busybox, which runs here and in guests. */
export async function busyboxPath(store: Store, catalog: Catalog): Promise<string> {
  return join(await store.tree(catalog.busybox), 'bin/busybox');
}

/** kexec with the loader and the libraries of its own Debian packages, whatever this machine has. */
export async function kexecEntries(store: Store, catalog: Catalog): Promise<readonly CpioEntry[]> {
  const tree = await store.tree(catalog.kexec);
  const folders: string[] = [];
  for (const library of catalog.kexecLibraries) {
    const root = await store.tree(library);
    for (const folder of ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'])
      folders.push(join(root, folder));
  }
  const loader = await firstThere(folders.map((folder) => join(folder, LOADER)));
  return programEntries('kexec', join(tree, 'sbin/kexec'), loader, folders);
}

/** Node as it runs here, and a script of which `name` becomes a command. */
export async function nodeEntries(name: string, node: string, script: string): Promise<readonly CpioEntry[]> {
  const loader = await firstThere([`/lib64/${LOADER}`, `/lib/x86_64-linux-gnu/${LOADER}`]);
  return [
    ...(await programEntries('node', node, loader, [])),
    { path: `opt/${name}.mjs`, kind: 'file', bytes: await readFile(script) },
    shellScript(`bin/${name}`, `exec /bin/node /opt/${name}.mjs "$@"`),
  ];
}

export function shellScript(path: string, text: string): CpioEntry {
  return { path, kind: 'file', bytes: Buffer.from(`#!/bin/sh\n${text}\n`), executable: true };
}

/** A program with its own loader and libraries in one folder: two of them cannot disturb each other. */
async function programEntries(
  name: string,
  program: string,
  loader: string,
  folders: readonly string[],
): Promise<readonly CpioEntry[]> {
  const search = folders.length > 0 ? ['--library-path', folders.join(':')] : [];
  const listed = (await command(loader, [...search, '--list', program])).toString('utf8');
  if (/not found/.test(listed)) {
    throw new ShootdownError('not-found', `${program} needs a library that is not here: ${listed.trim()}`);
  }
  const libraries = [...listed.matchAll(/=> (\S+)/g)].map((match) => match[1] ?? '');
  const entries: CpioEntry[] = [
    await fileEntry(`opt/${name}/${name}`, program),
    await fileEntry(`opt/${name}/${LOADER}`, loader),
  ];
  for (const library of new Set(libraries)) {
    if (basename(library) !== LOADER)
      entries.push(await fileEntry(`opt/${name}/${basename(library)}`, library));
  }
  const run = `exec /opt/${name}/${LOADER} --library-path /opt/${name} /opt/${name}/${name} "$@"`;
  return [...entries, shellScript(`bin/${name}`, run)];
}

async function fileEntry(path: string, from: string): Promise<CpioEntry> {
  return { path, kind: 'file', bytes: await readFile(from), executable: true };
}

async function firstThere(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  throw new ShootdownError('not-found', `none of these is here: ${paths.join(', ')}`);
}
