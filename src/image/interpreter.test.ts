import { describe, expect, it } from 'vitest';
import { ShootdownError } from '../pci/error.js';
import { type Exit, type Injection, type MachineSetup, StubMachine } from './interpreter.js';
import { FLAG, type PortRequest, RAX, RCX, RDI, RDX, RSI, RSP } from './x86-cpu.js';

const CODE = 0x1_0000_1000;
const DATA = 0x8000;
const GDT = 0x5000;
const IDT = 0x6000;
/** Where the handlers of all vectors stand. */
const HANDLERS = 0x1_0000_3000;
const CS = 0x10;
const SS = 0x18;

interface Trial {
  readonly machine: StubMachine;
  readonly exit: Exit;
  readonly requests: readonly PortRequest[];
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function makeMachine(code: string, setup: Partial<MachineSetup> = {}): StubMachine {
  const bytes = bytesOf(code);
  const machine = new StubMachine({
    regions: [
      { name: 'code', base: CODE, bytes },
      { name: 'data', base: DATA, bytes: new Uint8Array(0x4000) },
    ],
    until: CODE + bytes.length,
    ...setup,
  });
  machine.cpu.rip = CODE;
  machine.cpu.setAddress(RSP, DATA + 0x2000);
  return machine;
}

/** Runs to the end; reads of ports give these values. */
function finish(machine: StubMachine, answers: readonly number[] = [], limit = 1000): Trial {
  const requests: PortRequest[] = [];
  const run = machine.run(limit);
  let step = run.next();
  while (!step.done) {
    requests.push(step.value);
    step = run.next(answers[requests.length - 1] ?? 0);
  }
  return { machine, exit: step.value, requests };
}

function run(code: string, setup?: Partial<MachineSetup>): Trial {
  return finish(makeMachine(code, setup));
}

describe('a run', () => {
  it('ends where it is waited for, or at the limit', () => {
    expect(run('fa fc').exit).toEqual({ kind: 'arrived', why: null, rip: CODE + 2, instructions: 2 });
    const endless = run('e9 fb ff ff ff').exit;
    expect(endless).toEqual({ kind: 'limit', why: null, rip: CODE, instructions: 1000 });
  });

  it.each([
    ['ud2', '0f 0b'],
    ['hlt', 'f4'],
    ['sti', 'fb'],
    ['wrmsr', '0f 30'],
    ['wbinvd', '0f 09'],
    ['mov cr3, rax', '0f 22 d8'],
    ['a locked instruction', 'f0 83 00 01'],
    ['a segment prefix', '65 8b 00'],
    ['a 32-bit address', '67 8b 00'],
    ['in al, dx', 'ec'],
    ['in al, imm8', 'e4 60'],
    ['out imm8, eax', 'e7 80'],
    ['jmp rcx through a far pointer', 'ff 2f'],
    ['a repeated string instruction of another kind', 'f3 48 a5'],
    ['the other repeat prefix', 'f2 a4'],
    ['the same prefix twice', '66 66 89 c0'],
    ['a prefix that means nothing here', '66 90'],
    ['iret of 32 bits', 'cf'],
    ['what ends with memory', '48 8b'],
  ])('stops at %s', (_, code) => {
    const { exit } = run(`fc ${code}`, { until: -1 });
    expect(exit).toMatchObject({ kind: 'stopped', rip: CODE + 1, instructions: 1 });
    expect(exit.why).toMatch(/^not an instruction of the stub: /);
  });

  it.each([
    ['a read', '8b 07', /^4 bytes at 1234, unmapped, are read$/],
    ['a write', '88 07', /^1 bytes at 1234, unmapped, are written$/],
    ['a jump', 'e9 00 10 00 00', /^1 bytes at 100002005, unmapped, are executed$/],
  ])('stops at %s outside of memory', (_, code, why) => {
    const machine = makeMachine(code, { until: -1 });
    machine.cpu.setAddress(RDI, 0x1234);
    expect(finish(machine).exit).toMatchObject({ kind: 'stopped', why: expect.stringMatching(why) });
  });

  it('stops at an access of which only a part is there, and writes nothing', () => {
    const machine = makeMachine('48 89 07');
    machine.cpu.setAddress(RDI, DATA + 0x3ffc);
    expect(finish(machine).exit.why).toMatch(/unmapped/);
    expect(machine.memory.changes()).toEqual([]);
  });

  it.each([
    ['the byte behind', '8a 07', 0],
    ['a dword across the end', '8b 07', -3],
    ['the byte before', '8a 07', -0x4001],
  ])('stops at %s', (_, code, from) => {
    const machine = makeMachine(code);
    machine.cpu.setAddress(RDI, DATA + 0x4000 + from);
    expect(finish(machine).exit.why).toMatch(/unmapped/);
    expect(machine.cpu.rip).toBe(CODE);
  });

  it('reads the last bytes', () => {
    const machine = makeMachine('8b 07');
    machine.cpu.setAddress(RDI, DATA + 0x3ffc);
    expect(finish(machine).exit.kind).toBe('arrived');
  });

  it('leaves a mistake of whoever answers to that one', () => {
    const run = makeMachine('ed').run(10);
    run.next();
    expect(() => run.throw(new ShootdownError('io', 'the host went away'))).toThrow('the host went away');
    const another = makeMachine('ed').run(10);
    another.next();
    const { value } = another.throw(new ShootdownError('unsupported', 'not this port'));
    expect(value).toMatchObject({ kind: 'stopped', why: 'not this port', rip: CODE });
  });

  it('stops at an address that is none', () => {
    const machine = makeMachine('8b 07');
    machine.cpu.halves[RDI * 2 + 1] = 0x1_0000;
    expect(finish(machine).exit.why).toBe('register 7 holds no address');
  });

  it('stops where the program writes to itself, but not next to it', () => {
    // fc; mov [rip - 8], al; mov [rip + 1], al; then room
    const { exit, machine } = run('fc 88 05 f9 ff ff ff');
    expect(exit.why).toBe('code that has run is written, at 100001000');
    expect(machine.memory.changes()).toEqual([]);
    const beside = run('88 05 01 00 00 00 fc 90', { until: CODE + 7 });
    expect(beside.exit.kind).toBe('arrived');
    expect(beside.machine.memory.changes()).toHaveLength(1);
  });

  it('stops at a condition on a flag that is undefined', () => {
    // shl ax, 17; then je, and jb
    expect(run('66 c1 e0 11 0f 84 00 00 00 00').exit.kind).toBe('arrived');
    expect(run('66 c1 e0 11 0f 82 00 00 00 00').exit.why).toMatch(/a flag that is undefined/);
    // inc leaves it so, add does not
    expect(run('66 c1 e0 11 ff c0 0f 82 00 00 00 00').exit.why).toMatch(/undefined/);
    expect(run('66 c1 e0 11 83 c0 01 0f 82 00 00 00 00').exit.kind).toBe('arrived');
  });

  it('stops when single-stepping is switched on', () => {
    // push rax; popfq
    const machine = makeMachine('50 9d');
    machine.cpu.setAddress(RAX, FLAG.TF);
    expect(finish(machine).exit).toMatchObject({ kind: 'stopped', rip: CODE + 1 });
  });
});

describe('REP MOVSB', () => {
  function copy(prepare: (machine: StubMachine) => void): Trial {
    const machine = makeMachine('f3 a4');
    const { cpu, memory } = machine;
    for (let i = 0; i < 8; i++) memory.write8(DATA + i, 0x81 + i);
    cpu.setAddress(RSI, DATA);
    cpu.setAddress(RDI, DATA + 0x1000);
    cpu.setAddress(RCX, 8);
    prepare(machine);
    return finish(machine);
  }

  it('copies, and leaves the registers behind the last byte', () => {
    const { machine, exit } = copy(() => {});
    expect(exit.kind).toBe('arrived');
    expect([...machine.memory.copy(DATA + 0x1000, 9)]).toEqual([
      0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0,
    ]);
    expect([RSI, RDI, RCX].map((i) => machine.cpu.address(i))).toEqual([DATA + 8, DATA + 0x1008, 0]);
  });

  it('goes byte after byte where both overlap, and does nothing for 0', () => {
    const { machine } = copy(({ cpu }) => cpu.setAddress(RDI, DATA + 2));
    expect([...machine.memory.copy(DATA, 11)]).toEqual([...Array(5).fill([0x81, 0x82]).flat(), 0]);
    const none = copy(({ cpu }) => {
      cpu.setAddress(RCX, 0);
      cpu.setAddress(RSI, 0);
    });
    expect(none.exit.kind).toBe('arrived');
  });

  it('stops when it would go backwards or out of memory', () => {
    expect(
      copy(({ cpu }) => {
        cpu.rflags = FLAG.DF;
      }).exit.why,
    ).toMatch(/DF/);
    expect(copy(({ cpu }) => cpu.setAddress(RDI, DATA + 0x4000 - 8)).exit.kind).toBe('arrived');
    expect(copy(({ cpu }) => cpu.setAddress(RDI, DATA + 0x4000 - 7)).exit.why).toMatch(/unmapped/);
  });
});

describe('ports', () => {
  it('are asked for one after the other', () => {
    // mov edx, 0xcf8; in eax, dx; out dx, ax; out 0x80, al; out dx, eax
    const machine = makeMachine('ba f8 0c 00 00 ed 66 ef e6 80 ef');
    machine.cpu.halves[RAX * 2 + 1] = -1;
    const { exit, requests } = finish(machine, [0x8765_4321]);
    expect(exit.kind).toBe('arrived');
    expect(requests).toEqual([
      { write: false, port: 0xcf8, width: 4, value: 0 },
      { write: true, port: 0xcf8, width: 2, value: 0x4321 },
      { write: true, port: 0x80, width: 1, value: 0x21 },
      { write: true, port: 0xcf8, width: 4, value: 0x8765_4321 },
    ]);
    expect(machine.cpu.address(RAX)).toBe(0x8765_4321);
  });

  it('take time', () => {
    // rdtsc; out 0x80, al; rdtsc
    const { machine } = run('0f 31 e6 80 0f 31');
    expect(machine.cpu.address(RAX)).toBe(1002);
    const late = run('0f 31', { ticks: () => 2 ** 40 + 5 }).machine.cpu;
    expect([late.address(RDX), late.address(RAX)]).toEqual([256, 5]);
  });
});

describe('memory', () => {
  it('tells what changed, and not what was put back', () => {
    // mov [rdi], al; mov [rdi + 1], al; mov [rdi + 0x1ffe], eax; mov [rdi + 0x10], al; mov [rdi + 0x10], cl
    const machine = makeMachine('88 07 88 47 01 89 87 fe 1f 00 00 88 47 10 88 4f 10');
    machine.cpu.setAddress(RDI, DATA);
    machine.cpu.setAddress(RAX, 0x0101_0101);
    finish(machine);
    expect(machine.memory.changes()).toEqual([
      { region: 'data', address: DATA, length: 2 },
      { region: 'data', address: DATA + 0x1ffe, length: 4 },
    ]);
  });

  it('lies in regions that do not overlap', () => {
    const region = { name: 'one', base: 0, bytes: new Uint8Array(2) };
    const setup = { until: 0, regions: [region, { ...region, name: 'two', base: 1 }] };
    expect(() => new StubMachine(setup)).toThrow('one and two overlap');
    expect(() => new StubMachine({ until: 0, regions: [] })).toThrow('no memory');
  });
});

interface Tables {
  /** Of the code that gates lead to, and of the stack. */
  readonly code?: bigint;
  readonly stack?: bigint;
  readonly gdtLimit?: number;
  readonly idtLimit?: number;
  /** Byte 5 of the gate of a vector; 0x8e by default. */
  readonly gates?: Readonly<Record<number, number>>;
  readonly selector?: number;
  /** Byte 4 of all gates: the stack that they ask for. */
  readonly gateStack?: number;
  /** The last dword of all gates. */
  readonly gateReserved?: number;
  readonly handlers?: number;
  readonly ss?: number;
  readonly rsp?: number;
  readonly rflags?: number;
}

const CODE_DESCRIPTOR = 0x00af_9b00_0000_ffffn;
const DATA_DESCRIPTOR = 0x00cf_9300_0000_ffffn;

/** Four times cld; the handlers, 16 bytes apart, return unless they are given. */
function interrupted(injections: readonly Injection[], tables: Tables = {}, handler = '48 cf'): Trial {
  const gdt = new Uint8Array(0x20);
  const gdtView = new DataView(gdt.buffer);
  gdtView.setBigUint64(CS, tables.code ?? CODE_DESCRIPTOR, true);
  gdtView.setBigUint64(SS, tables.stack ?? DATA_DESCRIPTOR, true);
  const idt = new Uint8Array(0x200);
  const idtView = new DataView(idt.buffer);
  for (let vector = 0; vector < 32; vector++) {
    const address = (tables.handlers ?? HANDLERS) + vector * 16;
    idtView.setUint16(vector * 16, address & 0xffff, true);
    idtView.setUint16(vector * 16 + 2, tables.selector ?? CS, true);
    idtView.setUint8(vector * 16 + 4, tables.gateStack ?? 0);
    idtView.setUint32(vector * 16 + 12, tables.gateReserved ?? 0, true);
    idtView.setUint8(vector * 16 + 5, tables.gates?.[vector] ?? 0x8e);
    idtView.setUint16(vector * 16 + 6, (address >>> 16) & 0xffff, true);
    idtView.setUint32(vector * 16 + 8, Math.floor(address / 2 ** 32), true);
  }
  const handlers = new Uint8Array(0x200);
  for (let at = 0; at < handlers.length; at += 16) handlers.set(bytesOf(handler), at);
  const machine = new StubMachine({
    regions: [
      { name: 'code', base: CODE, bytes: bytesOf('fc fc fc fc') },
      { name: 'handlers', base: HANDLERS, bytes: handlers },
      { name: 'data', base: DATA, bytes: new Uint8Array(0x4000) },
      { name: 'GDT', base: GDT, bytes: gdt },
      { name: 'IDT', base: IDT, bytes: idt },
    ],
    until: CODE + 4,
    injections,
  });
  const { cpu } = machine;
  cpu.rip = CODE;
  cpu.setAddress(RSP, tables.rsp ?? DATA + 0x1ffb);
  cpu.rflags = tables.rflags ?? FLAG.IF | FLAG.ZF | FLAG.CF;
  cpu.cs = CS;
  cpu.ss = tables.ss ?? SS;
  cpu.gdtr = { base: GDT, limit: tables.gdtLimit ?? 0x1f };
  cpu.idtr = { base: IDT, limit: tables.idtLimit ?? 0x1ff };
  return finish(machine, [], 50);
}

/** From the top of the stack down, as far as something was pushed. */
function frame({ machine }: Trial, words: number): number[] {
  return Array.from({ length: words }, (_, i) => {
    const at = DATA + 0x1ff0 - (i + 1) * 8;
    return machine.memory.read32(at) + machine.memory.read32(at + 4) * 2 ** 32;
  });
}

describe('an interrupt', () => {
  const NMI = { before: 2, vector: 2 };

  it('goes through the IDT and back', () => {
    const trial = interrupted([NMI]);
    const { exit, machine } = trial;
    expect(exit).toMatchObject({ kind: 'arrived', instructions: 5 });
    const flags = FLAG.IF | FLAG.ZF | FLAG.CF | FLAG.fixed;
    expect(frame(trial, 5)).toEqual([SS, DATA + 0x1ffb, flags, CS, CODE + 2]);
    expect(machine.cpu.rflags).toBe(flags);
    expect(machine.cpu.address(RSP)).toBe(DATA + 0x1ffb);
    expect(machine.executed()).toContain(HANDLERS + 0x20);
  });

  it('pushes an error code, and a flag that says that it was a fault', () => {
    // The handler goes on to where the run ends.
    const trial = interrupted(
      [{ before: 1, vector: 14, errorCode: 2 }],
      { rflags: FLAG.IF },
      '9c e9 1e df ff ff',
    );
    const flags = FLAG.IF | FLAG.fixed;
    expect(trial.exit).toMatchObject({ kind: 'arrived', instructions: 3 });
    expect(frame(trial, 7)).toEqual([SS, DATA + 0x1ffb, flags | FLAG.RF, CS, CODE + 1, 2, FLAG.fixed]);
  });

  it('leaves IF alone through a trap gate', () => {
    const trial = interrupted([NMI], { gates: { 2: 0x8f } }, '9c 58 48 cf');
    expect(trial.exit.kind).toBe('arrived');
    expect(trial.machine.cpu.address(RAX) & FLAG.IF).toBe(FLAG.IF);
    expect(interrupted([NMI], {}, '9c 58 48 cf').machine.cpu.address(RAX) & FLAG.IF).toBe(0);
  });

  it('of the non-maskable kind waits for the end of another, and a third is lost', () => {
    const one = interrupted([NMI], {}, 'fc fc fc 48 cf').exit.instructions;
    expect(one).toBe(8);
    const several = [NMI, { before: 3, vector: 2 }, { before: 4, vector: 2 }];
    const { exit } = interrupted(several, {}, 'fc fc fc 48 cf');
    expect(exit).toMatchObject({ kind: 'arrived', instructions: 12 });
  });

  it('marks the descriptor that it uses', () => {
    const { machine } = interrupted([NMI], { code: 0x00af_9a00_0000_ffffn, stack: 0x00cf_9200_0000_ffffn });
    const marked = machine.memory.changes().filter(({ region }) => region === 'GDT');
    expect(marked.map(({ address }) => address)).toEqual([GDT + CS + 5, GDT + SS + 5]);
  });

  it('does with a null selector for the stack', () => {
    const trial = interrupted([NMI], { ss: 0 });
    expect(trial.exit.kind).toBe('arrived');
    expect(frame(trial, 1)).toEqual([0]);
  });

  it.each<[string, Tables, string]>([
    ['there is no IDT', { idtLimit: 0 }, 'the IDT ends before its gate'],
    ['a gate is cut short', { idtLimit: 0x2e }, 'the IDT ends before its gate'],
    ['gates are not present', { gates: { 2: 0x0e, 11: 0x0e, 8: 0x0e } }, 'its gate is not present'],
    ['a gate is of another kind', { gates: { 2: 0x8c, 13: 0x8c, 8: 0x8c } }, 'its gate is none'],
    ['the selector is null', { selector: 0 }, "its gate's selector is not in the GDT"],
    ['the selector lies behind the GDT', { gdtLimit: 0x16 }, "its gate's selector is not in the GDT"],
    ['the selector is of a local table', { selector: CS | 4 }, "its gate's selector is not in the GDT"],
    ['the selector names data', { selector: SS }, "its gate's selector names no code"],
    ['the code is of 32 bits', { code: 0x00cf_9b00_0000_ffffn }, "its gate's selector names no 64-bit code"],
    ['the code is not present', { code: 0x00af_1b00_0000_ffffn }, "its gate's selector is not present"],
    ['the code is less privileged', { code: 0x00af_fb00_0000_ffffn }, 'is of another privilege level'],
    ['there is no stack', { rsp: 0x5555_5558 }, 'there is no stack'],
    ['the handler has no address', { handlers: 2 ** 47 }, 'its handler has no canonical address'],
  ])('resets the machine if %s', (_, tables, why) => {
    const { exit } = interrupted([NMI], tables);
    expect(exit).toMatchObject({ kind: 'reset', rip: CODE + 2, instructions: 2 });
    expect(exit.why).toContain(why);
  });

  it.each<[string, Tables, string]>([
    ['a stack of its own', { gateStack: 1 }, 'a gate asks for a stack of its own, and there is no TSS'],
    ['reserved bits', { gateReserved: 0x100 }, 'reserved bits of a gate are set'],
  ])('stops at a gate with %s', (_, tables, why) => {
    expect(interrupted([NMI], tables).exit).toMatchObject({ kind: 'stopped', rip: CODE + 2, why });
  });

  it('that cannot be delivered becomes another one', () => {
    // The handler goes on to where the run ends.
    const trial = interrupted([NMI], { gates: { 2: 0x0e } }, 'e9 4f df ff ff');
    expect(trial.machine.executed()).toContain(HANDLERS + 11 * 16);
    expect(frame(trial, 6)[5]).toBe(2 * 8 + 2 + 1);
    const twice = interrupted([NMI], { gates: { 2: 0x8c, 13: 0x0e } }, 'fc');
    expect(twice.machine.executed()).toContain(HANDLERS + 8 * 16);
  });
});

describe('IRETQ', () => {
  /** Returns with a frame of one's own. */
  function iret(
    words: readonly number[],
    tables?: { readonly code?: bigint; readonly stack?: bigint; readonly flags?: number },
  ): Exit {
    const gdt = new Uint8Array(0x20);
    const view = new DataView(gdt.buffer);
    view.setBigUint64(CS, tables?.code ?? CODE_DESCRIPTOR, true);
    view.setBigUint64(SS, tables?.stack ?? DATA_DESCRIPTOR, true);
    const code = bytesOf('48 cf');
    const machine = new StubMachine({
      regions: [
        { name: 'code', base: CODE, bytes: code },
        { name: 'data', base: DATA, bytes: new Uint8Array(0x100) },
        { name: 'GDT', base: GDT, bytes: gdt },
      ],
      until: CODE + 2,
    });
    for (const [i, word] of words.entries())
      machine.memory.write64(DATA + i * 8, word | 0, Math.floor(word / 2 ** 32));
    machine.cpu.rip = CODE;
    machine.cpu.rflags = tables?.flags ?? 0;
    machine.cpu.gdtr = { base: GDT, limit: 0x1f };
    machine.cpu.setAddress(RSP, DATA);
    return finish(machine).exit;
  }

  it('returns to code of the same kind, with or without a stack selector', () => {
    expect(iret([CODE + 2, CS, 2, DATA, SS]).kind).toBe('arrived');
    expect(iret([CODE + 2, CS, 2, DATA, 0]).kind).toBe('arrived');
  });

  it.each([
    ['no code selector', [CODE + 2, 0, 2, DATA, SS], 'code selector 0 is not in the GDT'],
    ['a selector behind the GDT', [CODE + 2, 0x20, 2, DATA, SS], 'code selector 20 is not in the GDT'],
    ['data for code', [CODE + 2, SS, 2, DATA, SS], 'code selector 18 names no code'],
    ['user code', [CODE + 2, CS | 3, 2, DATA, SS], 'code selector 13 is of another privilege level'],
    ['code for a stack', [CODE + 2, CS, 2, DATA, CS], 'stack selector 10 names no writable data'],
    ['a user stack', [CODE + 2, CS, 2, DATA, SS | 3], 'stack selector 1b is of another privilege level'],
    ['a stack behind the GDT', [CODE + 2, CS, 2, DATA, 0x28], 'stack selector 28 is not in the GDT'],
    ['no canonical address', [2 ** 47, CS, 2, DATA, SS], 'the address is not canonical'],
  ])('stops at %s', (_, words, why) => {
    expect(iret(words)).toMatchObject({ kind: 'stopped', rip: CODE, why: `IRETQ: ${why}` });
  });

  it('stops while NT is set, which makes it a task switch', () => {
    expect(iret([CODE + 2, CS, 2, DATA, SS], { flags: FLAG.NT }).why).toBe('IRETQ: NT is set');
  });

  it('stops at a stack that is not present or is of another level, and at 32-bit code', () => {
    const words = [CODE + 2, CS, 2, DATA, SS];
    expect(iret(words, { stack: 0x00cf_1300_0000_ffffn }).why).toMatch(/stack selector 18 is not present/);
    expect(iret(words, { stack: 0x00cf_f300_0000_ffffn }).why).toMatch(/stack .* another privilege level/);
    expect(iret(words, { stack: 0x00cf_9100_0000_ffffn }).why).toMatch(/names no writable data/);
    expect(iret(words, { code: 0x00cf_9b00_0000_ffffn }).why).toMatch(/names no 64-bit code/);
  });
});
