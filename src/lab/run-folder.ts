import { appendFileSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { fileError } from './store.js';

/** Where one run leaves what it saw. */
export class RunFolder {
  readonly path: string;
  #failure: ShootdownError | undefined;

  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(path, { recursive: true });
    } catch (cause) {
      throw fileError(path, cause);
    }
  }

  write(name: string, text: string): void {
    if (this.#failure) throw this.#failure;
    this.#put(name, text, writeFileSync);
  }

  /** For what comes by itself: does not throw, but the next `write` says what went wrong. */
  append(name: string, text: string): void {
    if (this.#failure) return;
    try {
      this.#put(name, text, appendFileSync);
    } catch (error) {
      if (!(error instanceof ShootdownError)) throw error;
      this.#failure = error;
    }
  }

  #put(name: string, text: string, how: (path: string, text: string) => void): void {
    const path = join(this.path, name);
    try {
      how(path, text);
    } catch (cause) {
      throw fileError(path, cause);
    }
  }

  /** Copies a file that is about to go; one that is not there is left out. */
  keep(from: string, name: string): void {
    try {
      copyFileSync(from, join(this.path, name));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(join(this.path, name), cause);
    }
  }
}
