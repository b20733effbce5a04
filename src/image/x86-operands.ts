import { type Cpu, highOf } from './x86-cpu.js';

export type NarrowSize = 8 | 16 | 32;

/** An operand of 8, 16 or 32 bits, as an unsigned number. */
export interface Narrow {
  readonly get: (cpu: Cpu) => number;
  readonly set: (cpu: Cpu, value: number) => void;
}

/** An operand of 64 bits: goes through `cpu.low` and `cpu.high`. */
export interface Wide {
  readonly load: (cpu: Cpu) => void;
  readonly store: (cpu: Cpu) => void;
}

/** base + index × scale + displacement; registers by number, none is `undefined`. */
export interface Place {
  readonly base: number | 'rip' | undefined;
  readonly index: number | undefined;
  readonly scale: 1 | 2 | 4 | 8;
  readonly displacement: number;
}

/** The r/m operand of an instruction. */
export type Target =
  | { readonly kind: 'register'; readonly register: number }
  | { readonly kind: 'memory'; readonly place: Place; readonly at: (cpu: Cpu) => number };

export type OperandBits = 8 | 16 | 32 | 64;

/** What stands behind an opcode. */
export interface Operands {
  readonly bits: OperandBits;
  /** Whether there is a REX prefix. */
  readonly rex: boolean;
  /** A register whose number's lower bits are in the opcode. */
  opcodeRegister(low: number): number;
  modrm(): { readonly register: number; readonly target: Target };
  /** Signed. */
  constant(bits: 8 | 16 | 32): number;
  unknown(): never;
}

const TWO_32 = 0x1_0000_0000;

export function memoryTarget(place: Place): Target {
  return { kind: 'memory', place, at: addressOf(place) };
}

function addressOf({ base, index, scale, displacement }: Place): (cpu: Cpu) => number {
  if (base === 'rip') return (cpu) => cpu.rip + displacement;
  if (base === undefined) {
    if (index === undefined) return () => displacement;
    return (cpu) => cpu.address(index) * scale + displacement;
  }
  if (index === undefined) return (cpu) => cpu.address(base) + displacement;
  return (cpu) => cpu.address(base) + cpu.address(index) * scale + displacement;
}

/** The sum as LEA computes it, which need not be an address: all 64 bits, into `low` and `high`. */
export function computeAddress({ base, index, scale, displacement }: Place): (cpu: Cpu) => void {
  return (cpu) => {
    let low = displacement >>> 0;
    let high = displacement < 0 ? -1 : 0;
    if (base === 'rip') {
      low += cpu.rip % TWO_32;
      high += highOf(cpu.rip);
    } else if (base !== undefined) {
      low += (cpu.halves[base * 2] as number) >>> 0;
      high += cpu.halves[base * 2 + 1] as number;
    }
    if (index !== undefined) {
      low += ((cpu.halves[index * 2] as number) >>> 0) * scale;
      high += (cpu.halves[index * 2 + 1] as number) * scale;
    }
    cpu.low = low | 0;
    cpu.high = (high + Math.floor(low / TWO_32)) | 0;
  };
}

/** A register of 32 bits clears what is above when it is written; the smaller ones leave it. */
export function narrowRegister(register: number, size: NarrowSize, rex: boolean): Narrow {
  if (size === 32) {
    const low = register * 2;
    return {
      get: (cpu) => (cpu.halves[low] as number) >>> 0,
      set: (cpu, value) => {
        cpu.halves[low] = value;
        cpu.halves[low + 1] = 0;
      },
    };
  }
  if (size === 16) {
    const word = register * 4;
    return {
      get: (cpu) => cpu.words[word] as number,
      set: (cpu, value) => {
        cpu.words[word] = value;
      },
    };
  }
  // Without a REX prefix, 4 to 7 are AH, CH, DH and BH.
  const byte = !rex && register >= 4 ? (register - 4) * 8 + 1 : register * 8;
  return {
    get: (cpu) => cpu.bytes[byte] as number,
    set: (cpu, value) => {
      cpu.bytes[byte] = value;
    },
  };
}

export function narrowTarget(target: Target, size: NarrowSize, rex: boolean): Narrow {
  if (target.kind === 'register') return narrowRegister(target.register, size, rex);
  const { at } = target;
  switch (size) {
    case 8:
      return {
        get: (cpu) => cpu.memory.read8(at(cpu)),
        set: (cpu, value) => cpu.memory.write8(at(cpu), value),
      };
    case 16:
      return {
        get: (cpu) => cpu.memory.read16(at(cpu)),
        set: (cpu, value) => cpu.memory.write16(at(cpu), value),
      };
    case 32:
      return {
        get: (cpu) => cpu.memory.read32(at(cpu)) >>> 0,
        set: (cpu, value) => cpu.memory.write32(at(cpu), value),
      };
  }
}

export function wideRegister(register: number): Wide {
  const low = register * 2;
  const high = low + 1;
  return {
    load: (cpu) => {
      cpu.low = cpu.halves[low] as number;
      cpu.high = cpu.halves[high] as number;
    },
    store: (cpu) => {
      cpu.halves[low] = cpu.low;
      cpu.halves[high] = cpu.high;
    },
  };
}

export function wideTarget(target: Target): Wide {
  if (target.kind === 'register') return wideRegister(target.register);
  const { at } = target;
  return {
    load: (cpu) => cpu.loadWide(at(cpu)),
    store: (cpu) => cpu.memory.write64(at(cpu), cpu.low, cpu.high),
  };
}

/** A constant of the given size; sign-extended where the instruction does that. */
export function narrowConstant(value: number, size: NarrowSize): Narrow {
  const unsigned = size === 32 ? value >>> 0 : value & ((1 << size) - 1);
  return { get: () => unsigned, set: readOnly };
}

/** Sign-extended to 64 bits. */
export function wideConstant(value: number): Wide {
  const high = value < 0 ? -1 : 0;
  return {
    load: (cpu) => {
      cpu.low = value;
      cpu.high = high;
    },
    store: readOnly,
  };
}

function readOnly(): never {
  throw new TypeError('a constant is not a destination');
}
