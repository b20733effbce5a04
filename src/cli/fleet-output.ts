import { type OutputStream, openOutput } from '../host/output-stream.js';
import { ShootdownError } from '../pci/error.js';
import type { Io } from './io.js';

/** Where one form of a report goes. */
export interface FleetOutput {
  write(text: string): void;
}

/** Everybody may read what a report says. */
const MODE = 0o644;
const BUFFER = 1 << 16;

/** The files of one run: each is written whole before the first of them takes its place. */
export class FleetOutputs {
  readonly #io: Pick<Io, 'out'>;
  readonly #files: { readonly file: OutputStream; pending: string }[] = [];

  constructor(io: Pick<Io, 'out'>) {
    this.#io = io;
  }

  /** `-` is standard output. Throws one line for what cannot be written, with the option that named it. */
  open(option: string, path: string | undefined): FleetOutput | undefined {
    if (path === undefined) return undefined;
    if (path === '-') return { write: (text) => this.#io.out(text) };
    const one = { file: openNamed(option, path), pending: '' };
    this.#files.push(one);
    return {
      write: (text) => {
        one.pending += text;
        if (one.pending.length >= BUFFER) flush(one);
      },
    };
  }

  commit(): void {
    for (const one of this.#files) flush(one);
    for (const { file } of this.#files) file.commit();
  }

  /** Leaves no part of what was not committed. */
  discard(): void {
    for (const { file } of this.#files) file.discard();
  }
}

function openNamed(option: string, path: string): OutputStream {
  try {
    return openOutput(path, MODE);
  } catch (cause) {
    if (!(cause instanceof ShootdownError)) throw cause;
    throw new ShootdownError(cause.code, `${option}: ${cause.message}`, { cause });
  }
}

function flush(one: { readonly file: OutputStream; pending: string }): void {
  one.file.write(Buffer.from(one.pending));
  one.pending = '';
}
