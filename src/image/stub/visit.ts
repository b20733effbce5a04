import * as regs from '../../pci/regs.js';
import {
  BLOCK,
  END,
  ENTRY,
  ENTRY_FLAGS,
  KNOWN,
  KNOWN_FLAGS,
  OUTCOME,
  RULE_LADDER,
  TABLE,
  TABLE_FLAGS,
} from '../layout.js';
import {
  type Assembler,
  al,
  ax,
  cx,
  dl,
  eax,
  ecx,
  edi,
  edx,
  esi,
  m8,
  m16,
  m32,
  m64,
  r8,
  r8d,
  r12,
  r14,
  rax,
  rbp,
  rbx,
  rdi,
  rdx,
} from './assembler.js';
import { BUS, BUS_SEEN, ENTRY_SHIFT, STATE } from './state.js';

const HEADER_DWORD = 0x0c;

/** Looks at the function ECX. One that is no bridge and quiet is not listed. Keeps ECX. */
export function emitVisit(a: Assembler): void {
  a.label('visit');
  a.call('known');
  a.mov(m8(rbx, STATE.here), 0);
  a.mov(edx, regs.PCI_COMMAND);
  a.call('read');
  a.cmp(eax, -1);
  a.j('jne', 'visitHere');
  a.comment(
    'one that was known and does not answer may only seem to be gone: the bridges above it stay open',
  );
  a.mov(r8, m64(rbx, STATE.knownHere));
  a.test(r8, r8);
  a.j('je', 'visitEnd');
  a.mov(eax, ecx);
  a.shr(eax, 8);
  a.movzx(eax, m16(rbx, STATE.bus0 + BUS.parent, rax, BUS.bytes));
  a.jmp('keepUp');
  a.label('visitHere');
  a.mov(m8(rbx, STATE.here), 1);
  a.inc(m32(rbx, STATE.functions));
  a.comment('esi: Status and Command; edi: header type');
  a.mov(esi, eax);
  a.mov(edx, HEADER_DWORD);
  a.call('read');
  a.shr(eax, 16);
  a.and(eax, 0xff);
  a.mov(edi, eax);
  a.and(eax, regs.PCI_HEADER_TYPE_MFD);
  a.mov(m8(rbx, STATE.multi), al);
  a.and(edi, regs.PCI_HEADER_TYPE_MASK);
  a.comment('edx: what the list will say of it');
  a.mov(edx, 0);
  a.test(esi, regs.PCI_COMMAND_MASTER);
  a.j('jne', 'visitBridge');
  a.test(esi, regs.PCI_STATUS_INTERRUPT << 16);
  a.j('je', 'visitQuiet');
  a.test(esi, regs.PCI_COMMAND_INTX_DISABLE);
  a.j('je', 'visitBridge');
  a.label('visitQuiet');
  a.or(edx, ENTRY_FLAGS.quiet);
  a.label('visitBridge');
  a.lea(rax, m64(rdi, -1));
  a.cmp(eax, 1);
  a.j('ja', 'visitEndpoint');
  a.or(edx, ENTRY_FLAGS.bridge);
  a.label('visitEndpoint');
  a.cmp(edx, ENTRY_FLAGS.quiet);
  a.j('jne', 'visitList');
  a.test(m16(r14, TABLE.flags), TABLE_FLAGS.hasPreserve);
  a.j('je', 'visitEnd');

  a.comment('rbp: its place in the list');
  a.label('visitList');
  a.mov(eax, m32(rbx, STATE.count));
  a.mov(r8, m64(rbx, STATE.block));
  a.cmp(eax, m32(r8, BLOCK.scratchEntries));
  a.j('jb', 'visitRoom');
  a.mov(al, END.room);
  a.jmp('end');
  a.label('visitRoom');
  a.shl(rax, ENTRY_SHIFT);
  a.lea(rbp, m64(r12, 0, rax));
  a.mov(eax, 0);
  for (let at = 0; at < ENTRY.bytes; at += 8) a.mov(m64(rbp, at), rax);
  a.mov(m16(rbp, ENTRY.rid), cx);
  a.mov(m8(rbp, ENTRY.flags), dl);
  a.mov(m16(rbp, ENTRY.rule), RULE_LADDER);
  a.mov(m32(rbp, ENTRY.commandBefore), esi);
  a.comment('Status goes to its own place, the second copy of Command over it');
  a.mov(eax, esi);
  a.shr(eax, 16);
  a.mov(m16(rbp, ENTRY.status), ax);
  a.mov(eax, esi);
  a.mov(m16(rbp, ENTRY.commandAfter), ax);
  a.mov(eax, edi);
  a.or(al, m8(rbx, STATE.multi));
  a.mov(m8(rbp, ENTRY.headerType), al);
  a.mov(eax, ecx);
  a.shr(eax, 8);
  a.lea(r8, m64(rbx, STATE.bus0, rax, BUS.bytes));
  a.mov(ax, m16(r8, BUS.parent));
  a.mov(m16(rbp, ENTRY.parent), ax);
  a.mov(al, m8(r8, BUS.depth));
  a.mov(m8(rbp, ENTRY.depth), al);
  a.cmp(al, m8(rbx, STATE.maxDepth));
  a.j('jbe', 'visitId');
  a.mov(m8(rbx, STATE.maxDepth), al);
  a.label('visitId');
  a.mov(edx, regs.PCI_VENDOR_ID);
  a.call('read');
  a.mov(m32(rbp, ENTRY.id), eax);
  a.mov(m32(rbx, STATE.entryId), eax);
  a.and(eax, 0xffff);
  a.cmp(eax, 0xffff);
  a.j('jne', 'visitKnown');
  a.or(m8(rbp, ENTRY.flags), ENTRY_FLAGS.vf);

  a.label('visitKnown');
  a.mov(eax, m32(r14, TABLE.defaultFacts));
  a.mov(m32(rbx, STATE.entryFacts), eax);
  a.mov(m8(rbx, STATE.oneDevice), 0);
  a.mov(r8, m64(rbx, STATE.knownHere));
  a.test(r8, r8);
  a.j('je', 'knownChecked');
  a.comment('the same function as then? A virtual one shows no ids');
  a.mov(eax, m32(r8, KNOWN.id));
  a.cmp(eax, m32(rbp, ENTRY.id));
  a.j('je', 'knownSame');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.vf);
  a.j('je', 'knownOther');
  a.test(m8(r8, KNOWN.flags), KNOWN_FLAGS.vf);
  a.j('jne', 'knownSame');
  a.label('knownOther');
  a.mov(edx, 0);
  a.mov(m64(rbx, STATE.knownHere), rdx);
  a.jmp('knownChecked');
  a.label('knownSame');
  a.mov(m32(rbx, STATE.entryId), eax);
  a.mov(eax, m32(r8, KNOWN.facts));
  a.mov(m32(rbx, STATE.entryFacts), eax);
  a.test(m8(r8, KNOWN.flags), KNOWN_FLAGS.vf);
  a.j('je', 'knownChecked');
  a.or(m8(rbp, ENTRY.flags), ENTRY_FLAGS.vf);
  a.label('knownChecked');

  a.comment('a quiet function is here only because it may be preserved');
  a.mov(al, m8(rbp, ENTRY.flags));
  a.and(al, ENTRY_FLAGS.quiet | ENTRY_FLAGS.bridge);
  a.cmp(al, ENTRY_FLAGS.quiet);
  a.j('je', 'visitDecide');
  a.call('capabilities');
  a.comment('in D0?');
  a.movzx(edx, m8(rbp, ENTRY.pm));
  a.test(edx, edx);
  a.j('je', 'visitAwake');
  a.add(edx, regs.PCI_PM_CTRL);
  a.call('read');
  a.test(eax, regs.PCI_PM_CTRL_STATE_MASK);
  a.j('je', 'visitAwake');
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.asleep);
  a.label('visitAwake');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.bridge);
  a.j('je', 'visitDecide');
  a.call('bridge');
  a.label('visitDecide');
  a.call('decide');
  a.mov(al, m8(rbp, ENTRY.flags));
  a.and(al, ENTRY_FLAGS.quiet | ENTRY_FLAGS.bridge);
  a.cmp(al, ENTRY_FLAGS.quiet);
  a.j('je', 'visitEnd');
  a.inc(m32(rbx, STATE.count));
  a.label('visitEnd');
  a.ret();

  emitKnown(a);
  emitBridge(a);
}

