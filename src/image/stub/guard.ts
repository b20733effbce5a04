import { BLOCK, ENTRY_64, ENTRY_BYTES, GUARD, LOADER_KEXEC, SETUP } from '../layout.js';
import { type Assembled, Assembler, m8, rel, rsi } from './assembler.js';

export interface Guard {
  readonly bytes: Uint8Array;
  /** Offsets in it of displacements that lead into the block. */
  readonly fixups: readonly number[];
  readonly items: Assembled['items'];
}

/** What stands in the free bytes before the 64-bit entry; addresses as if the block began at 0 of the image. */
export function assembleGuard(): Guard {
  const a = new Assembler();
  a.external('block', 0);
  a.external('program', BLOCK.headerBytes);
  a.external('kernel', ENTRY_64 + ENTRY_BYTES.length);
  a.data(new Uint8Array(GUARD.offset));
  a.comment('what the entry held before');
  a.plain('Cld');
  a.plain('Cli');
  a.comment('entered by kexec?');
  a.cmp(m8(rsi, SETUP.typeOfLoader), LOADER_KEXEC);
  a.j('jb', 'kernel');
  a.cmp(m8(rsi, SETUP.typeOfLoader), LOADER_KEXEC | 0xf);
  a.j('ja', 'kernel');
  a.comment('firmware loads sections, and leaves the block out');
  a.cmp(rel(32, 'block'), magicDword());
  a.label('compared');
  a.j('jne', 'kernel');
  a.jmp('program');
  a.label('jumped');
  const { bytes, labels, items } = a.assemble();
  const before = (name: string, by: number) => (labels.get(name) ?? 0) - by - GUARD.offset;
  return {
    bytes: bytes.slice(GUARD.offset),
    // The comparison's displacement stands before its 4 bytes of value, the jump's at its end.
    fixups: [before('compared', 8), before('jumped', 4)],
    items: items.filter((item) => item.address >= GUARD.offset),
  };
}

function magicDword(): number {
  return new DataView(new TextEncoder().encode(BLOCK.magic).buffer).getUint32(0, true);
}
