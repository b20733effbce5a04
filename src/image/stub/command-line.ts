import { BOOT_PARAMS, SETUP } from '../layout.js';
import {
  type Assembler,
  al,
  ecx,
  edi,
  edx,
  m8,
  m32,
  m64,
  r8,
  r10,
  rbx,
  rcx,
  rdi,
  rel,
  rsi,
  rsp,
} from './assembler.js';
import { MODE, STATE } from './state.js';

/** Of the command line, at most. Linux itself takes 2048 on x86. */
const COMMAND_LINE_MAX = 2048;

const WORDS: readonly (readonly [string, number])[] = [
  ['shootdown=off', MODE.off],
  ['shootdown=observe', MODE.observe],
  ['shootdown=on', MODE.on],
  // What was meant is not known: look, and write nothing.
  ['shootdown=', MODE.observe],
  ['elfcorehdr=', MODE.crash],
];

/** Sets `mode` and `crash` from the new kernel's command line; of words that contradict each other the last counts. */
export function emitCommandLine(a: Assembler): void {
  a.label('commandLine');
  a.mov(r8, m64(rbx, STATE.rsi));
  a.mov(edi, m32(r8, SETUP.cmdLinePtr));
  a.mov(ecx, m32(r8, BOOT_PARAMS.extCmdLinePtr));
  a.shl(rcx, 32);
  a.or(rdi, rcx);
  a.j('je', 'commandLineEnd');
  a.comment('r10: never read at or behind this');
  a.lea(r10, m64(rdi, COMMAND_LINE_MAX));
  a.label('wordStart');
  for (const [index, [word]] of WORDS.entries()) {
    a.lea(rsi, rel(64, `word${index}`));
    a.mov(edx, word.length);
    a.call('matchWord');
    a.j('je', `found${index}`);
  }
  a.comment('to the next blank');
  a.label('wordSkip');
  a.cmp(rdi, r10);
  a.j('jae', 'commandLineEnd');
  a.mov(al, m8(rdi));
  a.test(al, al);
  a.j('je', 'commandLineEnd');
  a.add(rdi, 1);
  a.cmp(al, 0x20);
  a.j('ja', 'wordSkip');
  a.jmp('wordStart');
  for (const [index, [, mode]] of WORDS.entries()) {
    a.label(`found${index}`);
    if (mode === MODE.crash) a.mov(m8(rbx, STATE.crash), 1);
    else a.mov(m8(rbx, STATE.mode), mode);
    a.jmp('wordSkip');
  }
  a.label('commandLineEnd');
  a.ret();

  a.comment('equal if edx bytes at rsi stand at rdi, up to a blank or the end unless they end in =');
  a.label('matchWord');
  a.mov(r8, rdi);
  a.label('matchByte');
  a.cmp(r8, r10);
  a.j('jae', 'matchNot');
  a.mov(al, m8(r8));
  a.cmp(al, m8(rsi));
  a.j('jne', 'matchReturn');
  a.add(r8, 1);
  a.add(rsi, 1);
  a.sub(edx, 1);
  a.j('jne', 'matchByte');
  a.cmp(al, 0x3d);
  a.j('je', 'matchReturn');
  a.comment('a word that the bound cuts off counts as whole');
  a.cmp(r8, r10);
  a.j('jae', 'matchYes');
  a.cmp(m8(r8), 0x20);
  a.j('ja', 'matchNot');
  a.label('matchYes');
  a.cmp(al, al);
  a.ret();
  a.label('matchNot');
  a.test(rsp, rsp);
  a.label('matchReturn');
  a.ret();
  for (const [index, [word]] of WORDS.entries()) {
    a.label(`word${index}`);
    a.data(new TextEncoder().encode(word));
  }
}
