import * as regs from '../../pci/regs.js';
import { ENTRY, ENTRY_FLAGS, MESSAGES } from '../layout.js';
import { type Assembler, ax, eax, ecx, edi, edx, esi, m8, m16, rbp, rbx } from './assembler.js';
import { eachEntry } from './entries.js';
import { MODE, STATE } from './state.js';

interface Messages {
  readonly name: 'msi' | 'msix';
  readonly id: number;
  readonly at: number;
  readonly before: number;
  readonly enable: number;
  /** Bits that are written, and what they get. */
  readonly mask: number;
  readonly value: number;
  /** Where the result goes in `messages`. */
  readonly shift: number;
}

const MESSAGE_CAPABILITIES: readonly Messages[] = [
  {
    name: 'msi',
    id: regs.PCI_CAP_ID_MSI,
    at: ENTRY.msi,
    before: ENTRY.msiBefore,
    enable: regs.PCI_MSI_FLAGS_ENABLE,
    mask: regs.PCI_MSI_FLAGS_ENABLE,
    value: 0,
    shift: 0,
  },
  {
    name: 'msix',
    id: regs.PCI_CAP_ID_MSIX,
    at: ENTRY.msix,
    before: ENTRY.msixBefore,
    enable: regs.PCI_MSIX_FLAGS_ENABLE,
    mask: regs.PCI_MSIX_FLAGS_ENABLE | regs.PCI_MSIX_FLAGS_MASKALL,
    value: regs.PCI_MSIX_FLAGS_MASKALL,
    shift: 4,
  },
];

/** MSI and MSI-X off, where BME is clear and INTx cannot take their place. */
export function emitMessages(a: Assembler): void {
  a.label('messagesAll');
  eachEntry(a, 'messages', () => {
    a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.planned);
    a.j('je', 'messagesNext');
    a.movzx(ecx, m16(rbp, ENTRY.rid));
    for (const one of MESSAGE_CAPABILITIES) emitMessage(a, one);
  });
  a.ret();

  a.comment('edi: 1 if messages may be switched off, else 0');
  a.label('mayDisable');
  a.mov(edi, 0);
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.bmeClear);
  a.j('je', 'mayEnd');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.intxDisabled);
  a.j('jne', 'mayYes');
  a.comment('one without a pin has nothing to fall back to');
  a.mov(edx, regs.PCI_INTERRUPT_LINE);
  a.call('read');
  a.shr(eax, 8);
  a.and(eax, 0xff);
  a.j('jne', 'mayEnd');
  a.label('mayYes');
  a.mov(edi, 1);
  a.label('mayEnd');
  a.ret();
}

function emitMessage(a: Assembler, { name, id, at, before, enable, mask, value, shift }: Messages): void {
  const end = `${name}End`;
  const result = (what: number) => a.or(m8(rbp, ENTRY.messages), what << shift);
  a.movzx(edx, m8(rbp, at));
  a.test(edx, edx);
  a.j('je', end);
  a.call('read');
  a.comment('is it what it was when the kernel was wrapped?');
  a.mov(edx, eax);
  a.and(edx, 0xff);
  a.cmp(edx, id);
  a.j('jne', end);
  a.shr(eax, 16);
  a.mov(m16(rbp, before), ax);
  a.mov(esi, eax);
  a.test(eax, enable);
  a.j('jne', `${name}On`);
  result(MESSAGES.off);
  a.jmp(end);
  a.label(`${name}On`);
  a.cmp(m8(rbx, STATE.mode), MODE.observe);
  a.j('jne', `${name}May`);
  result(MESSAGES.left);
  a.jmp(end);
  a.label(`${name}May`);
  a.call('mayDisable');
  a.test(edi, edi);
  a.j('jne', `${name}Write`);
  result(MESSAGES.skipped);
  a.jmp(end);
  a.label(`${name}Write`);
  a.mov(eax, esi);
  a.and(eax, ~mask & 0xffff);
  if (value !== 0) a.or(eax, value);
  a.movzx(edx, m8(rbp, at));
  a.add(edx, regs.PCI_MSI_FLAGS);
  a.call('write');
  a.movzx(edx, m8(rbp, at));
  a.call('read');
  a.shr(eax, 16);
  a.cmp(eax, 0xffff);
  a.j('jne', `${name}Verify`);
  result(MESSAGES.vanished);
  a.call('failed');
  a.jmp(end);
  a.label(`${name}Verify`);
  a.and(eax, mask);
  a.cmp(eax, value);
  a.j('jne', `${name}Ignored`);
  result(MESSAGES.disabled);
  a.jmp(end);
  a.label(`${name}Ignored`);
  result(MESSAGES.ignored);
  a.call('failed');
  a.label(end);
}
