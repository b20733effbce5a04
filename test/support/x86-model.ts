import { type Instruction, MemorySize, Mnemonic, OpKind, Register } from 'iced-x86';

// What an instruction does, from the manual and in whole numbers: slow and plain, to compare the interpreter with.

export const MODEL_FLAGS = { CF: 1n, PF: 4n, AF: 0x10n, ZF: 0x40n, SF: 0x80n, OF: 0x800n } as const;
const { CF, PF, AF, ZF, SF, OF } = MODEL_FLAGS;
const STATUS = CF | PF | AF | ZF | SF | OF;

export interface ModelState {
  /** In the order of their encoding. */
  readonly registers: bigint[];
  flags: bigint;
  /** Status flags that are undefined now. */
  unsure: bigint;
  rip: bigint;
  /** Memory around the place that the instruction accesses. */
  readonly base: bigint;
  readonly memory: Uint8Array;
  readonly tables: { gdtr: ModelTable; idtr: ModelTable };
  readonly segments: { readonly cs: bigint; readonly ss: bigint };
  readonly ticks: bigint;
  /** What a read of a port gives. */
  readonly portValue: bigint;
  port: { write: boolean; port: bigint; width: number; value: bigint } | null;
}

export interface ModelTable {
  readonly base: bigint;
  readonly limit: bigint;
}

interface RegisterPart {
  readonly index: number;
  readonly bits: number;
  readonly shift: number;
}

const WIDE_NAMES = 'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15'.split(' ');
const PARTS = new Map<Register, RegisterPart>();
for (const [index, name] of WIDE_NAMES.entries()) {
  const old = index < 8;
  const short = name.slice(1);
  const add = (part: string, bits: number, shift = 0) =>
    PARTS.set(Register[part as keyof typeof Register] as Register, { index, bits, shift });
  add(name, 64);
  add(old ? `E${short}` : `${name}D`, 32);
  add(old ? short : `${name}W`, 16);
  add(old ? (index < 4 ? `${short[0]}L` : `${short}L`) : `${name}L`, 8);
  if (index < 4) add(`${short[0]}H`, 8, 8);
}

const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

/** Where an instruction accesses memory; `undefined` if it does not. */
export interface ModelAccess {
  readonly address: bigint;
  /** Whether each register that is in the address could be one by itself. */
  readonly canonical: boolean;
}

export function accessOf(it: Instruction, state: ModelState): ModelAccess | undefined {
  const kinds = Array.from({ length: it.opCount }, (_, i) => it.opKind(i));
  if (kinds.includes(OpKind.Memory)) {
    if (it.mnemonic === Mnemonic.Lea) return undefined;
    const parts = it.isIpRelMemoryOperand ? [] : [it.memoryBase, it.memoryIndex];
    const canonical = parts.every((part) => isCanonical(readRegister(part, state)));
    return { address: BigInt.asIntN(64, addressOf(it, state)), canonical };
  }
  const rsp = state.registers[4] ?? 0n;
  const below = PUSHES.has(it.mnemonic) ? 8n : 0n;
  if (below === 0n && !POPS.has(it.mnemonic)) return undefined;
  return { address: BigInt.asIntN(64, rsp - below), canonical: isCanonical(rsp) };
}

const PUSHES = new Set([Mnemonic.Push, Mnemonic.Pushfq, Mnemonic.Call]);
const POPS = new Set([Mnemonic.Pop, Mnemonic.Popfq, Mnemonic.Ret]);

function isCanonical(value: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, value)) === value;
}

function readRegister(register: Register, { registers }: ModelState): bigint {
  return registers[PARTS.get(register)?.index ?? -1] ?? 0n;
}

/** Executes one instruction; `false` for one that the model does not know. */
export function executeModel(it: Instruction, state: ModelState): boolean {
  state.rip = BigInt.asUintN(64, it.nextIP);
  const model = new Model(it, state);
  const act = ACTIONS[it.mnemonic];
  if (!act) return false;
  act(model);
  return true;
}

