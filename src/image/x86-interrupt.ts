import { hex } from '../pci/slot.js';
import { type Cpu, FLAG, highOf, RSP, type TableRegister } from './x86-cpu.js';
import { stop } from './x86-stop.js';

// Interrupts and IRETQ in 64-bit mode at privilege level 0. Intel SDM volume 3, 6.14 (interrupts), 5.8 (checks).

export const VECTOR = { nmi: 2, doubleFault: 8, notPresent: 11, stack: 12, protection: 13 } as const;
const GATE_BYTES = 16;
/** Bits of a gate's and a descriptor's access byte. */
const PRESENT = 0x80;
const DPL = 0x60;
const CODE_OR_DATA = 0x10;
const EXECUTABLE = 0x08;
const WRITABLE = 0x02;
const ACCESSED = 0x01;
/** Of byte 6. */
const LONG = 0x20;
const DEFAULT_32 = 0x40;
const GATE_INTERRUPT = 0xe;
const GATE_TRAP = 0xf;
/** In error codes: the selector is one of the IDT; the event came from outside. */
const IDT_BIT = 2;
const EXTERNAL = 1;

/** Why a CPU refuses something, with the exception that it raises. */
interface Refusal {
  readonly vector: number;
  readonly errorCode: number;
  readonly why: string;
}

/**
 * Hands an NMI or an exception to its handler: `null`, or why the machine resets. What goes wrong on the way is itself
 * an exception, then a double fault, then the end.
 */
export function deliver(cpu: Cpu, vector: number, errorCode: number | undefined): string | null {
  const isFault = vector !== VECTOR.nmi;
  const first = tryDeliver(cpu, vector, errorCode, isFault);
  if (first === null) return null;
  const second = tryDeliver(cpu, first.vector, first.errorCode, true);
  if (second === null) return null;
  const third = tryDeliver(cpu, VECTOR.doubleFault, 0, true);
  return third === null ? null : `vector ${vector}: ${first.why}`;
}

function tryDeliver(
  cpu: Cpu,
  vector: number,
  errorCode: number | undefined,
  isFault: boolean,
): Refusal | null {
  const refused = (by: number, why: string): Refusal => ({
    vector: by,
    errorCode: vector * 8 + IDT_BIT + EXTERNAL,
    why,
  });
  const { idtr, memory } = cpu;
  const at = idtr.base + vector * GATE_BYTES;
  if (vector * GATE_BYTES + GATE_BYTES - 1 > idtr.limit)
    return refused(VECTOR.protection, 'the IDT ends before its gate');
  if (!memory.maps(at, GATE_BYTES)) return refused(VECTOR.protection, 'the IDT is not mapped');
  const access = memory.read8(at + 5);
  const type = access & 0xf;
  if ((access & CODE_OR_DATA) !== 0 || (type !== GATE_INTERRUPT && type !== GATE_TRAP))
    return refused(VECTOR.protection, 'its gate is none');
  if ((access & PRESENT) === 0) return refused(VECTOR.notPresent, 'its gate is not present');
  if ((memory.read8(at + 4) & 7) !== 0) stop('a gate asks for a stack of its own, and there is no TSS');
  if (memory.read32(at + 12) !== 0) stop('reserved bits of a gate are set');
  const selector = memory.read16(at + 2);
  const problem = codeProblem(cpu, selector);
  if (problem !== null) {
    const by = problem === NOT_PRESENT ? VECTOR.notPresent : VECTOR.protection;
    return { vector: by, errorCode: (selector & ~7) + EXTERNAL, why: `its gate's selector ${problem}` };
  }
  const low = memory.read16(at) | (memory.read16(at + 6) << 16);
  const handler = memory.read32(at + 8) * 0x1_0000_0000 + (low >>> 0);
  if (!isCanonical(handler)) return refused(VECTOR.protection, 'its handler has no canonical address');
  const top = cpu.address(RSP) - (((cpu.halves[RSP * 2] as number) >>> 0) % 16);
  const words = errorCode === undefined ? 5 : 6;
  if (!memory.maps(top - words * 8, words * 8))
    return { ...refused(VECTOR.stack, 'there is no stack'), errorCode: 0 };

  const { rip, rflags, ss, cs } = cpu;
  const rsp = { low: cpu.halves[RSP * 2] as number, high: cpu.halves[RSP * 2 + 1] as number };
  cpu.setAddress(RSP, top);
  cpu.push(ss, 0);
  cpu.push(rsp.low, rsp.high);
  cpu.push(isFault ? rflags | FLAG.RF : rflags, 0);
  cpu.push(cs, 0);
  cpu.pushAddress(rip);
  if (errorCode !== undefined) cpu.push(errorCode, 0);
  setAccessed(cpu, selector);
  cpu.cs = selector & ~3;
  cpu.rip = handler;
  cpu.system &= ~(FLAG.NT | FLAG.RF | (type === GATE_INTERRUPT ? FLAG.IF : 0));
  return null;
}

