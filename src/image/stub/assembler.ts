import { Code, Encoder, Instruction, MemoryOperand, Register } from 'iced-x86';

/** A general register of one width. */
export interface Reg {
  readonly kind: 'reg';
  readonly bits: 8 | 16 | 32 | 64;
  readonly iced: Register;
}

/** A memory operand: `[base + index * scale + disp]`, or `[rip + label + disp]`. */
export interface Mem {
  readonly kind: 'mem';
  readonly bits: 8 | 16 | 32 | 64;
  readonly base?: Reg;
  readonly index?: Reg;
  readonly scale: 1 | 2 | 4 | 8;
  readonly disp: number;
  readonly label?: string;
}

const reg = (bits: Reg['bits'], iced: Register): Reg => ({ kind: 'reg', bits, iced });

export const rax = reg(64, Register.RAX);
export const rbx = reg(64, Register.RBX);
export const rcx = reg(64, Register.RCX);
export const rdx = reg(64, Register.RDX);
export const rsi = reg(64, Register.RSI);
export const rdi = reg(64, Register.RDI);
export const rbp = reg(64, Register.RBP);
export const rsp = reg(64, Register.RSP);
export const r8 = reg(64, Register.R8);
export const r9 = reg(64, Register.R9);
export const r10 = reg(64, Register.R10);
export const r11 = reg(64, Register.R11);
export const r12 = reg(64, Register.R12);
export const r13 = reg(64, Register.R13);
export const r14 = reg(64, Register.R14);
export const r15 = reg(64, Register.R15);
export const eax = reg(32, Register.EAX);
export const ebx = reg(32, Register.EBX);
export const ecx = reg(32, Register.ECX);
export const edx = reg(32, Register.EDX);
export const esi = reg(32, Register.ESI);
export const edi = reg(32, Register.EDI);
export const r8d = reg(32, Register.R8D);
export const r10d = reg(32, Register.R10D);
export const ax = reg(16, Register.AX);
export const cx = reg(16, Register.CX);
export const dx = reg(16, Register.DX);
export const di = reg(16, Register.DI);
export const al = reg(8, Register.AL);
export const cl = reg(8, Register.CL);
export const dl = reg(8, Register.DL);

type MemWidth = (base: Reg, disp?: number, index?: Reg, scale?: Mem['scale']) => Mem;
const mem =
  (bits: Mem['bits']): MemWidth =>
  (base, disp = 0, index = undefined, scale = 1) => ({
    kind: 'mem',
    bits,
    base,
    disp,
    scale,
    ...(index ? { index } : {}),
  });
export const m8 = mem(8);
export const m16 = mem(16);
export const m32 = mem(32);
export const m64 = mem(64);
/** `[rip + label + disp]`. */
export const rel = (bits: Mem['bits'], label: string, disp = 0): Mem => ({
  kind: 'mem',
  bits,
  label,
  disp,
  scale: 1,
});

type Operand = Reg | Mem | number | bigint;
type Alu = 'Add' | 'Sub' | 'And' | 'Or' | 'Xor' | 'Cmp';
const CONDITIONS = ['Je', 'Jne', 'Jb', 'Jae', 'Jbe', 'Ja', 'Js', 'Jns'] as const;
type Condition = Lowercase<(typeof CONDITIONS)[number]>;

interface Item {
  readonly label?: string;
  readonly comment?: string;
  readonly data?: Uint8Array;
  readonly align?: number;
  /** Made anew for each pass: `at` gives the address of a label. */
  readonly make?: (at: (label: string) => number) => Instruction;
}

/** One line of a listing. */
export interface ListedItem {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly label?: string;
  readonly comment?: string;
  readonly isData: boolean;
}

export interface Assembled {
  readonly bytes: Uint8Array;
  readonly labels: ReadonlyMap<string, number>;
  readonly items: readonly ListedItem[];
}

/**
 * A thin layer over iced's encoder: one method an instruction, labels, data. Branches take 32-bit displacements, so
 * that nothing's length depends on where it lies and two passes are enough.
 */
export class Assembler {
  readonly #items: Item[] = [];
  readonly #external = new Map<string, number>();
  #comment: string | undefined;

  label(name: string): void {
    this.#items.push({ label: name });
  }

  /** Stands before the next instruction in the listing. */
  comment(text: string): void {
    this.#comment = text;
  }

  data(bytes: Uint8Array): void {
    this.#items.push({ data: bytes });
  }

  /** A label that lies outside of what is assembled. */
  external(name: string, address: number): void {
    this.#external.set(name, address);
  }

  align(to: number): void {
    this.#items.push({ align: to });
  }

