import { lstatSync, readlinkSync } from 'node:fs';
import { join, posix } from 'node:path';
import { ShootdownError } from '../pci/error.js';

/** As the kernel does (ELOOP). */
const LINKS_MAX = 40;

/**
 * Where an absolute path of a system lies whose files are below `root`: every link on the way is followed as that system
 * would, so that `/etc/x -> /boot/y` leads to `root/boot/y`. `last`: also a link at the end. What is not there, and what
 * follows it, is taken as it is written.
 */
export function locate(root: string, path: string, last: boolean): string {
  if (!path.startsWith('/')) throw new Error(`${path} is not absolute`);
  let rest = path.split('/');
  let at = '/';
  for (let links = 0; rest.length > 0; ) {
    const [name = '', ...after] = rest;
    rest = after;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      at = posix.dirname(at);
      continue;
    }
    const next = posix.join(at, name);
    const isLast = rest.every((part) => part === '' || part === '.');
    const target = isLast && !last ? undefined : linkTarget(join(root, next));
    if (target === undefined) {
      at = next;
      continue;
    }
    links++;
    if (links > LINKS_MAX) throw new ShootdownError('io', `${path}: too many symbolic links`);
    if (target.startsWith('/')) at = '/';
    rest = [...target.split('/'), ...rest];
  }
  return root === '' ? at : join(root, at);
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}