/** Returns to 64-bit code of the same privilege; everything else stops the run. */
export function iretq(cpu: Cpu): void {
  const rip = cpu.popAddress();
  const cs = popSelector(cpu);
  cpu.pop();
  const flags = cpu.low;
  const rsp = cpu.popAddress();
  const ss = popSelector(cpu);
  const codeWhy = (cs & 3) === 0 ? codeProblem(cpu, cs) : 'is of another privilege level';
  if (codeWhy !== null) stop(`IRETQ: code selector ${hex(cs, 1)} ${codeWhy}`);
  const stackWhy = stackProblem(cpu, ss);
  if (stackWhy !== null) stop(`IRETQ: stack selector ${hex(ss, 1)} ${stackWhy}`);
  if (!isCanonical(rip)) stop('IRETQ: the address is not canonical');
  if (cpu.system & FLAG.NT) stop('IRETQ: NT is set');
  setAccessed(cpu, cs);
  if (ss > 3) setAccessed(cpu, ss);
  cpu.cs = cs;
  cpu.ss = ss;
  cpu.rip = rip;
  cpu.rflags = flags;
  cpu.setAddress(RSP, rsp);
  cpu.nmiBlocked = false;
}

const NOT_PRESENT = 'is not present';

/** `null` if the selector names code for 64-bit mode at privilege level 0. */
function codeProblem(cpu: Cpu, selector: number): string | null {
  const at = descriptorAt(cpu.gdtr, selector);
  if (at === undefined || !cpu.memory.maps(at, 8)) return 'is not in the GDT';
  const access = cpu.memory.read8(at + 5);
  const code = CODE_OR_DATA | EXECUTABLE;
  if ((access & code) !== code) return 'names no code';
  if ((access & DPL) !== 0) return 'is of another privilege level';
  if ((cpu.memory.read8(at + 6) & (LONG | DEFAULT_32)) !== LONG) return 'names no 64-bit code';
  return (access & PRESENT) === 0 ? NOT_PRESENT : null;
}

/** A null selector will do in 64-bit mode. */
function stackProblem(cpu: Cpu, selector: number): string | null {
  if (selector === 0) return null;
  if ((selector & 3) !== 0) return 'is of another privilege level';
  const at = descriptorAt(cpu.gdtr, selector);
  if (at === undefined || !cpu.memory.maps(at, 8)) return 'is not in the GDT';
  const access = cpu.memory.read8(at + 5);
  if ((access & (CODE_OR_DATA | EXECUTABLE | WRITABLE)) !== (CODE_OR_DATA | WRITABLE))
    return 'names no writable data';
  if ((access & DPL) !== 0) return 'is of another privilege level';
  return (access & PRESENT) === 0 ? NOT_PRESENT : null;
}

/** `undefined` for the null selector, one of a local table and one behind the limit. */
function descriptorAt({ base, limit }: TableRegister, selector: number): number | undefined {
  const offset = selector & ~7;
  if (offset === 0 || (selector & 4) !== 0 || offset + 7 > limit) return undefined;
  return base + offset;
}

/** Loading a selector marks its descriptor, if that is not yet done: a write to the GDT. */
function setAccessed(cpu: Cpu, selector: number): void {
  const at = cpu.gdtr.base + (selector & ~7) + 5;
  const access = cpu.memory.read8(at);
  if ((access & ACCESSED) === 0) cpu.memory.write8(at, access | ACCESSED);
}

function popSelector(cpu: Cpu): number {
  cpu.pop();
  return cpu.low & 0xffff;
}

function isCanonical(address: number): boolean {
  const high = highOf(address) >> 15;
  return Number.isSafeInteger(address) && (high === 0 || high === -1);
}
