import type { Memory } from './x86-memory.js';
import { stop } from './x86-stop.js';

/** Numbers of registers, as instructions encode them. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RSI = 6;
export const RDI = 7;

/** RFLAGS. Intel SDM volume 1, 3.4.3. */
export const FLAG = {
  CF: 1,
  fixed: 2,
  PF: 4,
  AF: 0x10,
  ZF: 0x40,
  SF: 0x80,
  TF: 0x100,
  IF: 0x200,
  DF: 0x400,
  OF: 0x800,
  IOPL: 0x3000,
  NT: 0x4000,
  RF: 0x1_0000,
  AC: 0x4_0000,
  ID: 0x20_0000,
} as const;

export const ARITHMETIC = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.OF;
/** What POPFQ and IRETQ can change at privilege level 0. */
const LOADABLE = ARITHMETIC | FLAG.TF | FLAG.IF | FLAG.DF | FLAG.IOPL | FLAG.NT | FLAG.AC | FLAG.ID;

/** GDTR or IDTR; the base is exact for every canonical address. */
export interface TableRegister {
  readonly base: number;
  readonly limit: number;
}

/** An access to a port, which whoever drives the machine answers. */
export interface PortRequest {
  readonly write: boolean;
  readonly port: number;
  readonly width: 1 | 2 | 4;
  /** Written; 0 for a read. */
  readonly value: number;
}

const TWO_32 = 0x1_0000_0000;

/** Upper half of an address as a signed number. */
export function highOf(address: number): number {
  return Math.floor(address / TWO_32) | 0;
}

/** EAX, EBX, ECX, EDX of a leaf and a subleaf. */
export type Cpuid = (leaf: number, subleaf: number) => readonly [number, number, number, number];

/**
 * What a CPU at privilege level 0 in 64-bit mode holds. Addresses are numbers: signed, thus exact up to 2⁵³, which
 * covers what is canonical. 64-bit values are pairs of signed 32-bit halves. Status flags are kept as the results
 * that they follow from.
 */
export class Cpu {
  readonly memory: Memory;
  /** The sixteen registers, lower half first. Little-endian, as are the machines that this runs on. */
  readonly halves = new Int32Array(32);
  readonly words = new Uint16Array(this.halves.buffer);
  readonly bytes = new Uint8Array(this.halves.buffer);
  /** Of the next instruction, also while one is executed. */
  rip = 0;
  cs = 0;
  ss = 0;
  gdtr: TableRegister = { base: 0, limit: 0 };
  idtr: TableRegister = { base: 0, limit: 0 };
  /** Until the next IRETQ. */
  nmiBlocked = false;
  /** Where a 64-bit operand is loaded to and stored from. */
  low = 0;
  high = 0;
  /** 0 or 1. */
  carry = 0;
  /** Nonzero where the flag is set. */
  overflow = 0;
  sign = 0;
  adjust = 0;
  /** Zero where ZF is set. */
  notZero = 1;
  /** PF is of its lowest byte. */
  parity = 1;
  /** Status flags, as bits of RFLAGS, of which the manual does not say what they are now. */
  undefinedFlags = 0;
  /** The other bits of RFLAGS. */
  system = 0;
  /** Set by IN and OUT; the machine clears it. */
  request: PortRequest | null = null;
  /** Ticks of the time stamp counter: below 2⁵³. */
  readonly ticks: () => number;

  readonly cpuid: Cpuid;

  constructor(memory: Memory, ticks: () => number, cpuid: Cpuid = () => [0, 0, 0, 0]) {
    this.cpuid = cpuid;
    this.memory = memory;
    this.ticks = ticks;
  }

  /** A register as an address, or as a part of one. Stops if it is not canonical: nothing wraps around here. */
  address(register: number): number {
    const high = this.halves[register * 2 + 1] as number;
    if (high + 0x8000 > 0xffff || high < -0x8000) stop(`register ${register} holds no address`);
    return high * TWO_32 + ((this.halves[register * 2] as number) >>> 0);
  }

  setAddress(register: number, address: number): void {
    this.halves[register * 2] = address | 0;
    this.halves[register * 2 + 1] = highOf(address);
  }

  get rflags(): number {
    return (
      this.system |
      FLAG.fixed |
      this.carry |
      (this.isParityEven() ? FLAG.PF : 0) |
      (this.adjust === 0 ? 0 : FLAG.AF) |
      (this.notZero === 0 ? FLAG.ZF : 0) |
      (this.sign === 0 ? 0 : FLAG.SF) |
      (this.overflow === 0 ? 0 : FLAG.OF)
    );
  }

  set rflags(flags: number) {
    if (flags & FLAG.TF) stop('single-stepping is switched on');
    this.system = flags & LOADABLE & ~ARITHMETIC;
    this.carry = flags & FLAG.CF;
    this.parity = flags & FLAG.PF ? 0 : 1;
    this.adjust = flags & FLAG.AF;
    this.notZero = flags & FLAG.ZF ? 0 : 1;
    this.sign = flags & FLAG.SF;
    this.overflow = flags & FLAG.OF;
    this.undefinedFlags = 0;
  }

  /** A condition as the lower half of an opcode has it: odd ones are negations. */
  holds(condition: number): boolean {
    const needed = condition < 4 ? FLAG.CF : condition < 6 ? FLAG.ZF : FLAG.CF | FLAG.ZF;
    if (needed & this.undefinedFlags) stop('a condition asks for a flag that is undefined here');
    const isSet =
      ((needed & FLAG.CF) !== 0 && this.carry !== 0) || ((needed & FLAG.ZF) !== 0 && this.notZero === 0);
    return isSet !== ((condition & 1) === 1);
  }

  push(low: number, high: number): void {
    const to = this.address(RSP) - 8;
    this.memory.write64(to, low, high);
    this.setAddress(RSP, to);
  }

  pushAddress(address: number): void {
    this.push(address | 0, highOf(address));
  }

  /** Into `low` and `high`. */
  pop(): void {
    const from = this.address(RSP);
    this.loadWide(from);
    this.setAddress(RSP, from + 8);
  }

  popAddress(): number {
    this.pop();
    return this.high * TWO_32 + (this.low >>> 0);
  }

  loadWide(address: number): void {
    this.low = this.memory.read32(address);
    this.high = this.memory.read32(address + 4);
  }

  isParityEven(): boolean {
    const byte = this.parity & 0xff;
    return ((0x6996 >> ((byte ^ (byte >> 4)) & 15)) & 1) === 0;
  }
}
