import { type Cpu, FLAG } from './x86-cpu.js';
import type { Narrow, NarrowSize, Wide } from './x86-operands.js';

// Arithmetic with its flags. Intel SDM volume 2; what it calls undefined is marked so.

type Run = (cpu: Cpu) => void;

/** Masks of a size as signed 32-bit numbers. */
interface Size {
  readonly bits: NarrowSize;
  readonly mask: number;
  readonly top: number;
}
const SIZES: Readonly<Record<NarrowSize, Size>> = {
  8: { bits: 8, mask: 0xff, top: 0x80 },
  16: { bits: 16, mask: 0xffff, top: 0x8000 },
  32: { bits: 32, mask: -1, top: 0x8000_0000 | 0 },
};

/** One operation in both sizes of operands: `narrow` returns the result, `wide` leaves it in `low` and `high`. */
interface Binary {
  readonly narrow: (cpu: Cpu, a: number, b: number, size: Size) => number;
  readonly wide: (cpu: Cpu, aLow: number, aHigh: number, bLow: number, bHigh: number) => void;
  /** Without a result there are only the flags. */
  readonly keeps: boolean;
}

const LOGIC: Readonly<Record<'and' | 'or' | 'xor', (a: number, b: number) => number>> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
};

const add: Binary = {
  narrow: (cpu, a, b, { mask, top }) => {
    const result = ((a + b) & mask) >>> 0;
    cpu.carry = result < a ? 1 : 0;
    cpu.overflow = (a ^ result) & (b ^ result) & top;
    setArithmetic(cpu, a, b, result, top);
    return result;
  },
  wide: (cpu, aLow, aHigh, bLow, bHigh) => {
    const low = (aLow >>> 0) + (bLow >>> 0);
    const high = (aHigh >>> 0) + (bHigh >>> 0) + (low > 0xffff_ffff ? 1 : 0);
    cpu.carry = high > 0xffff_ffff ? 1 : 0;
    cpu.overflow = ((aHigh ^ high) & (bHigh ^ high)) >>> 31;
    setWideArithmetic(cpu, aLow, bLow, low | 0, high | 0);
  },
  keeps: true,
};

const sub: Binary = {
  narrow: (cpu, a, b, { mask, top }) => {
    const result = ((a - b) & mask) >>> 0;
    cpu.carry = a < b ? 1 : 0;
    cpu.overflow = (a ^ b) & (a ^ result) & top;
    setArithmetic(cpu, a, b, result, top);
    return result;
  },
  wide: (cpu, aLow, aHigh, bLow, bHigh) => {
    const low = (aLow >>> 0) - (bLow >>> 0);
    const high = (aHigh >>> 0) - (bHigh >>> 0) - (low < 0 ? 1 : 0);
    cpu.carry = high < 0 ? 1 : 0;
    cpu.overflow = ((aHigh ^ bHigh) & (aHigh ^ high)) >>> 31;
    setWideArithmetic(cpu, aLow, bLow, low | 0, high | 0);
  },
  keeps: true,
};

function logic(name: keyof typeof LOGIC): Binary {
  const of = LOGIC[name];
  return {
    narrow: (cpu, a, b, { top }) => {
      const result = of(a, b) >>> 0;
      setLogic(cpu, result, result & top, result);
      return result;
    },
    wide: (cpu, aLow, aHigh, bLow, bHigh) => {
      cpu.low = of(aLow, bLow);
      cpu.high = of(aHigh, bHigh);
      setLogic(cpu, cpu.low | cpu.high, cpu.high >>> 31, cpu.low);
    },
    keeps: true,
  };
}

const BINARY = {
  add,
  or: logic('or'),
  and: logic('and'),
  sub,
  xor: logic('xor'),
  cmp: { ...sub, keeps: false },
  test: { ...logic('and'), keeps: false },
} as const satisfies Record<string, Binary>;
export type BinaryName = keyof typeof BINARY;

export function narrowBinary(name: BinaryName, bits: NarrowSize, to: Narrow, from: Narrow): Run {
  const { narrow, keeps } = BINARY[name];
  const size = SIZES[bits];
  if (keeps) return (cpu) => to.set(cpu, narrow(cpu, to.get(cpu), from.get(cpu), size));
  return (cpu) => {
    narrow(cpu, to.get(cpu), from.get(cpu), size);
  };
}

export function wideBinary(name: BinaryName, to: Wide, from: Wide): Run {
  const { wide, keeps } = BINARY[name];
  return (cpu) => {
    from.load(cpu);
    const { low, high } = cpu;
    to.load(cpu);
    wide(cpu, cpu.low, cpu.high, low, high);
    if (keeps) to.store(cpu);
  };
}

