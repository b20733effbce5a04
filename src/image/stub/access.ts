import { END, PHASE, PROGRESS, TABLE, TABLE_FLAGS } from '../layout.js';
import {
  type Assembler,
  al,
  ax,
  eax,
  ecx,
  edx,
  m8,
  m16,
  m32,
  m64,
  r8d,
  r9,
  r10d,
  r11,
  r14,
  rax,
  rbx,
  rdx,
  rsp,
} from './assembler.js';
import { STATE } from './state.js';

export const CF8 = 0xcf8;
const CFC = 0xcfc;
export const ENABLE = 0x8000_0000;
const PORT_80 = 0x80;

/**
 * Every access to configuration space: counted, timed and bounded. `read` and `write` take the routing ID in ECX and
 * the offset in EDX, keep ECX, and do not come back when a bound is reached.
 */
export function emitAccess(a: Assembler): void {
  a.comment('rax: the time stamp counter');
  a.label('tsc');
  timeStamp(a);
  a.ret();

  a.comment('eax: the dword at edx');
  a.label('read');
  a.call('address');
  a.mov(edx, CFC);
  a.in(eax);
  a.inc(m32(rbx, STATE.reads));
  a.jmp('accessed');

  a.comment('the word at edx gets ax');
  a.label('write');
  a.push(rax);
  a.push(rdx);
  a.call('address');
  a.pop(rdx);
  a.pop(rax);
  a.and(edx, 2);
  a.or(edx, CFC);
  a.out(ax);
  a.inc(m32(rbx, STATE.writes));

  a.comment('r9: when it began');
  a.label('accessed');
  a.mov(r8d, eax);
  timeStamp(a);
  a.sub(rax, r9);
  a.add(m64(rbx, STATE.ioTicks), rax);
  a.mov(eax, r8d);
  a.ret();

  a.label('address');
  a.mov(r10d, edx);
  a.mov(m32(rbx, STATE.rid), ecx);
  a.sub(m32(rbx, STATE.accessesLeft), 1);
  a.mov(al, END.accesses);
  a.j('jb', 'end');
  a.call('checkTime');
  a.mov(r11, m64(r14, TABLE.slowTicks));
  a.test(r11, r11);
  a.j('je', 'select');
  a.label('slow');
  a.plain('Pause');
  timeStamp(a);
  a.sub(rax, r9);
  a.cmp(rax, r11);
  a.j('jb', 'slow');
  a.label('select');
  a.mov(eax, ecx);
  a.shl(eax, 8);
  a.and(r10d, 0xfc);
  a.or(eax, r10d);
  a.or(eax, ENABLE);
  a.mov(edx, CF8);
  a.out(eax);
  timeStamp(a);
  a.mov(r9, rax);
  a.ret();

  a.comment('leaves what it is at when its time is over; r9: now');
  a.label('checkTime');
  timeStamp(a);
  a.mov(r9, rax);
  a.sub(rax, m64(rbx, STATE.timedFrom));
  a.cmp(rax, m64(r14, TABLE.walkTicks));
  a.j('jae', 'timeOver');
  a.ret();

  a.comment('while it still looks for functions: those that were found have their turn');
  a.label('timeOver');
  a.cmp(m8(rbx, STATE.phase), PHASE.discover);
  a.mov(al, END.time);
  a.j('jne', 'end');
  a.inc(m8(rbx, STATE.cut));
  a.mov(eax, m32(rbx, STATE.rid));
  a.mov(m32(rbx, STATE.cutRid), eax);
  a.mov(rsp, m64(rbx, STATE.walkRsp));
  a.jmp('gatePhase');

  a.comment('tells port 0x80 the phase, if the policy says so');
  a.label('progress');
  a.test(m16(r14, TABLE.flags), TABLE_FLAGS.progress);
  a.j('je', 'progressEnd');
  a.mov(al, m8(rbx, STATE.phase));
  a.or(al, PROGRESS);
  a.outTo(PORT_80);
  a.label('progressEnd');
  a.ret();
}

/** RAX: the time stamp counter. */
export function timeStamp(a: Assembler): void {
  a.plain('Rdtsc');
  a.shl(rdx, 32);
  a.or(rax, rdx);
}
