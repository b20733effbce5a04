import { closeSync, lstatSync, readSync } from 'node:fs';
import { ShootdownError } from '../pci/error.js';
import { openText, readOpen, TEXT_CHUNK, TEXT_MAX } from './options.js';
import { readError } from './read-error.js';

/** So often it is asked whether something has come. */
const POLL_MS = 20;

/**
 * Reads a file of text, or a pipe to its end, such as that of a process substitution; an aborted `signal` ends the
 * wait. `else_` is what to do about anything else.
 */
export async function readTextOrPipe(path: string, else_: string, signal?: AbortSignal): Promise<string> {
  try {
    const { file, stat } = openText(path);
    try {
      if (stat.isFile()) return readOpen(path, file).toString('utf8');
      if (stat.isFIFO()) return (await readPipe(path, file, signal)).toString('utf8');
    } finally {
      closeSync(file);
    }
    throw new ShootdownError('bad-input', `${path} is no regular file: ${else_}`);
  } catch (cause) {
    if (cause instanceof ShootdownError) throw cause;
    throw readError(path, cause);
  }
}

/** Asks again and again: a read that waits in the kernel would keep the whole process, its exit included. */
async function readPipe(path: string, file: number, signal: AbortSignal | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  // One with a name reads as ended until somebody writes to it.
  let awaited = lstatSync(path).isFIFO();
  for (let total = 0; ; ) {
    if (signal?.aborted) throw new ShootdownError('io', `stopped while reading ${path}`);
    const chunk = Buffer.alloc(TEXT_CHUNK);
    const length = readReady(file, chunk);
    if (length === 0 && !awaited) return Buffer.concat(chunks);
    if (length) {
      awaited = false;
      chunks.push(chunk.subarray(0, length));
      total += length;
      if (total > TEXT_MAX) throw new ShootdownError('bad-input', `${path}: larger than 64 MiB`);
    } else await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** `null` where nothing has come, though it may. */
function readReady(file: number, chunk: Buffer): number | null {
  try {
    return readSync(file, chunk);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EAGAIN') return null;
    throw cause;
  }
}
