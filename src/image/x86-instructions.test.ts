import { describe, expect, it } from 'vitest';
import { hex } from '../pci/slot.js';
import { ENTRY_JUMP } from './block.js';
import { assembleGuard } from './stub/guard.js';
import { assembleProgram } from './stub/program.js';
import { Decoder } from './x86-decode.js';
import { OPCODES } from './x86-instructions.js';

/** Every instruction of the stub, the jump at the kernel's entry included. */
function stubInstructions(): readonly Uint8Array[] {
  const items = [...assembleGuard().items, ...assembleProgram().items];
  const instructions = items.filter((item) => !item.isData && item.bytes.length > 0);
  return [Uint8Array.from(ENTRY_JUMP), ...instructions.map((item) => item.bytes)];
}

/** Opcodes that differ only in which register, operand size or encoding of the operands they stand for. */
function family(opcode: string): string {
  const code = Number.parseInt(opcode, 16);
  if (/^(5[0-7]|5[89a-f]|b[89a-f])$/.test(opcode)) return `${hex(code & 0xf8, 2)} + register`;
  const digit = /^8[013] \/(\d)$/.exec(opcode)?.[1];
  if (digit !== undefined) return `arithmetic ${digit}`;
  return /^[0-3][0-389ab]$/.test(opcode) ? `arithmetic ${code >> 3}` : opcode;
}

describe('the instructions', () => {
  const decoder = new Decoder();
  const used = new Set<string>();
  const refused: string[] = [];
  for (const bytes of stubInstructions()) {
    try {
      const { opcode, bytes: own } = decoder.at(bytes, 0);
      if (own.length === bytes.length) used.add(opcode);
      else refused.push(`${Buffer.from(bytes).toString('hex')} is of ${own.length} bytes here`);
    } catch (error) {
      refused.push(String(error));
    }
  }

  it('are all that the stub needs', () => {
    expect(refused).toEqual([]);
    expect(used.size).toBeGreaterThan(50);
  });

  it('are no more than the stub needs', () => {
    const needed = new Set([...used].map(family));
    expect([...OPCODES.keys()].filter((opcode) => !needed.has(family(opcode)))).toEqual([]);
  });
});
