import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../host/clock.js';
import { ShootdownError } from '../pci/error.js';
import { command } from './command.js';
import type { DebianPackage } from './debian.js';
import { fetchPackages } from './download.js';
import { fileError, isDiskFull } from './file-error.js';
import { hashOf, hashOfFile } from './hash.js';

/** What the store needs from whoever uses it. */
export interface StoreOptions {
  /** Its folder; made if it is not there. */
  readonly folder: string;
  readonly clock: Clock;
  /** Never ask a server: what is not in the store is an error. */
  readonly offline: boolean;
  /** Shows how far a long step has come; the arguments are bytes, or files. */
  readonly progress: (what: string) => (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * A cache on disk whose names are hashes of what is in it. Each file or folder appears under its name by one rename,
 * when it is complete: a run that is killed leaves at worst a temporary folder, which the next `sweep` removes.
 */
export class Store {
  readonly options: StoreOptions;
  #serial = 0;

  constructor(options: StoreOptions) {
    this.options = options;
  }

  path(...names: string[]): string {
    return join(this.options.folder, ...names);
  }

  /** Verified .deb files of these packages; those that are not there, or not what they should be, are downloaded. */
  async packages(wanted: readonly DebianPackage[]): Promise<void> {
    const hashes = await Promise.all(wanted.map((one) => hashOfFile(this.debPath(one))));
    const missing = wanted.filter((one, i) => hashes[i] !== one.sha256);
    const [first] = missing;
    if (first === undefined) return;
    if (this.options.offline) {
      const message = `${first.name} ${first.version} is not in ${this.options.folder}: run lab prepare once without --offline`;
      throw new ShootdownError('not-found', message);
    }
    await fetchPackages(this, missing);
  }

  /** Where a package lies, or will. */
  debPath({ name, sha256 }: DebianPackage): string {
    return this.path('packages', `${name}_${sha256.slice(0, 16)}.deb`);
  }

  /** Where its files lie, or will. */
  treePath({ name, sha256 }: DebianPackage): string {
    return this.path('trees', `${name}_${sha256.slice(0, 16)}`);
  }

  /** The package's files, unpacked; the folder is named by the package's hash. */
  async tree(wanted: DebianPackage): Promise<string> {
    const path = this.treePath(wanted);
    if (await exists(path)) return path;
    await this.packages([wanted]);
    await this.make(path, async (temporary) => {
      this.options.progress(`unpacking ${wanted.name}`)(0, 1);
      await command('dpkg-deb', ['-x', this.debPath(wanted), temporary], this.#command());
      await rename(temporary, path);
    });
    return path;
  }

  /** Writes a file whose name ends in the hash of its bytes; gives its path. Verified when it was there already. */
  async file(name: string, bytes: Uint8Array): Promise<string> {
    const hash = hashOf(bytes);
    const path = this.path('images', `${name}_${hash.slice(0, 16)}`);
    if ((await hashOfFile(path)) === hash) return path;
    await this.make(path, async (temporary) => {
      await writeFile(temporary, bytes);
      await rename(temporary, path);
    });
    return path;
  }

  /** Writes a file that the caller removes; `sweep` does if this process cannot. */
  async temporaryFile(name: string, bytes: Uint8Array): Promise<string> {
    const path = this.path('temporary', `${process.pid}-${++this.#serial}-${name}`);
    try {
      await mkdir(this.path('temporary'), { recursive: true });
      await writeFile(path, bytes);
    } catch (cause) {
      await rm(path, { force: true }).catch(() => undefined);
      throw fileError(path, cause);
    }
    return path;
  }

  /** Runs `build` with a path for what it makes, which it renames to `path` itself; removes what is left on failure. */
  async make(path: string, build: (temporary: string) => Promise<void>): Promise<void> {
    const temporary = this.path('temporary', `${process.pid}-${++this.#serial}`);
    try {
      await mkdir(this.path('temporary'), { recursive: true });
      await mkdir(join(path, '..'), { recursive: true });
      await rm(temporary, { recursive: true, force: true });
      await build(temporary);
    } catch (cause) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      // Two runs side by side make the same thing: the first one's is as good.
      const { code } = cause as NodeJS.ErrnoException;
      if ((code === 'ENOTEMPTY' || code === 'EEXIST') && (await exists(path))) return;
      if (cause instanceof ShootdownError && !isDiskFull(cause)) throw cause;
      throw fileError(path, cause);
    }
  }

  /** Removes a file or folder; one that is killed over it leaves no half of it under its name. */
  async discard(path: string): Promise<void> {
    const temporary = this.path('temporary', `${process.pid}-${++this.#serial}`);
    try {
      await mkdir(this.path('temporary'), { recursive: true });
      await rename(path, temporary);
      await rm(temporary, { recursive: true, force: true });
    } catch (cause) {
      // Another run was faster.
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(path, cause);
    }
  }

  /** Removes what runs that were killed have left behind. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.path('temporary')).catch(() => [])) {
      const pid = Number.parseInt(name, 10);
      if (pid === process.pid || (await exists(`/proc/${pid}`))) continue;
      await rm(this.path('temporary', name), { recursive: true, force: true });
    }
  }

  #command(): { signal?: AbortSignal } {
    return this.options.signal === undefined ? {} : { signal: this.options.signal };
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
