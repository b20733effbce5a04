import type { Command } from 'commander';
import { type ImageInfo, inspectImage } from '../../image/inspect.js';
import { LISTING } from '../../image/listing.generated.js';
import { STUB } from '../../image/stub.generated.js';
import { ShootdownError } from '../../pci/error.js';
import { inspectJson, inspectText } from '../../report/image-report.js';
import { EXIT, type ExitStatus } from '../exit.js';
import { about, readImage } from '../image-files.js';
import type { Io, Run } from '../io.js';
import { jsonText } from '../options.js';

interface InspectOptions {
  readonly json?: boolean;
  readonly listing?: boolean;
}

export function inspectCommand(program: Command, run: Run): void {
  program
    .command('inspect')
    .description('say what is in a kernel image: header, stub, policy, room, signature')
    .argument('<image>', 'a bzImage, wrapped or not')
    .option('--listing', "print the listing of the stub's program, if it is byte for byte ours")
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExit status: 0 sound; 1 no kernel image; 2 its stub is not that of this version, or something in it is damaged.',
    )
    .action((image: string, options: InspectOptions) => run((io) => runInspect(image, options, io)));
}

/** Not wrapped, or wrapped as this version does it: a script may ask before it loads the image. */
function isSound({ wrapped }: ImageInfo): boolean {
  if (!wrapped) return true;
  return wrapped.stub.ofThisVersion && wrapped.problems.length === 0 && wrapped.original?.restorable === true;
}

async function runInspect(path: string, options: InspectOptions, io: Io): Promise<ExitStatus> {
  if (options.listing && options.json) {
    throw new ShootdownError('usage', '--listing prints text: it does not go with --json');
  }
  const { bytes } = readImage(path);
  const info = about(path, () => inspectImage(bytes, STUB));
  if (!options.listing) {
    io.out(options.json ? jsonText(inspectJson(path, info)) : inspectText(path, info, { style: io.style }));
    return isSound(info) ? EXIT.clean : EXIT.findings;
  }
  if (info.wrapped?.stub.ofThisVersion) {
    io.out(LISTING);
    return EXIT.clean;
  }
  io.err(
    info.wrapped
      ? `${path}: its stub is not the one of this version: there is no listing of it here\n`
      : `${path}: it is not wrapped: there is no stub in it\n`,
  );
  return EXIT.findings;
}
