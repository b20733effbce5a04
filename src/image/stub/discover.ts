import { BUS_FLAGS, KNOWN, TABLE, TABLE_FLAGS } from '../layout.js';
import {
  type Assembler,
  al,
  ax,
  cl,
  eax,
  ecx,
  edx,
  m8,
  m16,
  m32,
  m64,
  r8,
  r14,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
} from './assembler.js';
import { emitCapabilities } from './capabilities.js';
import { emitDecide } from './decide.js';
import { BUS, BUS_SEEN, STATE } from './state.js';
import { emitVisit } from './visit.js';

/**
 * Top-down. A bridge leads only to a bus with a higher number than its own, so one way through the buses in their
 * order sees each bridge before the bus behind it.
 */
export function emitDiscover(a: Assembler): void {
  a.label('discover');
  a.mov(m32(rbx, STATE.bus), 0);
  a.label('busLoop');
  a.mov(ecx, m32(rbx, STATE.bus));
  a.comment('rdi: this bus; eax: what the table says of it');
  a.lea(rdi, m64(rbx, STATE.bus0, rcx, BUS.bytes));
  a.movzx(eax, m8(r14, TABLE.busFlags, rcx));
  a.test(m8(rdi, BUS.flags), BUS_SEEN.scan);
  a.j('jne', 'busScan');
  a.test(m8(rdi, BUS.flags), BUS_SEEN.blocked);
  a.j('jne', 'busNext');
  a.comment('no bridge leads to it: listed, or every bus is wanted');
  a.test(eax, BUS_FLAGS.root | BUS_FLAGS.listed);
  a.j('jne', 'busParent');
  a.test(m16(r14, TABLE.flags), TABLE_FLAGS.scanAll);
  a.j('je', 'busNext');
  a.comment('its bridge is the one with the nearest lower secondary bus whose range reaches this bus');
  a.label('busParent');
  a.mov(edx, ecx);
  a.label('parentLoop');
  a.test(edx, edx);
  a.j('je', 'busScan');
  a.lea(rsi, m64(rbx, STATE.bus0, rdx, BUS.bytes));
  a.sub(edx, 1);
  a.test(m8(rsi, BUS.flags), BUS_SEEN.scan);
  a.j('je', 'parentLoop');
  a.cmp(m8(rsi, BUS.subordinate), cl);
  a.j('jb', 'parentLoop');
  a.mov(ax, m16(rsi, BUS.parent));
  a.mov(m16(rdi, BUS.parent), ax);
  a.mov(al, m8(rsi, BUS.depth));
  a.mov(m8(rdi, BUS.depth), al);

  a.label('busScan');
  a.inc(m32(rbx, STATE.buses));
  a.shl(ecx, 8);
  a.label('functionLoop');
  a.call('visit');
  a.mov(eax, ecx);
  a.shr(eax, 8);
  a.lea(rdi, m64(rbx, STATE.bus0, rax, BUS.bytes));
  a.test(m8(r14, TABLE.busFlags, rax), BUS_FLAGS.everyRid);
  a.j('jne', 'functionNext');
  a.comment('functions 1 to 7 only where function 0 is there and says so');
  a.test(ecx, 7);
  a.j('jne', 'functionInc');
  a.cmp(m8(rbx, STATE.here), 0);
  a.j('je', 'deviceInc');
  a.cmp(m8(rbx, STATE.multi), 0);
  a.j('jne', 'functionInc');
  a.comment('or where another function of the device was known');
  a.label('deviceInc');
  a.cmp(m32(rbx, STATE.knownLeft), 0);
  a.j('je', 'deviceSkip');
  a.mov(r8, m64(rbx, STATE.knownNext));
  a.movzx(eax, m16(r8, KNOWN.rid));
  a.xor(eax, ecx);
  a.cmp(eax, 7);
  a.j('jbe', 'functionInc');
  a.label('deviceSkip');
  a.or(ecx, 7);
  a.label('functionInc');
  a.test(m8(rdi, BUS.flags), BUS_SEEN.oneDevice);
  a.j('je', 'functionNext');
  a.mov(eax, ecx);
  a.and(eax, 0xff);
  a.cmp(eax, 7);
  a.j('jae', 'busNext');
  a.label('functionNext');
  a.add(ecx, 1);
  a.test(ecx, 0xff);
  a.j('jne', 'functionLoop');
  a.label('busNext');
  a.inc(m32(rbx, STATE.bus));
  a.cmp(m32(rbx, STATE.bus), 256);
  a.j('jb', 'busLoop');
  a.ret();

  emitVisit(a);
  emitCapabilities(a);
  emitDecide(a);
}
