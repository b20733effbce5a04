import { CommanderError } from 'commander';
import { ShootdownError } from '../pci/error.js';
import { printable } from '../pci/printable.js';
import { EXIT, exitOf } from './exit.js';
import { processIo } from './io.js';
import { makeProgram } from './program.js';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
// A reader that has seen enough, as in `| head`, is no failure, and never stops what is under way.
let lost: string | undefined;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') lost ??= error.code ?? error.message;
  });
}

const io = processIo(stop.signal);
let status: number = EXIT.clean;
try {
  const program = makeProgram(async (action) => {
    status = await action(io);
  });
  await program.parseAsync();
} catch (error) {
  status = report(error);
}
// What hangs in the kernel must not keep this process; what was printed must reach its reader.
process.stdout.write('', () => process.stderr.write('', () => setImmediate(leave)));

function leave(): never {
  if (lost !== undefined && status !== EXIT.failedAfterWriting) {
    io.err(`shootdown: the output could not be written (${lost})\n`);
    status = EXIT.failed;
  }
  process.exit(status);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.clean : EXIT.usage;
  if (error instanceof ShootdownError) {
    io.err(`shootdown: ${printable(error.message)}\n`);
    return exitOf(error.code);
  }
  io.err(
    `shootdown: internal error, please report it: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  return EXIT.failed;
}
