import type { ImageInfo, WrappedInfo } from '../image/inspect.js';
import { printable } from '../pci/printable.js';
import type { Data } from '../quiesce/schema-parts.js';
import type { ReportOptions } from './plan-report.js';
import type { imageInfoSchema, inspectSchema, wrapSchema } from './schema/image.js';
import { shellWord } from './shell-word.js';
import { paragraph, type Style } from './table.js';

/** What `wrap` did. */
export interface WrapReport {
  readonly input: string;
  readonly output: string;
  readonly before: ImageInfo;
  readonly after: ImageInfo;
  /** The host that was read for it; `null` if it is for any machine. */
  readonly machine: string | null;
  readonly notes: readonly string[];
}

/** Said of every wrapped kernel. */
const NEVER_ENTERED = [
  'loaders that unpack the kernel and enter what is inside (u-root and LinuxBoot do) never run the stub',
  'entered by firmware or a boot loader, it is an ordinary kernel: the stub leaves at once',
] as const;

export function wrapText(report: WrapReport, { style }: ReportOptions): string {
  const { before, after, output } = report;
  const { wrapped } = after;
  const lines = [style.bold(printable(`${output}: ${before.kernel.version ?? 'kernel'}, wrapped`))];
  if (wrapped) lines.push(...rows(wrappedRows(wrapped), style));
  const { initSize } = before.kernel;
  const own = before.wrapped?.initSize ?? initSize;
  lines.push(
    ...rows([['memory', `init_size ${bytesText(own)}, now ${bytesText(after.kernel.initSize)}`]], style),
  );
  const machine = report.machine ?? 'any: nothing is known of it, and all 256 buses are looked at';
  lines.push(...rows([['machine', printable(machine)]], style));
  lines.push(...rows([['signature', signatureText(report)]], style));
  for (const note of [...report.notes, ...NEVER_ENTERED]) lines.push(noteLine(note, style));
  return `${lines.join('\n')}\n`;
}

function signatureText({ before, after, output }: WrapReport): string {
  if (after.signature === 'impossible') return 'none: the kernel has no PE header that could hold one';
  const was = before.signature === 'present' ? 'removed, since it would be void' : 'none';
  const file = shellWord(output);
  return `${was}; to sign: sbsign --key KEY --cert CERT --output ${file} ${file}`;
}

/** What was done as one JSON value, schema `shootdown.wrap/1`. */
export function wrapJson({
  input,
  output,
  before,
  after,
  machine,
  notes,
}: WrapReport): Data<typeof wrapSchema> {
  return {
    schema: 'shootdown.wrap/1',
    input,
    output,
    machine,
    replaced: before.wrapped !== null,
    signatureRemoved: before.signature === 'present',
    ...infoJson(after),
    notes: [...notes],
    neverEntered: [...NEVER_ENTERED],
  };
}

export function inspectText(path: string, info: ImageInfo, { style }: ReportOptions): string {
  const { kernel, wrapped } = info;
  const { payload } = kernel;
  const lines = [style.bold(printable(`${path}: ${kernel.version ?? 'a kernel without a version'}`))];
  const head: Row[] = [
    ['file', `${count(info.bytes)} bytes, SHA-256 ${info.sha256}`],
    [
      'protocol',
      `${kernel.protocol}, loadflags ${hex(kernel.loadflags)}, xloadflags ${hex(kernel.xloadflags)}`,
    ],
    ['load', loadText(info)],
    [
      'payload',
      `${payload.compression ?? 'of unknown form'}, ${count(payload.bytes)} bytes at ${hex(payload.offset)}`,
    ],
    ['signature', SIGNATURE[info.signature]],
    ['wrapped', wrapped ? 'yes' : info.unfit === null ? 'no' : `no, and it cannot be: ${info.unfit}`],
  ];
  lines.push(...rows(head, style));
  if (wrapped) {
    lines.push(...rows(wrappedRows(wrapped), style));
    const { original } = wrapped;
    if (original) {
      const text = `${count(original.bytes)} bytes, SHA-256 ${original.sha256}, ${original.restorable ? 'unwrap gives it back' : 'cannot be given back'}`;
      lines.push(...rows([['original', text]], style));
    }
    for (const problem of wrapped.problems) lines.push(style.red(noteLine(problem, style)));
  }
  return `${lines.join('\n')}\n`;
}

