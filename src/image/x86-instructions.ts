import {
  type BinaryName,
  narrowBinary,
  narrowShift,
  narrowStep,
  wideBinary,
  wideShift,
  wideStep,
} from './x86-alu.js';
import { type Cpu, FLAG } from './x86-cpu.js';
import { iretq } from './x86-interrupt.js';
import {
  computeAddress,
  type Narrow,
  narrowConstant,
  narrowRegister,
  narrowTarget,
  type OperandBits,
  type Operands,
  type Target,
  type Wide,
  wideConstant,
  wideRegister,
  wideTarget,
} from './x86-operands.js';
import {
  clear,
  identify,
  loadTable,
  moveFromSegment,
  popFlags,
  readPort,
  readTimeStamp,
  repeatMove,
  storeTable,
  writePort,
  writePortByte,
} from './x86-system.js';

// The instructions that the stub uses, and no others. Intel SDM volume 2.

type Run = (cpu: Cpu) => void;
export interface Opcode {
  /**
   * `sized`: 16, 32 or 64 bits by prefix. `byte`: 8 bits. `plain`: neither the prefix 66 nor REX.W is allowed.
   * `wide`: REX.W is needed.
   */
  readonly form: 'sized' | 'byte' | 'plain' | 'wide';
  readonly build: (operands: Operands) => Run;
}

type Operand = Target | { readonly kind: 'constant'; readonly value: number };

/** In hexadecimal; `/n` is the middle field of ModRM. */
export const OPCODES: ReadonlyMap<string, Opcode> = new Map<string, Opcode>([
  ...binary(0, 'add'),
  ...binary(1, 'or'),
  ...binary(4, 'and'),
  ...binary(5, 'sub'),
  ...binary(6, 'xor'),
  ...binary(7, 'cmp'),
  ...bothSizes('84', '85', (at) => targetAndRegister(at, 'test')),
  ...bothSizes('f6 /0', 'f7 /0', (at) => targetAndConstant(at, 'test', at.bits)),
  ...bothSizes('fe /0', 'ff /0', (at) => step(at, 'add')),
  ['ff /1', { form: 'sized', build: (at) => step(at, 'sub') }],
  ['c1 /4', { form: 'sized', build: (at) => shift(at, 'shl') }],
  ['c1 /5', { form: 'sized', build: (at) => shift(at, 'shr') }],
  ...bothSizes('88', '89', (at) => {
    const { register, target } = at.modrm();
    return move(at, target, { kind: 'register', register });
  }),
  ...bothSizes('8a', '8b', (at) => {
    const { register, target } = at.modrm();
    return move(at, { kind: 'register', register }, target);
  }),
  ...bothSizes('c6 /0', 'c7 /0', (at) => {
    const { target } = at.modrm();
    return move(at, target, { kind: 'constant', value: constantOf(at, at.bits) });
  }),
  ...eightRegisters(0xb8, 'sized', (at, register) => moveConstant(at, register)),
  ['0f b6', { form: 'plain', build: (at) => moveZeroExtended(at, 8) }],
  ['0f b7', { form: 'plain', build: (at) => moveZeroExtended(at, 16) }],
  ['8d', { form: 'wide', build: loadAddress }],
  ...eightRegisters(0x50, 'plain', (_, register) => push(register)),
  ...eightRegisters(0x58, 'plain', (_, register) => pop(register)),
  ['9c', { form: 'plain', build: () => (cpu) => cpu.push(cpu.rflags, 0) }],
  ['9d', { form: 'plain', build: () => popFlags }],
  ...conditionalJumps(),
  ['eb', { form: 'plain', build: (at) => jump(at.constant(8)) }],
  ['e9', { form: 'plain', build: (at) => jump(at.constant(32)) }],
  ['ff /4', { form: 'plain', build: jumpThrough }],
  ['e8', { form: 'plain', build: (at) => call(at.constant(32)) }],
  ['c3', { form: 'plain', build: () => ret }],
  ['ed', { form: 'plain', build: () => readPort }],
  ['ef', { form: 'sized', build: writePort }],
  ['e6', { form: 'plain', build: (at) => writePortByte(at.constant(8) & 0xff) }],
  ['8c', { form: 'plain', build: moveFromSegment }],
  ['0f 01 /0', { form: 'plain', build: (at) => storeTable(at, 'gdtr') }],
  ['0f 01 /1', { form: 'plain', build: (at) => storeTable(at, 'idtr') }],
  ['0f 01 /2', { form: 'plain', build: (at) => loadTable(at, 'gdtr') }],
  ['0f 01 /3', { form: 'plain', build: (at) => loadTable(at, 'idtr') }],
  ['0f 31', { form: 'plain', build: () => readTimeStamp }],
  ['0f a2', { form: 'plain', build: () => identify }],
  ['f3 90', { form: 'plain', build: () => () => {} }],
  ['f3 a4', { form: 'plain', build: () => repeatMove }],
  ['fa', { form: 'plain', build: () => clear(FLAG.IF) }],
  ['fc', { form: 'plain', build: () => clear(FLAG.DF) }],
  ['cf', { form: 'wide', build: () => iretq }],
]);

function bothSizes(byte: string, sized: string, build: Opcode['build']): [string, Opcode][] {
  return [
    [byte, { form: 'byte', build }],
    [sized, { form: 'sized', build }],
  ];
}

