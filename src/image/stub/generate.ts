import { createHash } from 'node:crypto';
import { Decoder, Formatter, FormatterSyntax } from 'iced-x86';
import { BLOCK, ENTRY, GUARD, RECORD, TABLE } from '../layout.js';
import type { Assembled, ListedItem } from './assembler.js';
import { assembleGuard } from './guard.js';
import { assembleProgram } from './program.js';
import { STATE } from './state.js';

export interface GeneratedStub {
  /** Text of `stub.generated.ts`. */
  readonly code: string;
  /** Text of `stub.lst`. */
  readonly listing: string;
}

/** Assembles guard and program and writes them down, as code and for people. */
export function generateStub(): GeneratedStub {
  const program = assembleProgram();
  const guard = assembleGuard();
  const sha256 = createHash('sha256').update(program.bytes).digest('hex');
  const listing = [
    `; guard, at ${hex(GUARD.offset, 4)} of the protected-mode code; addresses as if the block began at 0 of it`,
    ...list(guard.items, new Map([['program', BLOCK.headerBytes]])),
    '',
    `; program, ${program.bytes.length} bytes, right behind the block's header of ${BLOCK.headerBytes}; SHA-256`,
    `; ${sha256}`,
    ...list(program.items, program.labels),
    '',
  ].join('\n');
  const code = [
    '// Generated from src/image/stub/ by scripts/generate.mjs: do not edit. stub.lst is the same for people.',
    "import type { StubProgram } from './stub.js';",
    '',
    'export const STUB: StubProgram = {',
    `  program: fromHex(${wrapped(program.bytes)}, ${program.bytes.length}),`,
    `  room: ${program.labels.get('state')},`,
    `  guard: fromHex(${wrapped(guard.bytes)}, ${guard.bytes.length}),`,
    `  guardFixups: ${JSON.stringify(guard.fixups)},`,
    `  sha256: '${sha256}',`,
    '};',
    '',
    '/** The rest, to the end, is zeros. */',
    'function fromHex(text: string, length: number): Uint8Array {',
    '  const bytes = new Uint8Array(length);',
    "  bytes.set(Buffer.from(text, 'hex'));",
    '  return bytes;',
    '}',
    '',
  ].join('\n');
  return { code, listing };
}

function wrapped(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const text = Buffer.from(bytes.subarray(0, end)).toString('hex');
  return (text.match(/.{1,96}/g) ?? []).map((line) => `\n    '${line}'`).join(' +');
}

/** Structures whose fields a listing names, by the register that points at them. */
const STRUCTURES: Readonly<Record<string, readonly [string, Readonly<Record<string, unknown>>]>> = {
  rbx: ['state', STATE],
  rbp: ['entry', ENTRY],
  r14: ['table', TABLE],
  r13: ['record', RECORD],
};
const NOT_FIELDS = ['bytes', 'magic', 'version', 'headerBytes', 'setupDataType'];

function list(items: readonly ListedItem[], labels: Assembled['labels']): string[] {
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const lines: string[] = [];
  for (const { address, bytes, label, comment, isData } of items) {
    if (label !== undefined) {
      lines.push(`${label}:`);
      continue;
    }
    if (bytes.length === 0) continue;
    if (comment !== undefined) lines.push(`        ; ${comment}`);
    if (isData) {
      lines.push(`${hex(address, 4)}  ${dataText(bytes)}`);
      continue;
    }
    const decoder = new Decoder(64, bytes, 0);
    decoder.ip = BigInt(address);
    const instruction = decoder.decode();
    const text = named(formatter.format(instruction), labels);
    const field = fieldOf(text);
    const raw = Buffer.from(bytes).toString('hex').padEnd(22);
    lines.push(`${hex(address, 4)}  ${raw} ${field ? `${text.padEnd(38)} ; ${field}` : text}`);
    instruction.free();
    decoder.free();
  }
  return lines;
}

function dataText(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte === 0)) return `${bytes.length} zero bytes`;
  return `db ${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`;
}

/** Labels in place of the addresses of branches and of what is addressed relative to the instruction. */
function named(text: string, labels: Assembled['labels']): string {
  const byAddress = [...labels].sort(([, a], [, b]) => b - a);
  return text
    .replace(/^((?:j\w+|call) )(?:near |short )?([0-9A-F]+)h$/, (whole, how: string, target: string) => {
      const found = byAddress.find(([, address]) => address === Number.parseInt(target, 16));
      return found ? `${how}${found[0]}` : whole;
    })
    .replace(/\[rel ([0-9A-F]+)h\]/, (whole, target: string) => {
      const at = Number(BigInt.asIntN(64, BigInt(`0x${target}`)));
      if (at === -BLOCK.headerBytes) return '[rel block]';
      const found = byAddress.find(([, address]) => address <= at);
      if (!found) return whole;
      return at === found[1] ? `[rel ${found[0]}]` : `[rel ${found[0]}+${hex(at - found[1], 0)}]`;
    });
}

function fieldOf(text: string): string | undefined {
  const match = /\[(?:rel )?(rbx|rbp|r13|r14|state)(?:\+r\w+(?:\*\d)?)?(?:\+([0-9A-Fa-f]+)h?)?\]/.exec(text);
  if (!match) return undefined;
  const structure = STRUCTURES[match[1] === 'state' ? 'rbx' : (match[1] ?? '')];
  const offset = Number.parseInt(match[2] ?? '0', 16);
  if (!structure) return undefined;
  const [name, fields] = structure;
  const field = Object.entries(fields).find(([key, value]) => value === offset && !NOT_FIELDS.includes(key));
  return field && `${name}.${field[0]}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
