import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { fileError } from './file-error.js';

/** What a run leaves when it has come to its verdict, or to none. */
export const VERDICT_FILE = 'verdict.json';
export const FAILURE_FILE = 'failure.txt';

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

  /** Replaces a file at once: whoever reads it sees all of the old one, or all of the new one. */
  write(name: string, text: string | Uint8Array): void {
    this.#check();
    const temporary = join(this.path, `.${name}`);
    try {
      writeFileSync(temporary, text);
      renameSync(temporary, join(this.path, name));
    } catch (cause) {
      rmSync(temporary, { force: true });
      throw fileError(join(this.path, name), cause);
    }
  }

  /** Adds to a file, so that what is known already stays whatever comes next. */
  add(name: string, text: string): void {
    this.#check();
    const path = join(this.path, name);
    try {
      appendFileSync(path, text);
    } catch (cause) {
      throw fileError(path, cause);
    }
  }

  /** For what comes by itself: does not throw, but what is written next says what went wrong. */
  append(name: string, text: string): void {
    if (this.#failure) return;
    try {
      this.add(name, text);
    } catch (error) {
      if (!(error instanceof ShootdownError)) throw error;
      this.#failure = error;
    }
  }

  /** Leaves behind why the run came to no verdict, if that can be written. */
  fail(message: string): void {
    try {
      writeFileSync(join(this.path, FAILURE_FILE), `${message}\n`);
    } catch {
      // The error itself is told by whoever has it.
    }
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
  }
}
