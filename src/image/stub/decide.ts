import * as regs from '../../pci/regs.js';
import {
  ACTION,
  CONDITIONS,
  ENTRY,
  ENTRY_FLAGS,
  KNOWN,
  KNOWN_FLAGS,
  OUTCOME,
  RULE,
  RULE_OTHERWISE,
  TABLE,
} from '../layout.js';
import {
  type Assembler,
  al,
  ax,
  di,
  dl,
  dx,
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
  r12,
  r14,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
} from './assembler.js';
import { ENTRY_SHIFT, STATE } from './state.js';

/** Which rule decides about the function at RBP, and what follows. Keeps ECX. */
export function emitDecide(a: Assembler): void {
  a.label('decide');
  a.mov(edx, regs.PCI_CLASS_REVISION);
  a.call('read');
  a.mov(m32(rbx, STATE.entryClass), eax);
  a.comment('rsi: rule; edi: its number');
  a.mov(eax, m32(r14, TABLE.rules));
  a.lea(rsi, m64(r14, 0, rax));
  a.mov(edi, 0);
  a.label('ruleLoop');
  a.cmp(edi, m32(r14, TABLE.ruleCount));
  a.j('jae', 'ruleNone');
  a.mov(eax, m32(rbx, STATE.entryClass));
  a.and(eax, m32(rsi, RULE.classMask));
  a.cmp(eax, m32(rsi, RULE.classValue));
  a.j('jne', 'ruleNext');
  a.mov(eax, m32(rbx, STATE.entryId));
  a.and(eax, m32(rsi, RULE.idMask));
  a.cmp(eax, m32(rsi, RULE.idValue));
  a.j('jne', 'ruleNext');
  a.movzx(eax, m16(rbp, ENTRY.rid));
  a.and(ax, m16(rsi, RULE.ridMask));
  a.cmp(ax, m16(rsi, RULE.ridValue));
  a.j('jne', 'ruleNext');
  a.mov(al, m8(rsi, RULE.headerType));
  a.cmp(al, 0xff - 0x100);
  a.j('je', 'ruleFacts');
  a.mov(dl, m8(rbp, ENTRY.headerType));
  a.and(dl, regs.PCI_HEADER_TYPE_MASK);
  a.cmp(al, dl);
  a.j('jne', 'ruleNext');
  a.label('ruleFacts');
  a.mov(eax, m32(rsi, RULE.factMask));
  a.test(eax, eax);
  a.j('je', 'ruleConditions');
  a.and(eax, m32(rbx, STATE.entryFacts));
  a.j('je', 'ruleNext');

  a.comment('eax: conditions that this function does not meet');
  a.label('ruleConditions');
  a.movzx(edx, m8(rsi, RULE.conditions));
  a.test(edx, edx);
  a.j('je', 'ruleFound');
  a.mov(eax, CONDITIONS.notRootBus);
  a.cmp(m16(rbp, ENTRY.parent), 0);
  a.j('je', 'conditionRoot');
  a.mov(eax, CONDITIONS.rootBus);
  a.label('conditionRoot');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.vf);
  a.j('je', 'conditionPhysical');
  a.or(eax, CONDITIONS.notVf);
  a.jmp('conditionVf');
  a.label('conditionPhysical');
  a.or(eax, CONDITIONS.vf);
  a.label('conditionVf');
  a.test(eax, edx);
  a.j('jne', 'ruleNext');
  a.test(edx, CONDITIONS.bootDisplay | CONDITIONS.notBootDisplay);
  a.j('je', 'ruleFound');
  a.push(rsi);
  a.push(rdi);
  a.push(rdx);
  a.call('bootDisplay');
  a.pop(rdx);
  a.pop(rdi);
  a.pop(rsi);
  a.test(eax, edx);
  a.j('je', 'ruleFound');
  a.label('ruleNext');
  a.add(rsi, RULE.bytes);
  a.add(edi, 1);
  a.jmp('ruleLoop');

  a.label('ruleNone');
  a.mov(edi, RULE_OTHERWISE);
  a.movzx(eax, m8(r14, TABLE.otherwise));
  a.jmp('ruled');
  a.label('ruleFound');
  a.movzx(eax, m8(rsi, RULE.action));
  a.comment('edi: the rule; eax: its action');
  a.label('ruled');
  a.cmp(eax, ACTION.preserve);
  a.j('je', 'preserve');
  a.comment(
    'asleep goes before quiet, since nothing was seen behind a bridge that sleeps, and both before exempt',
  );
  a.cmp(m8(rbp, ENTRY.outcome), OUTCOME.asleep);
  a.j('je', 'decideEnd');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.quiet);
  a.j('je', 'ruledLive');
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.quiet);
  a.ret();
  a.label('ruledLive');
  a.cmp(eax, ACTION.exempt);
  a.j('jne', 'ruledGate');
  a.mov(m16(rbp, ENTRY.rule), di);
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.exempt);
  a.ret();
  a.label('ruledGate');
  a.mov(m16(rbp, ENTRY.rule), di);
  a.or(m8(rbp, ENTRY.flags), ENTRY_FLAGS.planned);
  a.label('decideEnd');
  a.ret();

  a.comment('it, every bridge above it, and its physical function with every bridge above that');
  a.label('preserve');
  a.mov(r8, rbp);
  a.call('preserveUp');
  a.mov(r8, m64(rbx, STATE.knownHere));
  a.test(r8, r8);
  a.j('je', 'decideEnd');
  a.test(m8(r8, KNOWN.flags), KNOWN_FLAGS.vf);
  a.j('je', 'decideEnd');
  a.movzx(edx, m16(r8, KNOWN.physfn));
  a.mov(r8, r12);
  a.mov(eax, m32(rbx, STATE.count));
  a.label('physfnLoop');
  a.sub(eax, 1);
  a.j('jb', 'decideEnd');
  a.cmp(m16(r8, ENTRY.rid), dx);
  a.j('je', 'preserveUp');
  a.add(r8, ENTRY.bytes);
  a.jmp('physfnLoop');

  a.comment('r8: an entry; edi: the rule that preserves it');
  a.label('preserveUp');
  a.or(m8(r8, ENTRY.flags), ENTRY_FLAGS.preserve);
  a.mov(m16(r8, ENTRY.rule), di);
  a.movzx(eax, m16(r8, ENTRY.parent));
  a.test(eax, eax);
  a.j('je', 'decideEnd');
  a.shl(rax, ENTRY_SHIFT);
  a.lea(r8, m64(r12, -ENTRY.bytes, rax));
  a.jmp('preserveUp');

  emitBootDisplay(a);
}

