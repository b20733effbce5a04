import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../host/clock.js';
import { ShootdownError } from '../pci/error.js';
import { command } from './command.js';
import { type DebianPackage, downloadPackages } from './debian.js';

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

const POLL_MS = 200;

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
    const hashes = await Promise.all(wanted.map((one) => hashOrUndefined(this.debPath(one))));
    const missing = wanted.filter((one, i) => hashes[i] !== one.sha256);
    const [first] = missing;
    if (first === undefined) return;
    if (this.options.offline) {
      const message = `${first.name} ${first.version} is not in ${this.options.folder}: run lab prepare once without --offline`;
      throw new ShootdownError('not-found', message);
    }
    await this.make(this.path('packages', first.name), async (temporary) => {
      await mkdir(temporary);
      await this.#download(missing, temporary);
      for (const one of missing) await this.#accept(one, temporary);
      await rm(temporary, { recursive: true });
    });
  }

  /** Renames one download into place if it is what apt's signed index says. */
  async #accept(wanted: DebianPackage, folder: string): Promise<void> {
    const file = (await readdir(folder)).find((name) => name.startsWith(`${wanted.name}_`));
    if (file === undefined) throw new ShootdownError('io', `apt-get download ${wanted.name} left no file`);
    const hash = await hashOrUndefined(join(folder, file));
    if (hash !== wanted.sha256) {
      throw new ShootdownError('bad-input', `${file}: SHA-256 is ${hash}, apt's index says ${wanted.sha256}`);
    }
    await rename(join(folder, file), this.debPath(wanted));
  }

  /** Where a package lies, or will. */
  debPath({ name, sha256 }: DebianPackage): string {
    return this.path('packages', `${name}_${sha256.slice(0, 16)}.deb`);
  }

  async #download(wanted: readonly DebianPackage[], folder: string): Promise<void> {
    const [first] = wanted;
    const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
    const more = wanted.length > 1 ? ` and ${wanted.length - 1} more` : '';
    const show = this.options.progress(`downloading ${first?.name}${more}`);
    const stop = new AbortController();
    const watch = async () => {
      while (!stop.signal.aborted) {
        await this.options.clock.sleep(POLL_MS);
        show(Math.min(await folderBytes(folder), total - 1), total);
      }
    };
    const watching = watch();
    try {
      await downloadPackages(wanted, folder, this.#command());
    } finally {
      stop.abort();
      await watching;
      show(total, total);
    }
  }

  /** The package's files, unpacked; the folder is named by the package's hash. */
  async tree(wanted: DebianPackage): Promise<string> {
    const path = this.path('trees', `${wanted.name}_${wanted.sha256.slice(0, 16)}`);
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
    if ((await hashOrUndefined(path)) === hash) return path;
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
      const { code, message } = cause as NodeJS.ErrnoException;
      if ((code === 'ENOTEMPTY' || code === 'EEXIST') && (await exists(path))) return;
      if (cause instanceof ShootdownError && !/No space left/.test(message)) throw cause;
      throw fileError(path, cause);
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

export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Says what happened to a file in words that help. */
export function fileError(path: string, cause: unknown): ShootdownError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const full = code === 'ENOSPC' || code === 'EDQUOT' || /No space left/.test(message);
  if (full) return new ShootdownError('io', `${path}: no space left on its disk`, { cause });
  if (code === 'EACCES' || code === 'EROFS') {
    return new ShootdownError('no-permission', `${path}: no permission to write there`, { cause });
  }
  return new ShootdownError('io', `${path}: ${message}`, { cause });
}

async function hashOrUndefined(path: string): Promise<string | undefined> {
  try {
    return hashOf(await readFile(path));
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      (file) => (file.isFile() ? file.size : 0),
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