const SIGNATURE = {
  present: 'present (whether it is valid, sbverify says)',
  absent: 'none',
  impossible: 'none, and no PE header that could hold one',
} as const;

/** What is in an image as one JSON value, schema `shootdown.inspect/1`. */
export function inspectJson(file: string, info: ImageInfo): Data<typeof inspectSchema> {
  return { schema: 'shootdown.inspect/1', file, ...infoJson(info) };
}

function infoJson({
  bytes,
  sha256,
  kernel,
  signature,
  wrapped,
  unfit,
}: ImageInfo): Data<typeof imageInfoSchema> {
  const { prefAddress, loadflags, xloadflags, typeOfLoader, ...rest } = kernel;
  return {
    bytes,
    sha256,
    kernel: {
      ...rest,
      typeOfLoader: hex(typeOfLoader),
      loadflags: hex(loadflags),
      xloadflags: hex(xloadflags),
      prefAddress: `0x${prefAddress.toString(16)}`,
    },
    signature,
    unfit,
    wrapped,
  };
}

type Row = readonly [name: string, text: string];

function wrappedRows({ stub, table, ...wrapped }: WrappedInfo): Row[] {
  const whose = stub.ofThisVersion ? 'of this version' : 'NOT the one of this version';
  const out: Row[] = [
    ['stub', `${count(stub.bytes)} bytes, ${whose}, SHA-256 ${stub.sha256}`],
    ['block', `${count(wrapped.blockBytes)} bytes at ${hex(wrapped.blockOffset)} of the protected-mode code`],
    [
      'room',
      `${bytesText(wrapped.tailBytes)} for the flight record, ${count(wrapped.scratchEntries)} functions in the list`,
    ],
  ];
  if (!table) return out;
  const { tool, policy } = table.template;
  const buses = table.scanAll ? 'all 256 buses' : 'known buses and what bridges lead to';
  out.push(
    ['policy', `${policy.name} (${policy.sha256}), by shootdown ${tool}`],
    [
      'rules',
      [...table.rules.map(({ id, action }) => `${id}: ${action}`), `otherwise: ${table.otherwise}`].join(
        ', ',
      ),
    ],
    ['bounds', boundsText(table.bounds, table.template.tsc)],
    [
      'known',
      `${count(table.knownFunctions)} functions; scans ${buses}${table.progress ? '; progress codes on port 0x80' : ''}`,
    ],
  );
  return out;
}

function boundsText(
  { walkMs, pendingMs, accesses, tscKhz }: NonNullable<WrappedInfo['table']>['bounds'],
  tsc: string | undefined,
): string {
  const ms = (value: number) => `${Math.round(value * 10) / 10} ms`;
  const how = tsc === undefined ? '' : `, ${tsc}`;
  return `${ms(walkMs)} for the walk, ${ms(pendingMs)} for what is pending, ${count(accesses)} accesses; TSC at ${tscKhz / 1000} MHz${how}`;
}

function loadText({ kernel }: ImageInfo): string {
  const where = kernel.relocatable ? `anywhere at ${bytesText(kernel.kernelAlignment)}, ` : '';
  return `${where}preferred 0x${kernel.prefAddress.toString(16)}, init_size ${bytesText(kernel.initSize)}, command line up to ${kernel.cmdlineSize} bytes`;
}

const INDENT = 11;

function rows(all: readonly Row[], style: Style): string[] {
  return all.map(([name, text]) => {
    const body = paragraph(printable(text), INDENT, style);
    return `${style.dim(name.padEnd(INDENT))}${body.trimStart()}`;
  });
}

function noteLine(text: string, style: Style): string {
  return `note: ${paragraph(printable(text), 6, style).trimStart()}`;
}

/** In KiB where it is a whole number of them. */
function bytesText(bytes: number): string {
  return bytes % 1024 === 0 ? `${count(bytes / 1024)} KiB` : `${count(bytes)} bytes`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
