import * as regs from '../../pci/regs.js';
import { END, ENTRY, ENTRY_FLAGS, OUTCOME, PENDING, PENDING_KIND, TABLE, TABLE_FLAGS } from '../layout.js';
import {
  type Assembler,
  al,
  ax,
  eax,
  ecx,
  edx,
  esi,
  m8,
  m16,
  m32,
  m64,
  r12,
  r14,
  rax,
  rbp,
  rbx,
} from './assembler.js';
import { eachEntry } from './entries.js';
import { emitMessages } from './messages.js';
import { ENTRY_SHIFT, MODE, STATE } from './state.js';

/** Between two rounds of polls: some 5 to 10 microseconds. */
const PAUSES = 256;

/** Leaf to root: what is no bridge before bridges, deeper before shallower, virtual before physical. */
export function emitPasses(a: Assembler): void {
  a.label('gateAll');
  a.comment('what is preserved is left alone, whatever its own rule says');
  eachEntry(a, 'settle', () => {
    a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.preserve);
    a.j('je', 'settleNext');
    a.mov(m8(rbp, ENTRY.outcome), OUTCOME.preserve);
    a.and(m8(rbp, ENTRY.flags), ~ENTRY_FLAGS.planned & 0xff);
  });
  a.cmp(m8(rbx, STATE.cut), 0);
  a.j('je', 'unknownEnd');
  a.comment('nobody knows what else is below a bridge');
  eachEntry(a, 'unknown', () => {
    a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.bridge);
    a.j('je', 'unknownNext');
    a.or(m8(rbp, ENTRY.flags), ENTRY_FLAGS.keep);
  });
  a.mov(m8(rbx, STATE.bridgesNow), 0);
  a.call('gateDepths');
  a.comment('bridges above what stays live stay open');
  eachEntry(a, 'open', () => {
    a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.bridge);
    a.j('jne', 'openNext');
    a.call('keepAbove');
  });
  a.mov(m8(rbx, STATE.bridgesNow), ENTRY_FLAGS.bridge);
  a.label('gateDepths');
  a.mov(al, m8(rbx, STATE.maxDepth));
  a.mov(m8(rbx, STATE.depthNow), al);
  a.label('depthLoop');
  a.mov(m8(rbx, STATE.virtualNow), ENTRY_FLAGS.vf);
  a.label('virtualLoop');
  a.call('checkTime');
  eachEntry(a, 'gateEach', () => {
    a.mov(al, m8(rbp, ENTRY.depth));
    a.cmp(al, m8(rbx, STATE.depthNow));
    a.j('jne', 'gateEachNext');
    a.mov(al, m8(rbp, ENTRY.flags));
    a.and(al, ENTRY_FLAGS.bridge | ENTRY_FLAGS.vf);
    a.sub(al, m8(rbx, STATE.bridgesNow));
    a.cmp(al, m8(rbx, STATE.virtualNow));
    a.j('jne', 'gateEachNext');
    a.call('gateOne');
  });
  a.sub(m8(rbx, STATE.virtualNow), ENTRY_FLAGS.vf);
  a.j('je', 'virtualLoop');
  a.sub(m8(rbx, STATE.depthNow), 1);
  a.j('jae', 'depthLoop');
  a.ret();

  emitGate(a);
  emitKeepAbove(a);
  emitWait(a);
  emitMessages(a);
  emitFailed(a);
}

/** One write clears BME and sets INTx-disable; Command and Status come back in one read. */
function emitGate(a: Assembler): void {
  a.label('gateOne');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.planned);
  a.j('je', 'gateEnd');
  a.comment('a bridge only when nothing below it stays live');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.keep);
  a.j('je', 'gateObserve');
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.liveBelow);
  a.and(m8(rbp, ENTRY.flags), ~ENTRY_FLAGS.planned & 0xff);
  a.jmp('gateEnd');
  a.label('gateObserve');
  a.cmp(m8(rbx, STATE.mode), MODE.observe);
  a.j('jne', 'gateWrite');
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.wouldGate);
  a.or(m8(rbp, ENTRY.flags), ENTRY_FLAGS.bmeClear);
  a.jmp('gateEnd');
  a.label('gateWrite');
  a.movzx(ecx, m16(rbp, ENTRY.rid));
  a.movzx(eax, m16(rbp, ENTRY.commandBefore));
  a.and(eax, ~regs.PCI_COMMAND_MASTER);
  a.or(eax, regs.PCI_COMMAND_INTX_DISABLE);
  a.mov(edx, regs.PCI_COMMAND);
  a.call('write');
  a.mov(edx, regs.PCI_COMMAND);
  a.call('read');
  a.mov(m16(rbp, ENTRY.commandAfter), ax);
  a.mov(esi, eax);
  a.shr(eax, 16);
  a.mov(m16(rbp, ENTRY.status), ax);
  a.movzx(eax, m16(rbp, ENTRY.commandAfter));
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.vanished);
  a.cmp(eax, 0xffff);
  a.j('je', 'gateFailed');
  a.test(eax, regs.PCI_COMMAND_INTX_DISABLE);
  a.j('je', 'gateIntx');
  a.or(m8(rbp, ENTRY.flags), ENTRY_FLAGS.intxDisabled);
  a.label('gateIntx');
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.ignored);
  a.test(eax, regs.PCI_COMMAND_MASTER);
  a.j('jne', 'gateFailed');
  a.or(m8(rbp, ENTRY.flags), ENTRY_FLAGS.bmeClear);
  a.inc(m32(rbx, STATE.gated));
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.done);
  a.test(eax, regs.PCI_COMMAND_INTX_DISABLE);
  a.j('jne', 'gateEnd');
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.partial);
  a.test(esi, regs.PCI_STATUS_INTERRUPT << 16);
  a.j('je', 'gateEnd');
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.interrupting);
  a.label('gateFailed');
  a.call('failed');
  a.label('gateEnd');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.bridge);
  a.j('jne', 'keepAbove');
  a.ret();
}

