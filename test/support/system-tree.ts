import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ShootdownError } from '../../src/pci/error.js';
import { filesBelow, type RunOptions, type RunResult, type System } from '../../src/system/system.js';

/** What lies at a path of a tree: a file's text, with its permissions; a link; an empty folder. */
export type TreeEntry = string | { text: string | Uint8Array; mode: number } | { link: string } | 'folder/';

/** Makes a system's files in a temporary folder. Folders are made as needed; `'folder/'` is an empty one. */
export function makeTree(entries: Readonly<Record<string, TreeEntry>>): string {
  const root = mkdtempSync(join(tmpdir(), 'shootdown-system-'));
  for (const [path, entry] of Object.entries(entries)) addToTree(root, path, entry);
  return root;
}

export function addToTree(root: string, path: string, entry: TreeEntry): void {
  const at = join(root, path);
  mkdirSync(entry === 'folder/' ? at : dirname(at), { recursive: true });
  if (entry === 'folder/') return;
  if (typeof entry === 'object' && 'link' in entry) {
    symlinkSync(entry.link, at);
    return;
  }
  const { text, mode } = typeof entry === 'string' ? { text: entry, mode: 0o644 } : entry;
  writeFileSync(at, text);
  chmodSync(at, mode);
}

export function removeTree(root: string): void {
  rmSync(root, { recursive: true, force: true });
}

/** All that is in a tree: bytes, permissions, links; to be compared. */
export function snapshot(root: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const at = join(root, path);
    const stat = lstatSync(at);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) all[path] = `link ${readlinkSync(at)}`;
    else if (stat.isDirectory()) all[path] = `folder ${mode}`;
    else all[path] = `file ${mode} ${readFileSync(at).toString('latin1')}`;
  }
  return all;
}

export interface FakeSystem extends System {
  /** What was run, a line each. */
  readonly ran: string[];
}

/** A system in a folder that counts as running; what is run is only noted, and answered by `answer`. */
export function fakeSystem(
  root: string,
  answer: (line: string, options: RunOptions) => Partial<RunResult> | undefined = () => undefined,
): FakeSystem {
  const ran: string[] = [];
  return {
    ...filesBelow(root),
    live: true,
    ran,
    run(command, args, options = {}) {
      const line = [command, ...args].join(' ');
      ran.push(line);
      return Promise.resolve({ status: 0, stdout: '', stderr: '', ...answer(line, options) });
    },
  };
}

/** The process ended here: nothing is tidied up after it. */
export class Ended extends Error {}

const WRITES = ['write', 'link', 'remove', 'makeFolder', 'removeFolder'] as const;

/**
 * A system on which change number `at` fails, and `after` that many more: with an error as from a full or read-only
 * disk; or the process ends there, before that change or right after it.
 */
export function failingSystem(
  system: FakeSystem,
  at: number,
  how: 'ENOSPC' | 'EROFS' | 'EACCES' | 'end before' | 'end after',
  lasts = 1,
): FakeSystem & { readonly count: () => number } {
  let n = 0;
  const guard = <A extends unknown[]>(real: (...args: A) => void, path: (...args: A) => string) => {
    return (...args: A) => {
      const here = n++;
      if (here < at || here >= at + lasts) return real(...args);
      if (how === 'end after') real(...args);
      if (how === 'end after' || how === 'end before') throw new Ended();
      throw new ShootdownError(how === 'ENOSPC' ? 'io' : 'no-permission', `${path(...args)}: ${how}`);
    };
  };
  const broken = Object.fromEntries(
    WRITES.map((name) => [name, guard(system[name] as (...args: unknown[]) => void, (path) => String(path))]),
  );
  return { ...system, ...broken, ran: system.ran, count: () => n };
}