/** INC and DEC leave the carry as it is, also if that is undefined. */
export function narrowStep(by: 'add' | 'sub', bits: NarrowSize, operand: Narrow): Run {
  const { narrow } = BINARY[by];
  const size = SIZES[bits];
  return (cpu) => {
    const { carry, undefinedFlags } = cpu;
    const result = narrow(cpu, operand.get(cpu), 1, size);
    cpu.carry = carry;
    cpu.undefinedFlags = undefinedFlags & FLAG.CF;
    operand.set(cpu, result);
  };
}

export function wideStep(by: 'add' | 'sub', operand: Wide): Run {
  const { wide } = BINARY[by];
  return (cpu) => {
    const { carry, undefinedFlags } = cpu;
    operand.load(cpu);
    wide(cpu, cpu.low, cpu.high, 1, 0);
    cpu.carry = carry;
    cpu.undefinedFlags = undefinedFlags & FLAG.CF;
    operand.store(cpu);
  };
}

/** By a constant. A shift by 0 changes no flag. */
export function narrowShift(by: 'shl' | 'shr', bits: NarrowSize, operand: Narrow, count: number): Run {
  const { mask, top } = SIZES[bits];
  const n = count & 31;
  if (n === 0) return (cpu) => operand.set(cpu, operand.get(cpu));
  const undefinedFlags = shiftUndefined(n) | (n > bits ? FLAG.CF : 0);
  return (cpu) => {
    const value = operand.get(cpu);
    const result = by === 'shl' ? ((value << n) & mask) >>> 0 : value >>> n;
    const out = by === 'shl' ? (n > bits ? 0 : value >>> (bits - n)) : value >>> (n - 1);
    setLogic(cpu, result, result & top, result);
    cpu.carry = out & 1;
    cpu.overflow = by === 'shl' ? (value ^ (value << 1)) & top : value & top;
    cpu.undefinedFlags = undefinedFlags;
    operand.set(cpu, result);
  };
}

export function wideShift(by: 'shl' | 'shr', operand: Wide, count: number): Run {
  const n = count & 63;
  const undefinedFlags = shiftUndefined(n);
  return (cpu) => {
    operand.load(cpu);
    const { low, high } = cpu;
    if (n !== 0) {
      if (by === 'shl') {
        cpu.low = n < 32 ? low << n : 0;
        cpu.high = n < 32 ? (high << n) | upper(low, n) : low << (n - 32);
        setLogic(cpu, cpu.low | cpu.high, cpu.high >>> 31, cpu.low);
        cpu.carry = bit(low, high, 64 - n);
        cpu.overflow = (high ^ (high << 1)) >>> 31;
      } else {
        cpu.low = n < 32 ? (low >>> n) | lower(high, n) : high >>> (n - 32);
        cpu.high = n < 32 ? high >>> n : 0;
        setLogic(cpu, cpu.low | cpu.high, cpu.high >>> 31, cpu.low);
        cpu.carry = bit(low, high, n - 1);
        cpu.overflow = high >>> 31;
      }
      cpu.undefinedFlags = undefinedFlags;
    }
    operand.store(cpu);
  };
}

/** What a shift to the left by 1 … 31 moves into the upper half, and to the right into the lower one. */
function upper(low: number, n: number): number {
  return low >>> (32 - n);
}

function lower(high: number, n: number): number {
  return high << (32 - n);
}

function bit(low: number, high: number, index: number): number {
  return ((index < 32 ? low : high) >>> (index & 31)) & 1;
}

function shiftUndefined(n: number): number {
  return n === 1 ? FLAG.AF : FLAG.AF | FLAG.OF;
}

function setArithmetic(cpu: Cpu, a: number, b: number, result: number, top: number): void {
  cpu.adjust = (a ^ b ^ result) & 0x10;
  cpu.notZero = result;
  cpu.sign = result & top;
  cpu.parity = result;
  cpu.undefinedFlags = 0;
}

function setWideArithmetic(cpu: Cpu, a: number, b: number, low: number, high: number): void {
  cpu.adjust = (a ^ b ^ low) & 0x10;
  cpu.notZero = low | high;
  cpu.sign = high >>> 31;
  cpu.parity = low;
  cpu.undefinedFlags = 0;
  cpu.low = low;
  cpu.high = high;
}

function setLogic(cpu: Cpu, notZero: number, sign: number, parity: number): void {
  cpu.carry = 0;
  cpu.overflow = 0;
  cpu.adjust = 0;
  cpu.notZero = notZero;
  cpu.sign = sign;
  cpu.parity = parity;
  cpu.undefinedFlags = FLAG.AF;
}
