import * as regs from '../../pci/regs.js';
import {
  ACTION,
  BLOCK,
  BUS_FLAGS,
  CONDITIONS,
  END,
  ENTRY,
  ENTRY_FLAGS,
  KNOWN,
  KNOWN_FLAGS,
  OUTCOME,
  RULE,
  RULE_LADDER,
  RULE_OTHERWISE,
  TABLE,
  TABLE_FLAGS,
} from '../layout.js';
import {
  type Assembler,
  al,
  ax,
  cl,
  cx,
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
  r8d,
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
import { BUS, BUS_SEEN, STATE } from './state.js';

/** A capability is at least 4 bytes and begins after the header. */
const CAPABILITIES_MAX = 48;
const HEADER_DWORD = 0x0c;
const PORT_TYPE_ROOT = 4;
const PORT_TYPE_DOWNSTREAM = 6;

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
  a.test(m8(rdi, BUS.flags), BUS_SEEN.blocked);
  a.j('jne', 'busNext');
  a.test(m8(rdi, BUS.flags), BUS_SEEN.scan);
  a.j('jne', 'busScan');
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
  emitKnown(a);
  emitBridge(a);
  emitCapabilities(a);
  emitDecide(a);
  emitBootDisplay(a);
}

/** Looks at the function ECX. One that is no bridge and quiet is not listed. Keeps ECX. */
function emitVisit(a: Assembler): void {
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
  a.shl(rax, 5);
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
  a.test(m8(rdi, BUS.flags), BUS_SEEN.scan | BUS_SEEN.blocked);
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

/** Offsets of the capabilities of the function at RBP: as they were known, or from its list. Keeps ECX, ESI, EDI. */
function emitCapabilities(a: Assembler): void {
  a.label('capabilities');
  a.mov(r8, m64(rbx, STATE.knownHere));
  a.test(r8, r8);
  a.j('je', 'capabilitiesWalk');
  a.test(m8(r8, KNOWN.flags), KNOWN_FLAGS.capabilities);
  a.j('je', 'capabilitiesWalk');
  for (const name of ['pm', 'msi', 'msix'] as const) {
    a.mov(al, m8(r8, KNOWN[name]));
    a.mov(m8(rbp, ENTRY[name]), al);
  }
  a.test(m8(r8, KNOWN.flags), KNOWN_FLAGS.oneDevice);
  a.j('je', 'capabilitiesKnownExpress');
  a.mov(m8(rbx, STATE.oneDevice), BUS_SEEN.oneDevice);
  a.label('capabilitiesKnownExpress');
  a.movzx(eax, m8(r8, KNOWN.express));
  a.test(eax, eax);
  a.j('jne', 'capabilitiesExpress');
  a.movzx(eax, m8(r8, KNOWN.af));
  a.test(eax, eax);
  a.j('jne', 'capabilitiesAf');
  a.ret();

  a.comment('r11: pointer; r10: capabilities left; knownHere serves for Express and AF on the way');
  a.label('capabilitiesWalk');
  a.cmp(edi, regs.PCI_HEADER_TYPE_CARDBUS);
  a.j('ja', 'capabilitiesEnd');
  a.test(esi, regs.PCI_STATUS_CAP_LIST << 16);
  a.j('je', 'capabilitiesEnd');
  a.mov(edx, regs.PCI_CAPABILITY_LIST);
  a.cmp(edi, regs.PCI_HEADER_TYPE_CARDBUS);
  a.j('jne', 'capabilitiesFirst');
  a.mov(edx, regs.PCI_CB_CAPABILITY_LIST);
  a.label('capabilitiesFirst');
  a.push(rsi);
  a.push(rdi);
  a.call('read');
  a.mov(m8(rbx, STATE.af), 0);
  a.comment('esi: the capability at hand; edi: how many more');
  a.mov(esi, eax);
  a.and(esi, 0xfc);
  a.mov(edi, CAPABILITIES_MAX);
  a.label('capabilityLoop');
  a.cmp(esi, 0x40);
  a.j('jb', 'capabilityDone');
  a.sub(edi, 1);
  a.j('jb', 'capabilityDone');
  a.mov(edx, esi);
  a.call('read');
  a.mov(edx, esi);
  a.comment('dl: where it is; al: what it is. The first of a kind counts');
  a.mov(esi, eax);
  a.shr(esi, 8);
  a.and(esi, 0xfc);
  a.cmp(al, 0xff - 0x100);
  a.j('je', 'capabilityDone');
  for (const [id, field] of [
    [regs.PCI_CAP_ID_PM, ENTRY.pm],
    [regs.PCI_CAP_ID_MSI, ENTRY.msi],
    [regs.PCI_CAP_ID_MSIX, ENTRY.msix],
  ] as const) {
    a.cmp(al, id);
    a.j('jne', `capabilityNot${id}`);
    a.cmp(m8(rbp, field), 0);
    a.j('jne', 'capabilityLoop');
    a.mov(m8(rbp, field), dl);
    a.jmp('capabilityLoop');
    a.label(`capabilityNot${id}`);
  }
  a.cmp(al, regs.PCI_CAP_ID_EXP);
  a.j('jne', 'capabilityNotExpress');
  a.cmp(m8(rbp, ENTRY.pendingAt), 0);
  a.j('jne', 'capabilityLoop');
  a.add(edx, regs.PCI_EXP_DEVCTL);
  a.mov(m8(rbp, ENTRY.pendingAt), dl);
  a.mov(m8(rbp, ENTRY.pendingKind), 1);
  a.shr(eax, 20);
  a.and(eax, 0xf);
  a.cmp(eax, PORT_TYPE_ROOT);
  a.j('je', 'capabilityPort');
  a.cmp(eax, PORT_TYPE_DOWNSTREAM);
  a.j('jne', 'capabilityLoop');
  a.label('capabilityPort');
  a.mov(m8(rbx, STATE.oneDevice), BUS_SEEN.oneDevice);
  a.jmp('capabilityLoop');
  a.label('capabilityNotExpress');
  a.cmp(al, regs.PCI_CAP_ID_AF);
  a.j('jne', 'capabilityLoop');
  a.cmp(m8(rbx, STATE.af), 0);
  a.j('jne', 'capabilityLoop');
  a.comment('bit 0: one was seen; the rest, where it is, if it tells of pending transactions');
  a.or(m8(rbx, STATE.af), 1);
  a.shr(eax, 24);
  a.test(eax, regs.PCI_AF_CAP_TP);
  a.j('je', 'capabilityLoop');
  a.or(m8(rbx, STATE.af), dl);
  a.jmp('capabilityLoop');
  a.label('capabilityDone');
  a.pop(rdi);
  a.pop(rsi);
  a.cmp(m8(rbp, ENTRY.pendingAt), 0);
  a.j('jne', 'capabilitiesEnd');
  a.movzx(eax, m8(rbx, STATE.af));
  a.and(eax, 0xfc);
  a.j('jne', 'capabilitiesAf');
  a.label('capabilitiesEnd');
  a.ret();

  a.label('capabilitiesExpress');
  a.add(eax, regs.PCI_EXP_DEVCTL);
  a.mov(m8(rbp, ENTRY.pendingAt), al);
  a.mov(m8(rbp, ENTRY.pendingKind), 1);
  a.ret();
  a.label('capabilitiesAf');
  a.add(eax, regs.PCI_AF_STATUS - 1);
  a.mov(m8(rbp, ENTRY.pendingAt), al);
  a.mov(m8(rbp, ENTRY.pendingKind), 2);
  a.ret();
}

/** Which rule decides about the function at RBP, and what follows. Keeps ECX. */
function emitDecide(a: Assembler): void {
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
  a.comment('asleep and quiet go before what a rule says');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.quiet);
  a.j('je', 'ruledLive');
  a.comment('what is behind a bridge that sleeps was not seen: that counts more');
  a.cmp(m8(rbp, ENTRY.outcome), OUTCOME.asleep);
  a.j('je', 'decideEnd');
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.quiet);
  a.ret();
  a.label('ruledLive');
  a.cmp(eax, ACTION.exempt);
  a.j('jne', 'ruledGate');
  a.mov(m16(rbp, ENTRY.rule), di);
  a.mov(m8(rbp, ENTRY.outcome), OUTCOME.exempt);
  a.ret();
  a.label('ruledGate');
  a.cmp(m8(rbp, ENTRY.outcome), OUTCOME.asleep);
  a.j('je', 'decideEnd');
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
  a.shl(rax, 5);
  a.lea(r8, m64(r12, -ENTRY.bytes, rax));
  a.jmp('preserveUp');
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
  a.shl(rsi, 5);
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
