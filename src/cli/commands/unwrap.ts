import type { Command } from 'commander';
import { checkNotInput, writeOutput } from '../../host/output-file.js';
import { sha256 } from '../../image/original.js';
import { unwrapImage } from '../../image/wrap.js';
import { printable } from '../../pci/printable.js';
import { EXIT, type ExitStatus } from '../exit.js';
import { about, readImage } from '../image-files.js';
import type { Io, Run } from '../io.js';

export function unwrapCommand(program: Command, run: Run): void {
  program
    .command('unwrap')
    .description('give back the kernel image as it was before it was wrapped, byte for byte')
    .argument('<image>', 'a wrapped kernel, signed since or not')
    .requiredOption('-o, --output <file>', 'where the original goes')
    .action((image: string, options: { readonly output: string }) =>
      run((io) => runUnwrap(image, options.output, io)),
    );
}

async function runUnwrap(path: string, output: string, io: Io): Promise<ExitStatus> {
  checkNotInput(output, path);
  const { bytes, mode } = readImage(path);
  const original = about(path, () => unwrapImage(bytes));
  writeOutput(output, original, mode);
  io.out(printable(`${output}: the original, ${original.length} bytes, SHA-256 ${sha256(original)}`));
  io.out('\n');
  return EXIT.clean;
}
