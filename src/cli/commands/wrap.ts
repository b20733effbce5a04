import { existsSync, statSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { checkNotInput, writeOutput } from '../../host/output-file.js';
import { type ImageInfo, inspectImage } from '../../image/inspect.js';
import { STUB } from '../../image/stub.generated.js';
import { compileTable } from '../../image/table.js';
import { wrapImage } from '../../image/wrap.js';
import { ShootdownError } from '../../pci/error.js';
import { wrapJson, wrapText } from '../../report/image-report.js';
import { VERSION } from '../../version.js';
import { EXIT, type ExitStatus } from '../exit.js';
import { about, readImage } from '../image-files.js';
import type { Io, Run } from '../io.js';
import { jsonText, readPolicy, withPolicy } from '../options.js';
import { machineForWrap } from '../wrap-machine.js';

interface WrapCommandOptions {
  readonly output: string;
  readonly policy?: string;
  readonly for?: string;
  readonly tail: number;
  readonly replace?: boolean;
  readonly force?: boolean;
  readonly scanAll?: boolean;
  readonly json?: boolean;
}

/** Room for a record of about 2,000 functions. */
const TAIL_KIB = 64;
const TAIL_KIB_MAX = 16_384;
/** Of those that reading the machine brought: a broken dump has one a line. */
const NOTES_MAX = 20;

export function wrapCommand(program: Command, run: Run): void {
  withPolicy(program.command('wrap'))
    .description('make a kernel image that stops bus masters between the kernels, then runs as ever')
    .argument('<image>', 'a bzImage, as in /boot/vmlinuz-*')
    .requiredOption('-o, --output <file>', 'where the wrapped kernel goes')
    .option(
      '--for <machine>',
      'the machine it is for: this, a host as --host takes it, or a file that audit --json or lspci -xxxx printed (default: any)',
    )
    .addOption(
      new Option('--tail <kib>', 'room for the flight record behind the kernel, in KiB')
        .argParser(parseTail)
        .default(TAIL_KIB),
    )
    .option('--replace', 'give a kernel that is wrapped already a new stub, policy and machine')
    .option('--force', 'replace an output file that is not a wrapped kernel')
    .option('--scan-all', 'look at all 256 buses, whatever the policy says')
    .option('--json', 'print one JSON object')
    .action((image: string, options: WrapCommandOptions) => run((io) => runWrap(image, options, io)));
}

function parseTail(value: string): number {
  const kib = Number(value);
  if (/^\d+$/.test(value) && kib > 0 && kib <= TAIL_KIB_MAX && kib % 4 === 0) return kib;
  throw new InvalidArgumentError(`it must be a multiple of 4, from 4 to ${TAIL_KIB_MAX}.`);
}

async function runWrap(path: string, options: WrapCommandOptions, io: Io): Promise<ExitStatus> {
  checkNotInput(options.output, path);
  if (!options.force) checkReplaceable(options.output);
  const policy = readPolicy(options.policy);
  const input = readImage(path);
  const before = about(path, () => inspectImage(input.bytes, STUB));
  const wrapFor = options.for === undefined ? undefined : await machineForWrap(options.for, io);
  const machine = wrapFor?.machine;
  const { bytes: table, notes } = compileTable(policy, {
    tool: VERSION,
    ...wrapFor,
    // Nothing is known of the buses of a machine that was not named.
    ...(options.scanAll || !machine ? { scanAll: true } : {}),
  });
  const wrapped = about(path, () =>
    wrapImage(input.bytes, {
      stub: STUB,
      table,
      tailBytes: options.tail * 1024,
      replace: options.replace ?? false,
    }),
  );
  const after = inspectImage(wrapped, STUB);
  if (!after.wrapped?.original?.restorable) throw new Error('the wrapped kernel cannot be unwrapped');
  writeOutput(options.output, wrapped, input.mode);
  const report = {
    input: path,
    output: options.output,
    before,
    after,
    machine: machine?.host ?? null,
    notes: [...notes, ...replacedNotes(before), ...(machine?.notes ?? []).slice(0, NOTES_MAX)],
  };
  io.out(options.json ? jsonText(wrapJson(report)) : wrapText(report, { style: io.style }));
  return EXIT.clean;
}

/** What an image had that is wrapped anew, and may not have been given again. */
function replacedNotes({ wrapped }: ImageInfo): string[] {
  const table = wrapped?.table;
  if (!table) return [];
  const { name, sha256 } = table.template.policy;
  return [
    `it was wrapped with policy ${name} (${sha256.slice(0, 8)}) and ${table.knownFunctions} known functions: what was not given again is not kept`,
  ];
}

/** A kernel that is in use is not lost by a slip: only a wrapped one is replaced unasked. */
function checkReplaceable(output: string): void {
  if (!existsSync(output) || !statSync(output).isFile()) return;
  let info: ImageInfo | undefined;
  try {
    info = inspectImage(readImage(output).bytes, STUB);
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
  }
  if (info?.wrapped) return;
  const message = `${output} is there, and is no wrapped kernel: name another file, or say --force`;
  throw new ShootdownError('usage', message);
}