/**
 * EAX: the condition that the function at RBP does not meet, `bootDisplay` or `notBootDisplay`. As the system said,
 * or else a VGA controller that decodes, to which every bridge above forwards the VGA addresses. Keeps ECX.
 */
function emitBootDisplay(a: Assembler): void {
  a.label('bootDisplay');
  a.mov(r8, m64(rbx, STATE.knownHere));
  a.test(r8, r8);
  a.j('je', 'displayLook');
  a.mov(al, m8(r8, KNOWN.flags));
  a.test(al, KNOWN_FLAGS.bootVgaKnown);
  a.j('je', 'displayLook');
  a.test(al, KNOWN_FLAGS.bootVga);
  a.j('jne', 'displayIs');
  a.jmp('displayIsNot');
  a.label('displayLook');
  a.mov(eax, m32(rbx, STATE.entryClass));
  a.shr(eax, 16);
  a.cmp(eax, 0x0300);
  a.j('jne', 'displayIsNot');
  a.mov(al, m8(rbp, ENTRY.commandBefore));
  a.and(al, regs.PCI_COMMAND_IO | regs.PCI_COMMAND_MEMORY);
  a.cmp(al, regs.PCI_COMMAND_IO | regs.PCI_COMMAND_MEMORY);
  a.j('jne', 'displayIsNot');
  a.movzx(esi, m16(rbp, ENTRY.parent));
  a.label('displayUp');
  a.test(esi, esi);
  a.j('je', 'displayIs');
  a.shl(rsi, ENTRY_SHIFT);
  a.lea(rdi, m64(r12, -ENTRY.bytes, rsi));
  a.movzx(esi, m16(rdi, ENTRY.parent));
  a.mov(al, m8(rdi, ENTRY.headerType));
  a.and(al, regs.PCI_HEADER_TYPE_MASK);
  a.cmp(al, regs.PCI_HEADER_TYPE_BRIDGE);
  a.j('jne', 'displayIsNot');
  a.push(rcx);
  a.movzx(ecx, m16(rdi, ENTRY.rid));
  a.mov(edx, regs.PCI_INTERRUPT_LINE);
  a.call('read');
  a.pop(rcx);
  a.test(eax, regs.PCI_BRIDGE_CTL_VGA << 16);
  a.j('jne', 'displayUp');
  a.label('displayIsNot');
  a.mov(eax, CONDITIONS.bootDisplay);
  a.ret();
  a.label('displayIs');
  a.mov(eax, CONDITIONS.notBootDisplay);
  a.ret();
}