/** The six opcodes of an arithmetic instruction that do not name the accumulator. */
function binary(digit: number, name: BinaryName): [string, Opcode][] {
  const first = digit * 8;
  const opcode = (offset: number): string => (first + offset).toString(16).padStart(2, '0');
  return [
    ...bothSizes(opcode(0), opcode(1), (at) => targetAndRegister(at, name)),
    ...bothSizes(opcode(2), opcode(3), (at) => {
      const { register, target } = at.modrm();
      return combine(at, name, { kind: 'register', register }, target);
    }),
    ...bothSizes(`80 /${digit}`, `81 /${digit}`, (at) => targetAndConstant(at, name, at.bits)),
    [`83 /${digit}`, { form: 'sized', build: (at) => targetAndConstant(at, name, 8) }],
  ];
}

function eightRegisters(
  first: number,
  form: Opcode['form'],
  build: (at: Operands, register: number) => Run,
): [string, Opcode][] {
  return Array.from({ length: 8 }, (_, low) => [
    (first + low).toString(16),
    { form, build: (at) => build(at, at.opcodeRegister(low)) },
  ]);
}

/** JB, JAE, JE, JNE, JBE and JA: the stub compares unsigned numbers only. */
function conditionalJumps(): [string, Opcode][] {
  return [2, 3, 4, 5, 6, 7].map((condition) => [
    `0f 8${condition}`,
    {
      form: 'plain',
      build: (at) => {
        const by = at.constant(32);
        return (cpu) => {
          if (cpu.holds(condition)) cpu.rip += by;
        };
      },
    },
  ]);
}

function targetAndRegister(at: Operands, name: BinaryName): Run {
  const { register, target } = at.modrm();
  return combine(at, name, target, { kind: 'register', register });
}

function targetAndConstant(at: Operands, name: BinaryName, bits: OperandBits): Run {
  const { target } = at.modrm();
  return combine(at, name, target, { kind: 'constant', value: constantOf(at, bits) });
}

/** Instructions of 64 bits have constants of 32. */
function constantOf(at: Operands, bits: OperandBits): number {
  return at.constant(bits === 64 ? 32 : bits);
}

function combine(at: Operands, name: BinaryName, to: Operand, from: Operand): Run {
  const { bits } = at;
  if (bits === 64) return wideBinary(name, wide(to), wide(from));
  return narrowBinary(name, bits, narrow(at, to, bits), narrow(at, from, bits));
}

function move(at: Operands, to: Operand, from: Operand): Run {
  const { bits } = at;
  if (bits === 64) {
    const { load } = wide(from);
    const { store } = wide(to);
    return (cpu) => {
      load(cpu);
      store(cpu);
    };
  }
  const { get } = narrow(at, from, bits);
  const { set } = narrow(at, to, bits);
  return (cpu) => set(cpu, get(cpu));
}

function narrow(at: Operands, operand: Operand, bits: 8 | 16 | 32): Narrow {
  if (operand.kind === 'constant') return narrowConstant(operand.value, bits);
  return narrowTarget(operand, bits, at.rex);
}

function wide(operand: Operand): Wide {
  return operand.kind === 'constant' ? wideConstant(operand.value) : wideTarget(operand);
}

/** The one instruction with a constant of 64 bits. */
function moveConstant(at: Operands, register: number): Run {
  if (at.bits === 16) return at.unknown();
  const low = at.constant(32);
  const high = at.bits === 64 ? at.constant(32) : 0;
  return (cpu) => {
    cpu.halves[register * 2] = low;
    cpu.halves[register * 2 + 1] = high;
  };
}

function moveZeroExtended(at: Operands, bits: 8 | 16): Run {
  const { register, target } = at.modrm();
  const { get } = narrowTarget(target, bits, at.rex);
  const { set } = narrowRegister(register, 32, at.rex);
  return (cpu) => set(cpu, get(cpu));
}

function loadAddress(at: Operands): Run {
  const { register, target } = at.modrm();
  if (target.kind === 'register') return at.unknown();
  const compute = computeAddress(target.place);
  const { store } = wideRegister(register);
  return (cpu) => {
    compute(cpu);
    store(cpu);
  };
}

function step(at: Operands, by: 'add' | 'sub'): Run {
  const { target } = at.modrm();
  if (at.bits === 64) return wideStep(by, wide(target));
  return narrowStep(by, at.bits, narrow(at, target, at.bits));
}

function shift(at: Operands, by: 'shl' | 'shr'): Run {
  const { target } = at.modrm();
  const count = at.constant(8);
  if (at.bits === 64) return wideShift(by, wide(target), count);
  return narrowShift(by, at.bits, narrow(at, target, at.bits), count);
}

function push(register: number): Run {
  return (cpu) => cpu.push(cpu.halves[register * 2] as number, cpu.halves[register * 2 + 1] as number);
}

function pop(register: number): Run {
  const { store } = wideRegister(register);
  return (cpu) => {
    cpu.pop();
    store(cpu);
  };
}

function jump(by: number): Run {
  return (cpu) => {
    cpu.rip += by;
  };
}

function jumpThrough(at: Operands): Run {
  const { load } = wideTarget(at.modrm().target);
  return (cpu) => {
    load(cpu);
    cpu.rip = cpu.high * 0x1_0000_0000 + (cpu.low >>> 0);
  };
}

function call(by: number): Run {
  return (cpu) => {
    cpu.pushAddress(cpu.rip);
    cpu.rip += by;
  };
}

function ret(cpu: Cpu): void {
  cpu.rip = cpu.popAddress();
}
