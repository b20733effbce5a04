import * as regs from '../../pci/regs.js';
import { ENTRY, KNOWN, KNOWN_FLAGS, PENDING_KIND } from '../layout.js';
import { type Assembler, al, dl, eax, edi, edx, esi, m8, m64, r8, rbp, rbx, rdi, rsi } from './assembler.js';
import { BUS_SEEN, STATE } from './state.js';

/** A capability is at least 4 bytes and begins after the header. */
const CAPABILITIES_MAX = 48;

const PORT_TYPE_ROOT = 4;

const PORT_TYPE_DOWNSTREAM = 6;

/** Offsets of the capabilities of the function at RBP: as they were known, or from its list. Keeps ECX, ESI, EDI. */
export function emitCapabilities(a: Assembler): void {
  a.label('capabilities');
  a.mov(r8, m64(rbx, STATE.knownHere));
  a.test(r8, r8);
  a.j('je', 'capabilitiesWalk');
  a.test(m8(r8, KNOWN.flags), KNOWN_FLAGS.capabilities);
  a.j('je', 'capabilitiesWalk');
  a.comment('one look whether they are where they were: new firmware may have moved them');
  a.movzx(edx, m8(r8, KNOWN.pm));
  a.test(edx, edx);
  a.j('je', 'capabilitiesCheckExpress');
  a.call('read');
  a.cmp(al, regs.PCI_CAP_ID_PM);
  a.jmp('capabilitiesChecked');
  a.label('capabilitiesCheckExpress');
  a.movzx(edx, m8(r8, KNOWN.express));
  a.test(edx, edx);
  a.j('je', 'capabilitiesTake');
  a.call('read');
  a.cmp(al, regs.PCI_CAP_ID_EXP);
  a.label('capabilitiesChecked');
  a.j('jne', 'capabilitiesWalk');
  a.label('capabilitiesTake');
  a.mov(r8, m64(rbx, STATE.knownHere));
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
  a.mov(m8(rbp, ENTRY.pendingKind), PENDING_KIND.express);
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
  a.mov(m8(rbp, ENTRY.pendingKind), PENDING_KIND.express);
  a.ret();
  a.label('capabilitiesAf');
  a.add(eax, regs.PCI_AF_STATUS - 1);
  a.mov(m8(rbp, ENTRY.pendingAt), al);
  a.mov(m8(rbp, ENTRY.pendingKind), PENDING_KIND.af);
  a.ret();
}