function addressOf(it: Instruction, state: ModelState): bigint {
  if (it.isIpRelMemoryOperand) return it.ipRelMemoryAddress;
  const index = readRegister(it.memoryIndex, state) * BigInt(it.memoryIndexScale);
  return BigInt.asUintN(64, readRegister(it.memoryBase, state) + index + it.memoryDisplacement);
}

class Model {
  readonly it: Instruction;
  readonly state: ModelState;

  constructor(it: Instruction, state: ModelState) {
    this.it = it;
    this.state = state;
  }

  /** Of the first operand. */
  get bits(): number {
    return this.bitsOf(0);
  }

  bitsOf(operand: number): number {
    const kind = this.it.opKind(operand);
    if (kind === OpKind.Register) return PARTS.get(this.it.opRegister(operand))?.bits ?? 16;
    return SIZES[this.it.memorySize] ?? 0;
  }

  get(operand: number): bigint {
    const { it } = this;
    switch (it.opKind(operand)) {
      case OpKind.Register: {
        const register = it.opRegister(operand);
        if (register === Register.CS) return this.state.segments.cs;
        if (register === Register.SS) return this.state.segments.ss;
        const { index, bits, shift } = PARTS.get(register) as RegisterPart;
        return ((this.state.registers[index] ?? 0n) >> BigInt(shift)) & mask(bits);
      }
      case OpKind.Memory:
        return this.load(addressOf(it, this.state), this.bitsOf(operand));
      default:
        return it.immediate(operand) & mask(this.bits);
    }
  }

  set(operand: number, value: bigint): void {
    const { it, state } = this;
    if (it.opKind(operand) === OpKind.Memory) {
      this.store(addressOf(it, state), this.bitsOf(operand), value);
      return;
    }
    const { index, bits, shift } = PARTS.get(it.opRegister(operand)) as RegisterPart;
    const old = state.registers[index] ?? 0n;
    const hole = mask(bits) << BigInt(shift);
    const kept = bits === 32 ? 0n : old & ~hole;
    state.registers[index] = BigInt.asUintN(64, kept | ((value & mask(bits)) << BigInt(shift)));
  }

