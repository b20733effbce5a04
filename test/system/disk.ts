import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from '../../src/lab/command.js';
import type { Store } from '../../src/lab/store.js';
import { type TreeEntry, treeOf } from './tree.js';

/** One name in a folder of a disk. */
export interface DiskEntry {
  readonly name: string;
  readonly type: 'file' | 'folder' | 'link' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly bytes: number;
}

const TYPES = new Map<number, DiskEntry['type']>([
  [0o10, 'file'],
  [0o04, 'folder'],
  [0o12, 'link'],
]);

/**
 * A guest's disk, a raw image with an ext4 file system, looked at from outside while no guest has it. Nothing is mounted:
 * debugfs reads it, once the journal of a machine that was cut off has been replayed.
 */
export class Disk {
  readonly path: string;
  #clean = false;

  /** Made by `copyOf`. */
  private constructor(path: string) {
    this.path = path;
  }

  /** A disk of one's own, as the image is. Removed by `remove`, or by the next sweep of the store. */
  static async copyOf(store: Store, image: string): Promise<Disk> {
    const path = await store.temporaryFile('disk', new Uint8Array());
    await command('cp', ['--sparse=always', '--reflink=auto', image, path]);
    return new Disk(path);
  }

  /** To be called when a guest has had it. */
  changed(): void {
    this.#clean = false;
  }

  /** What a folder holds; empty if there is no such folder. */
  async list(folder: string): Promise<readonly DiskEntry[]> {
    const said = await this.#debugfs(`ls -p ${quoted(folder)}`);
    return said.split('\n').flatMap((line) => {
      const [, , mode = '', , , name = '', bytes = '0'] = line.split('/');
      if (name === '' || name === '.' || name === '..') return [];
      const bits = Number.parseInt(mode, 8);
      return [{ name, type: TYPES.get(bits >> 12) ?? 'other', mode: bits & 0o7777, bytes: Number(bytes) }];
    });
  }

  /** A file's bytes; rejects if there is none. */
  async read(path: string): Promise<Buffer> {
    return this.#outside(async (folder) => {
      const copy = join(folder, 'file');
      await this.copyOut(path, copy);
      return readFile(copy);
    });
  }

  /** Copies a file to one of this machine; rejects if there is none. */
  async copyOut(path: string, to: string): Promise<void> {
    await this.#debugfs(`dump ${quoted(path)} ${quoted(to)}`);
    await access(to).catch((cause) => {
      throw new Error(`the guest's disk has no ${path}`, { cause });
    });
  }

  async text(path: string): Promise<string> {
    return (await this.read(path)).toString('utf8');
  }

  /** Everything below a folder: for comparing what was with what is. */
  async tree(path: string): Promise<ReadonlyMap<string, TreeEntry>> {
    return this.#outside(async (folder) => {
      await this.#debugfs(`rdump ${quoted(path)} ${quoted(folder)}`);
      return treeOf(folder);
    });
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  async #outside<T>(use: (folder: string) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(`${this.path}-`);
    try {
      return await use(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #debugfs(request: string): Promise<string> {
    if (!this.#clean)
      await command('sh', ['-c', 'e2fsck -p -E journal_only "$1" || [ $? -le 1 ]', 'sh', this.path]);
    this.#clean = true;
    return (await command('debugfs', ['-R', request, this.path])).toString('utf8');
  }
}

function quoted(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}
