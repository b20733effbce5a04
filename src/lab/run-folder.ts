import { appendFileSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from './store.js';

/** Where one run leaves what it saw. */
export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(path, { recursive: true });
    } catch (cause) {
      throw fileError(path, cause);
    }
  }

  write(name: string, text: string): void {
    this.#put(name, text, writeFileSync);
  }

  append(name: string, text: string): void {
    this.#put(name, text, appendFileSync);
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