  load(address: bigint, bits: number): bigint {
    let value = 0n;
    for (let i = bits / 8 - 1; i >= 0; i--)
      value = (value << 8n) | BigInt(this.state.memory[this.#at(address) + i] ?? 0);
    return value;
  }

  store(address: bigint, bits: number, value: bigint): void {
    for (let i = 0; i < bits / 8; i++)
      this.state.memory[this.#at(address) + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  }

  push(value: bigint): void {
    const to = BigInt.asUintN(64, (this.state.registers[4] ?? 0n) - 8n);
    this.store(to, 64, value);
    this.state.registers[4] = to;
  }

  pop(): bigint {
    const from = this.state.registers[4] ?? 0n;
    this.state.registers[4] = BigInt.asUintN(64, from + 8n);
    return this.load(from, 64);
  }

  /** Flags of `a + b` or `a - b`, from the whole sum and from the signed one. */
  arithmetic(a: bigint, b: bigint, sign: 1n | -1n, keepCarry = false): bigint {
    const { bits } = this;
    const result = BigInt.asUintN(bits, a + sign * b);
    const exact = BigInt.asIntN(bits, a) + sign * BigInt.asIntN(bits, b);
    const carry = a + sign * b !== result;
    const adjust = (a & 15n) + sign * (b & 15n);
    this.flags(result, {
      carry: keepCarry ? (this.state.flags & CF) !== 0n : carry,
      overflow: exact !== BigInt.asIntN(bits, result),
      adjust: adjust < 0n || adjust > 15n,
    });
    this.state.unsure = keepCarry ? this.state.unsure & CF : 0n;
    return result;
  }

  flags(result: bigint, { carry = false, overflow = false, adjust = false } = {}): void {
    const ones = [...(result & 0xffn).toString(2)].filter((digit) => digit === '1').length;
    this.state.flags =
      (this.state.flags & ~STATUS) |
      (carry ? CF : 0n) |
      (ones % 2 === 0 ? PF : 0n) |
      (adjust ? AF : 0n) |
      (result === 0n ? ZF : 0n) |
      (BigInt.asIntN(this.bits, result) < 0n ? SF : 0n) |
      (overflow ? OF : 0n);
  }

  jump(): void {
    this.state.rip = this.it.nearBranchTarget;
  }

  #at(address: bigint): number {
    return Number(BigInt.asIntN(64, address) - this.state.base);
  }
}

type Action = (model: Model) => void;

const arithmetic =
  (sign: 1n | -1n, keeps: boolean): Action =>
  (model) => {
    const result = model.arithmetic(model.get(0), model.get(1), sign);
    if (keeps) model.set(0, result);
  };
const logic =
  (of: (a: bigint, b: bigint) => bigint, keeps: boolean): Action =>
  (model) => {
    const result = of(model.get(0), model.get(1));
    model.flags(result);
    model.state.unsure = AF;
    if (keeps) model.set(0, result);
  };
const step =
  (sign: 1n | -1n): Action =>
  (model) =>
    model.set(0, model.arithmetic(model.get(0), 1n, sign, true));

const shift =
  (left: boolean): Action =>
  (model) => {
    const { bits, state } = model;
    const value = model.get(0);
    const n = Number(model.it.immediate(1)) & (bits === 64 ? 63 : 31);
    if (n === 0) return model.set(0, value);
    const whole = left ? value << BigInt(n) : value >> BigInt(n);
    const result = whole & mask(bits);
    const carry = left ? (whole >> BigInt(bits)) & 1n : (value >> BigInt(n - 1)) & 1n;
    const top = (value >> BigInt(bits - 1)) & 1n;
    const overflow = left ? top !== (value >> BigInt(bits - 2)) % 2n : top === 1n;
    model.flags(result, { carry: carry === 1n, overflow });
    state.unsure = AF | (n === 1 ? 0n : OF) | (n > bits ? CF : 0n);
    model.set(0, result);
  };

/** The conditions: the flags that they look at, and the answer. */
const branch =
  (needs: bigint, holds: (flags: bigint) => boolean): Action =>
  (model) => {
    if (model.state.unsure & needs) throw new Error('the model branches on an undefined flag');
    if (holds(model.state.flags)) model.jump();
  };
const is = (flag: bigint) => (flags: bigint) => (flags & flag) !== 0n;
const not = (of: (flags: bigint) => boolean) => (flags: bigint) => !of(flags);

const storeTable =
  (name: 'gdtr' | 'idtr'): Action =>
  (model) => {
    const at = addressOf(model.it, model.state);
    const { limit, base } = model.state.tables[name];
    model.store(at, 16, limit);
    model.store(at + 2n, 64, base);
  };
const loadTable =
  (name: 'gdtr' | 'idtr'): Action =>
  (model) => {
    const at = addressOf(model.it, model.state);
    model.state.tables[name] = { limit: model.load(at, 16), base: model.load(at + 2n, 64) };
  };

const move: Action = (model) => model.set(0, model.get(1));
/** What POPFQ can load at privilege level 0; TF is another matter. */
const LOADABLE = STATUS | 0x200n | 0x400n | 0x3000n | 0x4000n | 0x4_0000n | 0x20_0000n;

const ACTIONS: Readonly<Record<number, Action>> = {
  [Mnemonic.Add]: arithmetic(1n, true),
  [Mnemonic.Sub]: arithmetic(-1n, true),
  [Mnemonic.Cmp]: arithmetic(-1n, false),
  [Mnemonic.And]: logic((a, b) => a & b, true),
  [Mnemonic.Or]: logic((a, b) => a | b, true),
  [Mnemonic.Xor]: logic((a, b) => a ^ b, true),
  [Mnemonic.Test]: logic((a, b) => a & b, false),
  [Mnemonic.Inc]: step(1n),
  [Mnemonic.Dec]: step(-1n),
  [Mnemonic.Shl]: shift(true),
  [Mnemonic.Shr]: shift(false),
  [Mnemonic.Mov]: move,
  [Mnemonic.Movzx]: move,
  [Mnemonic.Lea]: (model) => model.set(0, addressOf(model.it, model.state)),
  [Mnemonic.Push]: (model) => model.push(model.get(0)),
  [Mnemonic.Pop]: (model) => model.set(0, model.pop()),
  [Mnemonic.Pushfq]: (model) => model.push(model.state.flags),
  [Mnemonic.Popfq]: (model) => {
    model.state.flags = (model.pop() & LOADABLE) | 2n;
    model.state.unsure = 0n;
  },
  [Mnemonic.Jmp]: (model) => {
    if (model.it.opKind(0) === OpKind.NearBranch64) model.jump();
    else model.state.rip = model.get(0);
  },
  [Mnemonic.Call]: (model) => {
    model.push(model.state.rip);
    model.jump();
  },
  [Mnemonic.Ret]: (model) => {
    model.state.rip = model.pop();
  },
  [Mnemonic.Jb]: branch(CF, is(CF)),
  [Mnemonic.Jae]: branch(CF, not(is(CF))),
  [Mnemonic.Je]: branch(ZF, is(ZF)),
  [Mnemonic.Jne]: branch(ZF, not(is(ZF))),
  [Mnemonic.Jbe]: branch(CF | ZF, is(CF | ZF)),
  [Mnemonic.Ja]: branch(CF | ZF, not(is(CF | ZF))),
  [Mnemonic.In]: (model) => {
    const port = (model.state.registers[2] ?? 0n) & 0xffffn;
    model.state.port = { write: false, port, width: model.bits / 8, value: 0n };
    model.set(0, model.state.portValue);
  },
  [Mnemonic.Out]: (model) => {
    const byImmediate = model.it.opKind(0) !== OpKind.Register;
    const port = byImmediate ? model.it.immediate(0) & 0xffn : (model.state.registers[2] ?? 0n) & 0xffffn;
    model.state.port = { write: true, port, width: model.bitsOf(1) / 8, value: model.get(1) };
  },
  [Mnemonic.Sgdt]: storeTable('gdtr'),
  [Mnemonic.Sidt]: storeTable('idtr'),
  [Mnemonic.Lgdt]: loadTable('gdtr'),
  [Mnemonic.Lidt]: loadTable('idtr'),
  [Mnemonic.Cpuid]: ({ state }) => {
    for (const register of [0, 1, 2, 3]) state.registers[register] = 0n;
  },
  [Mnemonic.Rdtsc]: ({ state }) => {
    state.registers[0] = state.ticks & 0xffff_ffffn;
    state.registers[2] = state.ticks >> 32n;
  },
  [Mnemonic.Pause]: () => {},
  [Mnemonic.Cli]: ({ state }) => {
    state.flags &= ~0x200n;
  },
  [Mnemonic.Cld]: ({ state }) => {
    state.flags &= ~0x400n;
  },
};

/** Bits of the memory operands that occur. */
const SIZES: Readonly<Record<number, number>> = {
  [MemorySize.UInt8]: 8,
  [MemorySize.Int8]: 8,
  [MemorySize.UInt16]: 16,
  [MemorySize.Int16]: 16,
  [MemorySize.UInt32]: 32,
  [MemorySize.Int32]: 32,
  [MemorySize.UInt64]: 64,
  [MemorySize.Int64]: 64,
  [MemorySize.QwordOffset]: 64,
};