  mov(to: Reg | Mem, from: Operand): void {
    if (typeof from === 'bigint') {
      if (to.kind !== 'reg' || to.bits !== 64)
        throw new Error('a 64-bit immediate goes to a 64-bit register');
      this.#add(() => Instruction.createRegU64(Code.Mov_r64_imm64, to.iced, from));
      return;
    }
    if (typeof from === 'number' && to.kind === 'reg' && to.bits === 32)
      this.#add(() => Instruction.createRegI32(Code.Mov_r32_imm32, to.iced, from | 0));
    else this.#two('Mov', to, from);
  }

  add = this.#alu('Add');
  sub = this.#alu('Sub');
  and = this.#alu('And');
  or = this.#alu('Or');
  xor = this.#alu('Xor');
  cmp = this.#alu('Cmp');

  test(to: Reg | Mem, from: Reg | number): void {
    this.#two('Test', to, from);
  }

  /** From 8 or 16 bits, zero-extended. */
  movzx(to: Reg, from: Mem | Reg): void {
    const code = codeOf(`Movzx_r32_rm${from.bits}`);
    if (from.kind === 'reg') this.#add(() => Instruction.createRegReg(code, to.iced, from.iced));
    else this.#add((at) => Instruction.createRegMem(code, to.iced, operand(from, at)));
  }

  lea(to: Reg, from: Mem): void {
    this.#add((at) => Instruction.createRegMem(Code.Lea_r64_m, to.iced, operand(from, at)));
  }

  shl = this.#shift('Shl');
  shr = this.#shift('Shr');
  inc = this.#one('Inc');
  dec = this.#one('Dec');
  neg = this.#one('Neg');

  push(what: Reg): void {
    this.#add(() => Instruction.createReg(Code.Push_r64, what.iced));
  }
  pop(what: Reg): void {
    this.#add(() => Instruction.createReg(Code.Pop_r64, what.iced));
  }

  jmp(label: string): void {
    this.#branch(Code.Jmp_rel32_64, label);
  }
  jmpTo(target: Mem): void {
    this.#add((at) => Instruction.createMem(Code.Jmp_rm64, operand(target, at)));
  }
  call(label: string): void {
    this.#branch(Code.Call_rel32_64, label);
  }
  /** Jump if the condition holds. */
  j(condition: Condition, label: string): void {
    this.#branch(codeOf(`${condition[0]?.toUpperCase()}${condition.slice(1)}_rel32_64`), label);
  }

  /** From port DX. */
  in(to: Reg): void {
    if (to.bits !== 32) throw new Error('only dwords are read from ports');
    this.#add(() => Instruction.createRegReg(Code.In_EAX_DX, Register.EAX, Register.DX));
  }
  /** To port DX. */
  out(from: Reg): void {
    const code = from.bits === 32 ? Code.Out_DX_EAX : Code.Out_DX_AX;
    this.#add(() => Instruction.createRegReg(code, Register.DX, from.iced));
  }
  outTo(port: number): void {
    this.#add(() => Instruction.createU32Reg(Code.Out_imm8_AL, port, Register.AL));
  }

  sgdt = this.#table('Sgdt_m1664');
  sidt = this.#table('Sidt_m1664');
  lgdt = this.#table('Lgdt_m1664');
  lidt = this.#table('Lidt_m1664');

  movFromSegment(to: Reg, segment: 'CS' | 'SS'): void {
    this.#add(() => Instruction.createRegReg(Code.Mov_r32m16_Sreg, to.iced, Register[segment]));
  }

  plain(name: 'Rdtsc' | 'Cpuid' | 'Pause' | 'Cld' | 'Cli' | 'Iretq' | 'Pushfq' | 'Popfq' | 'Retnq'): void {
    this.#add(() => Instruction.create(Code[name]));
  }
  ret(): void {
    this.plain('Retnq');
  }
  repMovsb(): void {
    this.#add(() => Instruction.createRepMovsb(64));
  }

