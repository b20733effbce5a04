import { type Cpu, FLAG, RAX, RBX, RCX, RDI, RDX, RSI } from './x86-cpu.js';
import { narrowRegister, type Operands } from './x86-operands.js';
import { stop } from './x86-stop.js';

// Flags, ports, descriptor tables, the time stamp counter and REP MOVSB.

type Run = (cpu: Cpu) => void;

export function popFlags(cpu: Cpu): void {
  cpu.pop();
  cpu.rflags = cpu.low;
}

export function clear(flag: number): Run {
  return (cpu) => {
    cpu.system &= ~flag;
  };
}

function portIn(cpu: Cpu): number {
  return cpu.words[RDX * 4] as number;
}

export function readPort(cpu: Cpu): void {
  cpu.request = { write: false, port: portIn(cpu), width: 4, value: 0 };
}

export function writePort(at: Operands): Run {
  if (at.bits === 64) return at.unknown();
  const width = at.bits === 16 ? 2 : 4;
  const { get } = narrowRegister(RAX, width === 2 ? 16 : 32, false);
  return (cpu) => {
    cpu.request = { write: true, port: portIn(cpu), width, value: get(cpu) };
  };
}

export function writePortByte(port: number): Run {
  return (cpu) => {
    cpu.request = { write: true, port, width: 1, value: cpu.bytes[RAX * 8] as number };
  };
}

export function moveFromSegment(at: Operands): Run {
  const { register, target } = at.modrm();
  const segment = register & 7;
  if (target.kind !== 'register' || (segment !== 1 && segment !== 2)) return at.unknown();
  const { set } = narrowRegister(target.register, 32, at.rex);
  return (cpu) => set(cpu, segment === 1 ? cpu.cs : cpu.ss);
}

function addressIn(at: Operands): (cpu: Cpu) => number {
  const { target } = at.modrm();
  return target.kind === 'memory' ? target.at : at.unknown();
}

export function storeTable(at: Operands, table: 'gdtr' | 'idtr'): Run {
  const address = addressIn(at);
  return (cpu) => {
    const { base, limit } = cpu[table];
    const to = address(cpu);
    cpu.memory.write16(to, limit);
    cpu.memory.write64(to + 2, base | 0, Math.floor(base / 0x1_0000_0000) | 0);
  };
}

export function loadTable(at: Operands, table: 'gdtr' | 'idtr'): Run {
  const address = addressIn(at);
  return (cpu) => {
    const from = address(cpu);
    cpu.loadWide(from + 2);
    const base = cpu.high * 0x1_0000_0000 + (cpu.low >>> 0);
    cpu[table] = { base, limit: cpu.memory.read16(from) };
  };
}

export function readTimeStamp(cpu: Cpu): void {
  const ticks = cpu.ticks();
  cpu.setAddress(RAX, ticks % 0x1_0000_0000);
  cpu.setAddress(RDX, Math.floor(ticks / 0x1_0000_0000));
}

export function identify(cpu: Cpu): void {
  const values = cpu.cpuid(cpu.halves[RAX * 2] as number, cpu.halves[RCX * 2] as number);
  [RAX, RBX, RCX, RDX].forEach((register, i) => {
    cpu.halves[register * 2] = values[i] as number;
    cpu.halves[register * 2 + 1] = 0;
  });
}

export function repeatMove(cpu: Cpu): void {
  if (cpu.system & FLAG.DF) stop('REP MOVSB with DF set');
  let count = cpu.address(RCX);
  let from = cpu.address(RSI);
  let to = cpu.address(RDI);
  if (count < 0) stop('REP MOVSB has no end');
  for (; count > 0; count--) cpu.memory.write8(to++, cpu.memory.read8(from++));
  cpu.setAddress(RCX, 0);
  cpu.setAddress(RSI, from);
  cpu.setAddress(RDI, to);
}
