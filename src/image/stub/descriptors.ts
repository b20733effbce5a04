import { BLOCK, END } from '../layout.js';
import {
  type Assembler,
  al,
  cx,
  dl,
  eax,
  ecx,
  edx,
  m8,
  m16,
  m32,
  m64,
  r12,
  r14,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rel,
  rsi,
  rsp,
} from './assembler.js';
import { GDT_SLOTS, IDT_GATES, STATE } from './state.js';

/** Long mode: present, DPL 0, code, readable, 64-bit; and present, DPL 0, data, writable. */
const CODE_DESCRIPTOR = 0x00af_9b00_0000_ffffn;

const DATA_DESCRIPTOR = 0x00cf_9300_0000_ffffn;

const NMI = 2;

/** What a thunk of the exception table takes; see `emitExceptions`. */
const THUNK_BYTES = 16;

/**
 * Own GDT and IDT. Selectors stay as the loader left them: the GDT gets descriptors where they point, so that an
 * NMI's IRETQ finds them. EAX is 0 if that cannot be done.
 */
export function emitDescriptors(a: Assembler): void {
  a.label('descriptors');
  a.movFromSegment(ecx, 'CS');
  a.movFromSegment(edx, 'SS');
  a.cmp(ecx, GDT_SLOTS * 8);
  a.j('jae', 'descriptorsNot');
  a.cmp(edx, GDT_SLOTS * 8);
  a.j('jae', 'descriptorsNot');
  a.comment('a local table, or one selector for both');
  a.mov(eax, ecx);
  a.or(eax, edx);
  a.test(eax, 7);
  a.j('jne', 'descriptorsNot');
  a.cmp(ecx, edx);
  a.j('je', 'descriptorsNot');
  a.mov(rax, DATA_DESCRIPTOR);
  a.mov(m64(rbx, STATE.gdt, rdx), rax);
  a.comment('selector 0 stays empty');
  a.mov(m32(rbx, STATE.gdt), 0);
  a.mov(m32(rbx, STATE.gdt + 4), 0);
  a.mov(rax, CODE_DESCRIPTOR);
  a.mov(m64(rbx, STATE.gdt, rcx), rax);
  a.mov(m16(rbx, STATE.ownGdtr), GDT_SLOTS * 8 - 1);
  a.lea(rax, m64(rbx, STATE.gdt));
  a.mov(m64(rbx, STATE.ownGdtr + 2), rax);

  a.comment('one gate an exception: selector, present interrupt gate');
  a.lea(rsi, rel(64, 'thunks'));
  a.lea(rdi, m64(rbx, STATE.idt));
  a.mov(edx, IDT_GATES);
  a.label('gate');
  a.mov(eax, 0);
  a.mov(m64(rdi, 8), rax);
  a.mov(m64(rdi), rax);
  a.mov(rax, rsi);
  a.mov(m32(rdi), eax);
  a.mov(m16(rdi, 2), cx);
  a.and(eax, -0x1_0000);
  a.or(eax, 0x8e00);
  a.mov(m32(rdi, 4), eax);
  a.mov(rax, rsi);
  a.shr(rax, 32);
  a.mov(m32(rdi, 8), eax);
  a.add(rsi, THUNK_BYTES);
  a.add(rdi, 16);
  a.sub(edx, 1);
  a.j('jne', 'gate');
  a.mov(m16(rbx, STATE.ownIdtr), IDT_GATES * 16 - 1);
  a.lea(rax, m64(rbx, STATE.idt));
  a.mov(m64(rbx, STATE.ownIdtr + 2), rax);
  a.sidt(m64(rbx, STATE.idtr));
  a.lgdt(m64(rbx, STATE.ownGdtr));
  a.lidt(m64(rbx, STATE.ownIdtr));
  a.mov(eax, 1);
  a.ret();
  a.label('descriptorsNot');
  a.mov(eax, 0);
  a.ret();
}

/** An NMI returns. Anything else ends the walk, then the record, then the putting back. */
export function emitExceptions(a: Assembler): void {
  a.align(THUNK_BYTES);
  a.label('thunks');
  for (let vector = 0; vector < IDT_GATES; vector++) {
    a.align(THUNK_BYTES);
    if (vector === NMI) {
      a.jmp('nmi');
    } else {
      a.mov(rel(8, 'state', STATE.vector), vector);
      a.jmp('exception');
    }
  }
  a.label('nmi');
  a.cmp(rel(8, 'state', STATE.nmis), 0xff);
  a.j('je', 'nmiReturn');
  a.inc(rel(8, 'state', STATE.nmis));
  a.label('nmiReturn');
  a.plain('Iretq');

  a.label('exception');
  a.plain('Cld');
  a.lea(rbx, rel(64, 'state'));
  a.mov(rsp, m64(rbx, STATE.walkRsp));
  a.mov(rax, m64(rbx, STATE.block));
  a.mov(ecx, m32(rax, BLOCK.table));
  a.lea(r14, m64(rax, 0, rcx));
  a.mov(rdx, m64(rbx, STATE.load));
  a.mov(ecx, m32(rax, BLOCK.scratch));
  a.lea(r12, m64(rdx, 0, rcx));
  a.mov(dl, m8(rbx, STATE.stage));
  a.mov(al, END.exception);
  a.cmp(dl, 0);
  a.j('je', 'end');
  a.cmp(dl, 1);
  a.j('je', 'putBack');
  a.jmp('putBackTables');
}