  /** Encodes everything at address 0. */
  assemble(): Assembled {
    const labels = new Map<string, number>();
    this.#pass((label) => this.#external.get(label) ?? labels.get(label) ?? 0, labels);
    const items = this.#pass((label) => {
      const address = this.#external.get(label) ?? labels.get(label);
      if (address === undefined) throw new Error(`no label is called ${label}`);
      return address;
    }, new Map());
    const bytes = new Uint8Array(items.reduce((sum, item) => sum + item.bytes.length, 0));
    for (const item of items) bytes.set(item.bytes, item.address);
    return { bytes, labels, items };
  }

  #pass(at: (label: string) => number, labels: Map<string, number>): ListedItem[] {
    const out: ListedItem[] = [];
    let address = 0;
    const put = (bytes: Uint8Array, isData: boolean, comment?: string) => {
      out.push({ address, bytes, isData, ...(comment === undefined ? {} : { comment }) });
      address += bytes.length;
    };
    for (const item of this.#items) {
      if (item.label !== undefined) {
        if (labels.has(item.label)) throw new Error(`two labels are called ${item.label}`);
        labels.set(item.label, address);
        out.push({ address, bytes: new Uint8Array(), isData: true, label: item.label });
      } else if (item.align !== undefined) put(new Uint8Array(-address & (item.align - 1)), true);
      else if (item.data) put(item.data, true);
      else if (item.make) {
        const instruction = item.make(at);
        const encoder = new Encoder(64);
        encoder.encode(instruction, BigInt(address));
        put(encoder.takeBuffer(), false, item.comment);
        encoder.free();
        instruction.free();
      }
    }
    return out;
  }

  #add(make: Item['make'] & {}): void {
    const comment = this.#comment;
    this.#comment = undefined;
    this.#items.push({ make, ...(comment === undefined ? {} : { comment }) });
  }

  #branch(code: Code, label: string): void {
    this.#add((at) => Instruction.createBranch(code, BigInt(at(label))));
  }

  #two(name: Alu | 'Mov' | 'Test', to: Reg | Mem, from: Reg | Mem | number): void {
    const bits = to.bits;
    if (typeof from === 'number') {
      const short = bits !== 8 && from >= -128 && from <= 127 && name !== 'Mov' && name !== 'Test';
      const code = codeOf(`${name}_rm${bits}_imm${short ? 8 : Math.min(bits, 32)}`);
      const value = bits >= 32 ? from | 0 : from;
      if (bits === 64 && value !== from) throw new Error(`${from} does not fit into a sign-extended dword`);
      if (to.kind === 'reg') this.#add(() => Instruction.createRegI32(code, to.iced, value));
      else this.#add((at) => Instruction.createMemI32(code, operand(to, at), value));
      return;
    }
    if (from.bits !== bits) throw new Error(`${name}: operands of ${bits} and ${from.bits} bits`);
    if (from.kind === 'mem') {
      if (to.kind === 'mem') throw new Error(`${name}: two memory operands`);
      const code = codeOf(`${name}_r${bits}_rm${bits}`);
      this.#add((at) => Instruction.createRegMem(code, to.iced, operand(from, at)));
      return;
    }
    const code = codeOf(`${name}_rm${bits}_r${bits}`);
    if (to.kind === 'reg') this.#add(() => Instruction.createRegReg(code, to.iced, from.iced));
    else this.#add((at) => Instruction.createMemReg(code, operand(to, at), from.iced));
  }

  #alu(name: Alu): (to: Reg | Mem, from: Reg | Mem | number) => void {
    return (to, from) => this.#two(name, to, from);
  }

  #shift(name: 'Shl' | 'Shr'): (what: Reg, count: number) => void {
    return (what, count) => {
      const code = codeOf(`${name}_rm${what.bits}_imm8`);
      this.#add(() => Instruction.createRegI32(code, what.iced, count));
    };
  }

  #one(name: 'Inc' | 'Dec' | 'Neg'): (what: Reg | Mem) => void {
    return (what) => {
      const code = codeOf(`${name}_rm${what.bits}`);
      if (what.kind === 'reg') this.#add(() => Instruction.createReg(code, what.iced));
      else this.#add((at) => Instruction.createMem(code, operand(what, at)));
    };
  }

  #table(name: 'Sgdt_m1664' | 'Sidt_m1664' | 'Lgdt_m1664' | 'Lidt_m1664'): (what: Mem) => void {
    return (what) => this.#add((at) => Instruction.createMem(Code[name], operand(what, at)));
  }
}

function codeOf(name: string): Code {
  const code = (Code as unknown as Record<string, Code | undefined>)[name];
  if (code === undefined) throw new Error(`iced knows no instruction form ${name}`);
  return code;
}

function operand(what: Mem, at: (label: string) => number): MemoryOperand {
  const { base, index, scale, disp, label } = what;
  if (label !== undefined) {
    const target = BigInt(at(label) + disp);
    return new MemoryOperand(Register.RIP, Register.None, 1, target, 8, false, Register.None);
  }
  return new MemoryOperand(
    base?.iced ?? Register.None,
    index?.iced ?? Register.None,
    scale,
    BigInt(disp),
    disp === 0 ? 0 : disp >= -128 && disp <= 127 ? 1 : 8,
    false,
    Register.None,
  );
}
