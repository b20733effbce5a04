import { describe, expect, it } from 'vitest';
import { type Exit, StubMachine } from './interpreter.js';
import vectors from './interpreter-vectors.json' with { type: 'json' };
import { ARITHMETIC, type Cpu, FLAG, RAX, RCX } from './x86-cpu.js';

// Arithmetic and its flags against what a CPU did; interpreter-vectors.json says how that was made.

const CODE = 0x1000;

interface Outcome {
  readonly exit: Exit;
  readonly cpu: Cpu;
}

/** Executes one instruction. */
function execute(code: Uint8Array, prepare: (cpu: Cpu) => void): Outcome {
  const machine = new StubMachine({
    regions: [{ name: 'code', base: CODE, bytes: code }],
    until: CODE + code.length,
  });
  machine.cpu.rip = CODE;
  prepare(machine.cpu);
  const step = machine.run(1).next();
  if (!step.done) throw new Error('it accesses a port');
  return { exit: step.value, cpu: machine.cpu };
}

function setRegister(cpu: Cpu, register: number, value: bigint): void {
  cpu.halves[register * 2] = Number(BigInt.asIntN(32, value));
  cpu.halves[register * 2 + 1] = Number(BigInt.asIntN(32, value >> 32n));
}

function register(cpu: Cpu, number: number): string {
  return new BigUint64Array(cpu.halves.buffer)[number]?.toString(16) ?? '';
}

/** What the manual leaves undefined. */
function undefinedAfter(op: string, bits: number, count: number): number {
  if (op === 'and' || op === 'or' || op === 'xor' || op === 'test') return FLAG.AF;
  if (op !== 'shl' && op !== 'shr') return 0;
  const n = count & (bits === 64 ? 63 : 31);
  if (n === 0) return 0;
  return FLAG.AF | (n === 1 ? 0 : FLAG.OF) | (n > bits ? FLAG.CF : 0);
}

describe('against hardware', () => {
  for (const bits of [8, 16, 32, 64]) {
    it(`computes ${bits} bits and flags as a CPU does`, () => {
      const groups = vectors.groups.filter((group) => group.bits === bits);
      expect(groups.length).toBeGreaterThanOrEqual(8);
      for (const { op, code, cases } of groups) {
        const bytes = Uint8Array.from(Buffer.from(code, 'hex'));
        const unsure = undefinedAfter(op, bits, bytes.at(-1) ?? 0);
        for (const line of cases) {
          const [a, b, before, result, after] = line.split(' ').map((text) => BigInt(`0x${text}`));
          const { exit, cpu } = execute(bytes, (it) => {
            setRegister(it, RAX, a ?? 0n);
            setRegister(it, RCX, b ?? 0n);
            it.rflags = Number(before);
          });
          const seen = {
            kind: exit.kind,
            rax: register(cpu, RAX),
            rcx: register(cpu, RCX),
            flags: cpu.rflags & ARITHMETIC & ~unsure,
            unsure: cpu.undefinedFlags,
          };
          expect(seen, `${op} ${code}: ${line}`).toEqual({
            kind: 'arrived',
            rax: result?.toString(16),
            rcx: b?.toString(16),
            flags: Number(after) & ~unsure,
            unsure,
          });
        }
      }
    });
  }

  it('judges conditions as a CPU does', () => {
    for (const line of vectors.conditions.cases) {
      const [flags, mask] = line.split(' ').map((text) => Number.parseInt(text, 16));
      for (let condition = 2; condition < 8; condition++) {
        const code = new Uint8Array(0x40);
        code.set([0x0f, 0x80 + condition, 0x10, 0, 0, 0]);
        const { cpu } = execute(code, (it) => {
          it.rflags = flags ?? 0;
        });
        const taken = cpu.rip === CODE + 6 + 0x10;
        expect(taken, `${line}, condition ${condition}`).toBe(((mask ?? 0) >> condition) % 2 === 1);
      }
    }
  });
});
