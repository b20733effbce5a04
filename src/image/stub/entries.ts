import { ENTRY } from '../layout.js';
import { type Assembler, eax, m32, r12, r15, rax, rbp, rbx } from './assembler.js';
import { STATE } from './state.js';

/** Runs `body` for each entry, with RBP at it; `${name}Next` goes on to the next one. R15 counts. */
export function eachEntry(a: Assembler, name: string, body: () => void): void {
  a.mov(rbp, r12);
  a.mov(eax, m32(rbx, STATE.count));
  a.mov(r15, rax);
  a.label(`${name}Loop`);
  a.sub(r15, 1);
  a.j('jb', `${name}End`);
  body();
  a.label(`${name}Next`);
  a.add(rbp, ENTRY.bytes);
  a.jmp(`${name}Loop`);
  a.label(`${name}End`);
}
