import { type ConstantOffsets, Decoder, FlowControl, Formatter, FormatterSyntax, Mnemonic } from 'iced-x86';
import { BLOCK, ENTRY_64, ENTRY_BYTES } from '../../src/image/layout.js';
import type { Assembled, ListedItem } from '../../src/image/stub/assembler.js';
import { assembleGuard } from '../../src/image/stub/guard.js';
import { assembleProgram } from '../../src/image/stub/program.js';

// The stub, broken in one place: what a test suite must notice.

/** Bytes that replace others; `at` counts from the start of the program, or of the protected-mode code. */
export interface Patch {
  readonly in: 'guard' | 'program';
  /** Where the instruction begins that is changed. */
  readonly place: number;
  readonly at: number;
  readonly bytes: readonly number[];
}

export interface Mutant {
  /** `LABEL+N HOW: INSTRUCTION`: the instruction with index N behind the label. Stays as it is where others change. */
  readonly name: string;
  readonly patches: readonly Patch[];
}

/** One instruction of the stub. */
export interface Place {
  readonly in: Patch['in'];
  /** `LABEL+N`. */
  readonly name: string;
  readonly text: string;
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly flow: FlowControl;
  readonly mnemonic: Mnemonic;
  /** Of the constant that it holds, from its first byte; 0 bytes for none. */
  readonly constantAt: number;
  readonly constantBytes: number;
  /** Of a constant that says how far to shift: the processor takes no more of it. */
  readonly shiftBits: number;
}

const JMP_SHORT = 0xeb;
const CLD = 0xfc;
const CLI = 0xfa;
const REX_W = 0x48;
const SHIFTS: ReadonlySet<Mnemonic> = new Set([Mnemonic.Shl, Mnemonic.Shr]);
/** Low four bits of `0f 8x`: JB, JAE, JE, JNE, JBE, JA; with the one that differs where both sides are equal. */
const ACROSS_THE_BOUNDARY: Readonly<Record<number, number>> = { 2: 6, 6: 2, 3: 7, 7: 3 };

/** Every instruction, in order. */
export function stubPlaces(): Place[] {
  const { items, labels } = assembleProgram();
  const targets = new Map([...labels].map(([label, address]) => [address, label]));
  const outside = new Map([
    [BLOCK.headerBytes, 'program'],
    [ENTRY_64 + ENTRY_BYTES.length, 'kernel'],
  ]);
  return [...placesOf('guard', assembleGuard().items, outside), ...placesOf('program', items, targets)];
}

function placesOf(
  where: Patch['in'],
  items: Assembled['items'],
  targets: ReadonlyMap<number, string>,
): Place[] {
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const places: Place[] = [];
  let label: string = where;
  let index = 0;
  for (const item of items) {
    if (item.label !== undefined) {
      label = item.label;
      index = 0;
    } else if (!item.isData) places.push(placeOf(item, where, `${label}+${index++}`, { formatter, targets }));
  }
  formatter.free();
  return places;
}

interface Words {
  readonly formatter: Formatter;
  /** Labels by address. */
  readonly targets: ReadonlyMap<number, string>;
}

/** Labels for where a branch leads; where the state has its fields changes with everything else. */
function textOf(text: string, targets: Words['targets']): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(
      /(?: near| short)? ([0-9A-F]{16})h$/,
      (_, to: string) => ` ${targets.get(Number.parseInt(to, 16))}`,
    )
    .replace(/\[rel [0-9A-F]+h\]/, '[…]')
    .replace(/\[rbx\+[0-9A-F]+h\]/, '[state]');
}

function placeOf(item: ListedItem, where: Patch['in'], name: string, { formatter, targets }: Words): Place {
  const decoder = new Decoder(64, item.bytes, 0);
  decoder.ip = BigInt(item.address);
  const instruction = decoder.decode();
  const offsets: ConstantOffsets = decoder.getConstantOffsets(instruction);
  const isBranch = instruction.flowControl !== FlowControl.Next;
  const place: Place = {
    in: where,
    name,
    text: textOf(formatter.format(instruction), targets),
    at: item.address,
    bytes: item.bytes,
    flow: instruction.flowControl,
    mnemonic: instruction.mnemonic,
    constantAt: isBranch ? 0 : offsets.immediateOffset,
    shiftBits: SHIFTS.has(instruction.mnemonic) ? (((item.bytes[0] ?? 0) & 0xf8) === REX_W ? 6 : 5) : 64,
    constantBytes: isBranch || !offsets.hasImmediate ? 0 : offsets.immediateSize,
  };
  offsets.free();
  instruction.free();
  decoder.free();
  return place;
}

/** The patch that has an instruction do nothing. */
export function dropped({ in: where, at, bytes }: Place): Patch {
  const idle = bytes[0] === CLD ? CLI : CLD;
  return { in: where, place: at, at, bytes: bytes.length === 1 ? [idle] : [JMP_SHORT, bytes.length - 2] };
}

/** A conditional jump `0f 8x` with another condition. */
export function withCondition(place: Place, condition: number): Patch {
  return { in: place.in, place: place.at, at: place.at + 1, bytes: [0x80 | condition] };
}

const conditionOf = ({ bytes }: Place): number => (bytes[1] ?? 0) & 0xf;

export const isConditional = ({ flow }: Place): boolean => flow === FlowControl.ConditionalBranch;

/** Every instruction dropped; every condition inverted, and moved across its boundary; bits of every constant flipped. */
export function generatedMutants(places: readonly Place[] = stubPlaces()): Mutant[] {
  return places.flatMap((place) => [
    ...(place.mnemonic === Mnemonic.Pause ? [] : [mutant(place, 'dropped', dropped(place))]),
    ...conditions(place),
    ...constants(place),
  ]);
}

function mutant(place: Place, how: string, patch: Patch): Mutant {
  return { name: `${place.name} ${how}: ${place.text}`, patches: [patch] };
}

function conditions(place: Place): Mutant[] {
  if (!isConditional(place)) return [];
  const condition = conditionOf(place);
  const other = ACROSS_THE_BOUNDARY[condition];
  return [
    mutant(place, 'inverted', withCondition(place, condition ^ 1)),
    ...(other === undefined ? [] : [mutant(place, 'off by one', withCondition(place, other))]),
  ];
}

/** The lowest two bits; the value's own lowest and highest, and the one above; of a byte the highest. */
function constants(place: Place): Mutant[] {
  const { constantAt, constantBytes: size, bytes } = place;
  if (size === 0) return [];
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[constantAt + i] ?? 0);
  const last = size * 8 - 1;
  const set = Array.from({ length: size * 8 }, (_, bit) => bit).filter((bit) => (value >> BigInt(bit)) & 1n);
  const [lowest, highest] = [set[0] ?? 0, set.at(-1) ?? 0];
  const bits = [0, 1, lowest, highest, Math.min(highest + 1, last), ...(size === 1 ? [last] : [])].filter(
    (bit) => bit < place.shiftBits,
  );
  return [...new Set(bits)]
    .sort((a, b) => a - b)
    .map((bit) => {
      const at = constantAt + (bit >> 3);
      const byte = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      return mutant(place, `bit ${bit}`, { in: place.in, place: place.at, at: place.at + at, bytes: [byte] });
    });
}
