import { Decoder as IcedDecoder } from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { accessOf, executeModel, type ModelState } from '../../test/support/x86-model.js';
import { StubMachine } from './interpreter.js';
import type { Cpu } from './x86-cpu.js';
import { Decoder } from './x86-decode.js';
import { OPCODES } from './x86-instructions.js';

// The interpreter against iced's decoder and a plain model of what instructions do.

const CODE = 0x40_0000;
const CODE_BYTES = 16;
const ROOM = 64;
const TRIES = Number(process.env['SHOOTDOWN_X86_TRIES'] ?? 120);
const TICKS = 0x5_89ab_cdef;
const PORT_VALUE = 0x89ab_cdef;
const TF = 0x100n;
/** ID, AC, OF, DF, IF, SF, ZF, AF, PF, CF. */
const FLAGS = 0x24_0ed5;
const NONE = { base: 0n, limit: 0n };

/** Draws whatever a test needs; the same seed draws the same. */
class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  bytes(length: number): number[] {
    return Array.from({ length }, () => this.below(256));
  }

  /** Often small, an address, or near a border. */
  register(): bigint {
    const near = BigInt(this.below(5) - 2);
    const any = BigInt(`0x${Buffer.from(this.bytes(8)).toString('hex')}`);
    const value = [near, (1n << 63n) + near, (1n << 31n) + near, any, any >> 18n, any >> 40n][this.below(6)];
    return BigInt.asUintN(64, value ?? 0n);
  }
}