/** Sets `knownHere` for the function ECX; the known functions are in the order in which all are looked at. */
function emitKnown(a: Assembler): void {
  a.label('known');
  a.mov(eax, 0);
  a.mov(m64(rbx, STATE.knownHere), rax);
  a.mov(r8, m64(rbx, STATE.knownNext));
  a.label('knownLoop');
  a.cmp(m32(rbx, STATE.knownLeft), 0);
  a.j('je', 'knownEnd');
  a.movzx(eax, m16(r8, KNOWN.rid));
  a.cmp(eax, ecx);
  a.j('ja', 'knownEnd');
  a.j('jb', 'knownSkip');
  a.mov(m64(rbx, STATE.knownHere), r8);
  a.label('knownSkip');
  a.add(r8, KNOWN.bytes);
  a.dec(m32(rbx, STATE.knownLeft));
  a.jmp('knownLoop');
  a.label('knownEnd');
  a.mov(m64(rbx, STATE.knownNext), r8);
  a.ret();
}

/** Marks the bus behind the bridge at RBP, or blocks those that a sleeping one leads to. Keeps ECX. */
function emitBridge(a: Assembler): void {
  a.label('bridge');
  a.mov(edx, regs.PCI_PRIMARY_BUS);
  a.call('read');
  a.comment('eax: secondary; edx: subordinate; r8: own bus');
  a.mov(edx, eax);
  a.shr(edx, 16);
  a.and(edx, 0xff);
  a.shr(eax, 8);
  a.and(eax, 0xff);
  a.mov(m8(rbp, ENTRY.subordinate), dl);
  a.mov(r8d, ecx);
  a.shr(r8d, 8);
  a.cmp(eax, r8d);
  a.j('jbe', 'bridgeEnd');
  a.lea(rdi, m64(rbx, STATE.bus0, rax, BUS.bytes));
  a.cmp(m8(rbp, ENTRY.outcome), OUTCOME.asleep);
  a.j('je', 'bridgeBlock');
  a.comment('of two bridges that claim one bus the first counts');
  a.test(m8(rdi, BUS.flags), BUS_SEEN.scan);
  a.j('jne', 'bridgeEnd');
  a.mov(m8(rdi, BUS.subordinate), dl);
  a.mov(al, m8(rbp, ENTRY.depth));
  a.add(al, 1);
  a.mov(m8(rdi, BUS.depth), al);
  a.mov(eax, m32(rbx, STATE.count));
  a.add(eax, 1);
  a.mov(m16(rdi, BUS.parent), ax);
  a.mov(al, m8(rbx, STATE.oneDevice));
  a.or(al, BUS_SEEN.scan);
  a.mov(m8(rdi, BUS.flags), al);
  a.label('bridgeEnd');
  a.ret();
  a.label('bridgeBlock');
  a.or(m8(rdi, BUS.flags), BUS_SEEN.blocked);
  a.add(rdi, BUS.bytes);
  a.add(eax, 1);
  a.cmp(eax, edx);
  a.j('jbe', 'bridgeBlock');
  a.ret();
}