/** Marks every bridge above the entry at RBP, unless that entry is quiet or gated. */
function emitKeepAbove(a: Assembler): void {
  a.label('keepAbove');
  a.mov(al, m8(rbp, ENTRY.flags));
  a.test(al, ENTRY_FLAGS.bmeClear);
  a.j('jne', 'keepEnd');
  a.test(al, ENTRY_FLAGS.quiet);
  a.j('je', 'keepMark');
  a.comment('behind a bridge that sleeps nothing was seen');
  a.cmp(m8(rbp, ENTRY.outcome), OUTCOME.asleep);
  a.j('jne', 'keepEnd');
  a.label('keepMark');
  a.movzx(eax, m16(rbp, ENTRY.parent));
  a.label('keepUp');
  a.test(eax, eax);
  a.j('je', 'keepEnd');
  a.shl(rax, ENTRY_SHIFT);
  a.test(m8(r12, ENTRY.flags - ENTRY.bytes, rax), ENTRY_FLAGS.keep);
  a.j('jne', 'keepEnd');
  a.or(m8(r12, ENTRY.flags - ENTRY.bytes, rax), ENTRY_FLAGS.keep);
  a.movzx(eax, m16(r12, ENTRY.parent - ENTRY.bytes, rax));
  a.jmp('keepUp');
  a.label('keepEnd');
  a.ret();
}

/** Polls all that were gated, in turn, under one bound. */
function emitWait(a: Assembler): void {
  a.label('waitAll');
  a.cmp(m8(rbx, STATE.mode), MODE.observe);
  a.j('je', 'waitReturn');
  a.call('tsc');
  a.mov(m64(rbx, STATE.pendingStart), rax);
  a.label('waitRound');
  a.mov(m32(rbx, STATE.left), 0);
  eachEntry(a, 'wait', () => {
    a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.planned);
    a.j('je', 'waitNext');
    a.cmp(m8(rbp, ENTRY.pending), PENDING.none);
    a.j('jne', 'waitNext');
    a.movzx(edx, m8(rbp, ENTRY.pendingAt));
    a.test(edx, edx);
    a.j('je', 'waitNext');
    a.mov(m8(rbp, ENTRY.pending), PENDING.skipped);
    a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.bmeClear);
    a.j('je', 'waitNext');
    a.mov(m8(rbp, ENTRY.pending), PENDING.none);
    a.movzx(ecx, m16(rbp, ENTRY.rid));
    a.call('read');
    a.cmp(m8(rbp, ENTRY.pendingKind), PENDING_KIND.express);
    a.j('jne', 'waitAf');
    a.shr(eax, 16);
    a.cmp(eax, 0xffff);
    a.j('je', 'waitVanished');
    a.test(eax, regs.PCI_EXP_DEVSTA_TRPND);
    a.j('jne', 'waitStill');
    a.jmp('waitClear');
    a.label('waitAf');
    a.shr(eax, 8);
    a.and(eax, 0xff);
    a.cmp(eax, 0xff);
    a.j('je', 'waitVanished');
    a.test(eax, regs.PCI_AF_STATUS_TP);
    a.j('jne', 'waitStill');
    a.label('waitClear');
    a.mov(m8(rbp, ENTRY.pending), PENDING.clear);
    a.jmp('waitNext');
    a.label('waitVanished');
    a.mov(m8(rbp, ENTRY.pending), PENDING.vanished);
    a.inc(m32(rbx, STATE.failed));
    a.jmp('waitNext');
    a.label('waitStill');
    a.inc(m32(rbx, STATE.left));
  });
  a.cmp(m32(rbx, STATE.left), 0);
  a.j('je', 'waitDone');
  a.comment('not so fast that the accesses run out before the time does');
  a.mov(eax, PAUSES);
  a.label('waitPause');
  a.plain('Pause');
  a.sub(eax, 1);
  a.j('jne', 'waitPause');
  a.call('tsc');
  a.sub(rax, m64(rbx, STATE.pendingStart));
  a.cmp(rax, m64(r14, TABLE.pendingTicks));
  a.j('jb', 'waitRound');
  eachEntry(a, 'late', () => {
    a.mov(al, m8(rbp, ENTRY.flags));
    a.and(al, ENTRY_FLAGS.planned | ENTRY_FLAGS.bmeClear);
    a.cmp(al, (ENTRY_FLAGS.planned | ENTRY_FLAGS.bmeClear) - 0x100);
    a.j('jne', 'lateNext');
    a.cmp(m8(rbp, ENTRY.pendingAt), 0);
    a.j('je', 'lateNext');
    a.cmp(m8(rbp, ENTRY.pending), PENDING.none);
    a.j('jne', 'lateNext');
    a.mov(m8(rbp, ENTRY.pending), PENDING.timeout);
    a.inc(m32(rbx, STATE.failed));
  });
  a.label('waitDone');
  a.cmp(m32(rbx, STATE.failed), 0);
  a.j('jne', 'stopIfWanted');
  a.label('waitReturn');
  a.ret();
}

/** Counts a failure, and ends the walk at it where the policy says so. */
function emitFailed(a: Assembler): void {
  a.label('failed');
  a.inc(m32(rbx, STATE.failed));
  a.label('stopIfWanted');
  a.test(m16(r14, TABLE.flags), TABLE_FLAGS.stopOnFailure);
  a.j('je', 'failedEnd');
  a.mov(al, END.stopped);
  a.jmp('end');
  a.label('failedEnd');
  a.ret();
}