/** An instruction with this opcode: prefixes, operands and constants at random. */
function instructionBytes(opcode: string, draw: Draw): Uint8Array {
  const [name, digit] = opcode.split(' /');
  const codes = (name ?? '').split(' ').map((code) => Number.parseInt(code, 16));
  const repeat = codes[0] === 0xf3 ? codes.splice(0, 1) : [];
  const form = OPCODES.get(opcode)?.form;
  const w = form === 'wide' || (form === 'sized' && draw.chance(40)) ? 8 : 0;
  const narrow = form === 'sized' && draw.chance(30) ? [0x66] : [];
  const rex = w !== 0 || draw.chance(50) ? [0x40 | w | draw.below(8)] : [];
  const modrm = draw.below(256);
  const fixed = digit === undefined ? modrm : (modrm & 0xc7) | (Number(digit) << 3);
  const wanted = [...narrow, ...repeat, ...rex, ...codes, fixed, ...draw.bytes(12)];
  return Uint8Array.from(wanted.slice(0, CODE_BYTES));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

interface Prepared {
  readonly state: ModelState;
  readonly machine: StubMachine;
  readonly accessed: boolean;
  readonly mapped: boolean;
}

/** A machine before one instruction, and the same as a model; memory is where the instruction wants it. */
function prepare(code: Uint8Array, draw: Draw, iced: ReturnType<IcedDecoder['decode']>): Prepared {
  const state: ModelState = {
    registers: Array.from({ length: 16 }, () => draw.register()),
    flags: BigInt(draw.below(0x40_0000) & FLAGS) | 2n,
    unsure: 0n,
    rip: 0n,
    base: 0n,
    memory: new Uint8Array(),
    tables: { gdtr: { base: 0x1234_5678_9abcn, limit: 0x7fn }, idtr: NONE },
    segments: { cs: 0x10n, ss: 0x18n },
    ticks: BigInt(TICKS),
    portValue: BigInt(PORT_VALUE),
    port: null,
  };
  const access = accessOf(iced, state);
  const base = (access?.address ?? 0n) - BigInt(ROOM / 2);
  const overlaps = base < CODE + CODE_BYTES && base + BigInt(ROOM) > CODE;
  const mapped = access?.canonical === true && base > 0n && base < 1n << 47n && !overlaps;
  const bytes = Uint8Array.from(draw.bytes(ROOM));
  const room = { name: 'room', base: Number(base), bytes };
  const machine = new StubMachine({
    regions: [{ name: 'code', base: CODE, bytes: code.slice() }, ...(mapped ? [room] : [])],
    until: -1,
    ticks: () => TICKS,
  });
  const { cpu } = machine;
  for (const [i, value] of state.registers.entries()) registersOf(cpu)[i] = value;
  cpu.rip = CODE;
  cpu.rflags = Number(state.flags);
  cpu.gdtr = { base: Number(state.tables.gdtr.base), limit: Number(state.tables.gdtr.limit) };
  cpu.cs = Number(state.segments.cs);
  cpu.ss = Number(state.segments.ss);
  return {
    state: { ...state, base, memory: bytes.slice() },
    machine,
    accessed: access !== undefined,
    mapped,
  };
}

function registersOf(cpu: Cpu): BigUint64Array {
  return new BigUint64Array(cpu.halves.buffer);
}

/** What both have in common after the instruction, as text. */
function resultOf(machine: StubMachine, request: unknown, roomBase: bigint, mapped: boolean): object {
  const { cpu, memory } = machine;
  const unsure = cpu.undefinedFlags;
  return {
    registers: [...registersOf(cpu)].map((value) => value.toString(16)),
    flags: (cpu.rflags & ~unsure).toString(16),
    unsure,
    rip: cpu.rip,
    memory: mapped ? hexOf(memory.copy(Number(roomBase), ROOM)) : '',
    gdtr: cpu.gdtr,
    idtr: cpu.idtr,
    request,
  };
}

function expectedOf(state: ModelState, mapped: boolean): object {
  const table = ({ base, limit }: { base: bigint; limit: bigint }) => ({
    base: Number(BigInt.asIntN(64, base)),
    limit: Number(limit),
  });
  const { port } = state;
  return {
    registers: state.registers.map((value) => value.toString(16)),
    flags: (state.flags & ~state.unsure).toString(16),
    unsure: Number(state.unsure),
    rip: Number(BigInt.asIntN(64, state.rip)),
    memory: mapped ? hexOf(state.memory) : '',
    gdtr: table(state.tables.gdtr),
    idtr: table(state.tables.idtr),
    request: port === null ? null : { ...port, port: Number(port.port), value: Number(port.value) },
  };
}

/** Runs one instruction both ways and compares; says what the interpreter made of it. */
function compare(code: Uint8Array, draw: Draw): 'same' | 'refused' | 'unmapped' | 'single-step' {
  const decoder = new IcedDecoder(64, code, 0);
  decoder.ip = BigInt(CODE);
  const iced = decoder.decode();
  try {
    const what = `${hexOf(code)}: ${iced.toString()}`;
    const { state, machine, accessed, mapped } = prepare(code, draw, iced);
    const run = machine.run(1);
    let step = run.next();
    const request = step.done ? null : step.value;
    if (!step.done) step = run.next(PORT_VALUE);
    const why = step.done ? step.value.why : 'two accesses to ports';
    if (why?.startsWith('not an instruction')) return 'refused';
    expect(iced.isInvalid, what).toBe(false);
    expect(new Decoder().at(code, 0).bytes.length, what).toBe(iced.length);
    if (accessed && !mapped) {
      expect(why, what).toMatch(/unmapped|holds no address/);
      return 'unmapped';
    }
    expect(executeModel(iced, state), what).toBe(true);
    if (why === 'single-stepping is switched on') {
      // The model leaves TF out of the flags: look at what was popped.
      expect(state.memory[ROOM / 2 + 1], what).toSatisfy((byte: number) => (byte & Number(TF >> 8n)) !== 0);
      return 'single-step';
    }
    expect(why, what).toBeNull();
    const { base } = state;
    expect(resultOf(machine, request, base, mapped), what).toEqual(expectedOf(state, mapped));
    return 'same';
  } finally {
    iced.free();
    decoder.free();
  }
}

/** Opcodes of which the stub uses some forms only. */
const SOME_FORMS = /^(0f 01|8c|8d|b[89a-f]$|ef)/;
/** Compared elsewhere: they access more than one place. */
const OTHERS = new Set(['cf', 'f3 a4']);

describe('against iced and a model', () => {
  for (const [index, opcode] of [...OPCODES.keys()].filter((name) => !OTHERS.has(name)).entries()) {
    it(`does what ${opcode} does`, () => {
      const draw = new Draw(0x9e37_79b9 + index * 2);
      const counts = { same: 0, refused: 0, unmapped: 0, 'single-step': 0 };
      for (let i = 0; i < TRIES; i++) counts[compare(instructionBytes(opcode, draw), draw)]++;
      expect(counts.same, JSON.stringify(counts)).toBeGreaterThan(TRIES / 20);
      if (!SOME_FORMS.test(opcode)) expect(counts.refused).toBe(0);
    });
  }

  it('knows no bytes that it should not', () => {
    const draw = new Draw(77);
    const counts = { same: 0, refused: 0, unmapped: 0, 'single-step': 0 };
    for (let i = 0; i < TRIES * 40; i++) {
      const bytes = Uint8Array.from(draw.bytes(CODE_BYTES));
      if (draw.chance(40)) bytes[0] = 0x40 | draw.below(16);
      else if (draw.chance(30)) bytes[0] = [0x0f, 0x66, 0xf3, 0xf2][draw.below(4)] ?? 0;
      // IRETQ and REP MOVSB have no model.
      if (/^(..)?cf|^(66|4.|f3)*a4/.test(hexOf(bytes))) continue;
      counts[compare(bytes, draw)]++;
    }
    expect(counts.refused).toBeGreaterThan(TRIES * 10);
    expect(counts.same).toBeGreaterThan(0);
  });
});
