import { writeOutput } from '../host/output-file.js';
import type { Io } from './io.js';

const MODE = 0o644;

/** Writes what a command made to a file, replaced in one step, or to standard output for `-`. */
export function writeText(path: string, text: string, io: Pick<Io, 'out'>): void {
  if (path === '-') io.out(text);
  else writeOutput(path, Buffer.from(text), MODE);
}
