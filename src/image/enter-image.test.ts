import { describe, expect, it } from 'vitest';
import { ENTRY_JUMP } from './block.js';
import { runOnBus } from './config-ports.js';
import { type ImageEntry, ImageRun } from './enter-image.js';
import type { Exit } from './interpreter.js';
import { BOOT_PARAMS, ENTRY_64, GUARD, SETUP } from './layout.js';
import { FLAG, RSI } from './x86-cpu.js';

const INIT_SIZE = 0x4000;
const LOAD = 0x100_0000;
const PARAMS = 0x9_0000;
const nothing = { read: () => 0xffff_ffff, write: () => {} };

/** Enters an image that runs this and then goes on with the kernel. */
function enter(code: string, options: Partial<ImageEntry> = {}): { run: ImageRun; exit: Exit } {
  const image = new Uint8Array(0x1000);
  const bytes = Buffer.from(code.replaceAll(' ', ''), 'hex');
  const jump = GUARD.offset + bytes.length;
  image.set(bytes, GUARD.offset);
  image.set([0xe9], jump);
  new DataView(image.buffer).setInt32(jump + 1, ENTRY_64 + 2 - (jump + 5), true);
  image.set(ENTRY_JUMP, ENTRY_64);
  const bootParams = new Uint8Array(BOOT_PARAMS.size);
  new DataView(bootParams.buffer).setUint32(SETUP.initSize, INIT_SIZE, true);
  const run = new ImageRun({ code: image, bootParams, ...options });
  return { run, exit: runOnBus(run.run(1000), nothing) };
}

describe('an image that is entered', () => {
  it('finds what a kexec loader leaves', () => {
    const { run, exit } = enter('fc fa', { commandLine: 'quiet' });
    expect(exit).toEqual({ kind: 'arrived', why: null, rip: LOAD + 0x202, instructions: 4 });
    expect(run.disturbed()).toEqual([]);
    expect(run.stray([])).toEqual([]);
    const { memory, cpu } = run.machine;
    expect(cpu.address(RSI)).toBe(PARAMS);
    expect(cpu.idtr).toEqual({ base: 0, limit: 0 });
    expect(memory.read8(PARAMS + SETUP.typeOfLoader)).toBe(0xd0);
    const line = memory.read32(PARAMS + SETUP.cmdLinePtr);
    expect(Buffer.from(memory.copy(line, 6)).toString()).toBe('quiet\0');
    expect(memory.maps(line, 7)).toBe(false);
    expect(memory.maps(LOAD, INIT_SIZE)).toBe(true);
    expect(memory.maps(LOAD, INIT_SIZE + 1)).toBe(false);
  });

  it('may lie above 4 GiB, have no command line and be entered by something else', () => {
    const high = { loadAddress: 0x1_4000_0000, commandLineAddress: 0x2_0000_1000, loaderType: 0x72 };
    const { run, exit } = enter('fc fa', high);
    expect(exit).toMatchObject({ kind: 'arrived', rip: 0x1_4000_0202 });
    const { memory } = run.machine;
    expect(memory.read32(PARAMS + SETUP.cmdLinePtr)).toBe(0);
    expect(memory.read8(PARAMS + SETUP.typeOfLoader)).toBe(0x72);
    const other = enter('fc fa', { ...high, commandLine: Uint8Array.of(1, 2) }).run.machine.memory;
    expect(other.read32(PARAMS + SETUP.cmdLinePtr)).toBe(0x1000);
    expect(other.read32(PARAMS + BOOT_PARAMS.extCmdLinePtr)).toBe(2);
    expect([...other.copy(0x2_0000_1000, 2)]).toEqual([1, 2]);
  });

  it('may have the descriptor table within', () => {
    const { run } = enter('fc fa', { gdtAddress: LOAD + 0x2000 });
    expect(run.machine.cpu.gdtr.base).toBe(LOAD + 0x2000);
    expect(run.machine.memory.read8(LOAD + 0x2000 + 0x10 + 5)).toBe(0x9b);
    expect(run.stray([])).toEqual([]);
  });

  it('has no stack', () => {
    expect(enter('50').exit).toMatchObject({ kind: 'stopped', why: expect.stringMatching(/unmapped/) });
  });

  it.each([
    ['a register', '41 bf 01 00 00 00', 'register 15'],
    ['the upper half of a register', '89 c0', 'register 0'],
    ['the GDT', '0f 01 56 08', 'GDT base: 0 for 80040'],
    ['the IDT', '0f 01 5e 00', 'IDT limit: 1 for 0'],
  ])('that leaves %s changed is told so', (_, code, line) => {
    const bootParams = new Uint8Array(BOOT_PARAMS.size);
    bootParams[0] = 1;
    new DataView(bootParams.buffer).setUint32(SETUP.initSize, INIT_SIZE, true);
    const { run, exit } = enter(code, { bootParams });
    expect(exit.kind).toBe('arrived');
    expect(run.disturbed()).toContain(line);
  });

  it('that leaves a flag or port 0xCF8 changed is told so', () => {
    // pushfq; pop rax; or eax, AC; push rax; popfq
    const flags = enter('9c 58 81 c8 00 00 04 00 50 9d', { rsp: PARAMS + 0x800 });
    expect(flags.exit.kind).toBe('arrived');
    expect(flags.run.disturbed()).toContain('flags: 240002 for 200002');
    // mov edx, 0xcf8; out dx, eax
    const { run } = enter('ba f8 0c 00 00 ef', { cf8: 0x8000_1234 });
    expect(run.disturbed()).toContain('port cf8: f2cda883 for 80001234');
  });

  it('need not put back what CLD, CLI and arithmetic change', () => {
    const { run } = enter('fc fa 40 38 c0', { rflags: FLAG.IF | FLAG.DF | FLAG.CF });
    expect(run.disturbed()).toEqual([]);
  });

  it('that leaves a byte changed where it must not is told so', () => {
    // mov dword [rsi + 0x10], eax
    const { run } = enter('89 46 10');
    expect(run.stray([])).toEqual([{ region: 'boot_params', address: PARAMS + 0x10, length: 4 }]);
    expect(run.stray([{ address: PARAMS + 0x10, length: 4 }])).toEqual([]);
    expect(run.stray([{ address: PARAMS, length: 0x11 }])).toEqual([
      { region: 'boot_params', address: PARAMS + 0x11, length: 3 },
    ]);
    expect(run.stray([{ address: PARAMS + 0x11, length: 1 }])).toEqual([
      { region: 'boot_params', address: PARAMS + 0x10, length: 1 },
      { region: 'boot_params', address: PARAMS + 0x12, length: 2 },
    ]);
  });
});
