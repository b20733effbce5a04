import {
  BLOCK,
  BOOT_PARAMS,
  END,
  ENTRY_64,
  ENTRY_BYTES,
  GUARD,
  LOADER_KEXEC,
  PHASE,
  SETUP,
  TABLE,
} from '../layout.js';
import { emitAccess } from './access.js';
import {
  type Assembled,
  Assembler,
  al,
  cx,
  dl,
  eax,
  ecx,
  edi,
  edx,
  m8,
  m16,
  m32,
  m64,
  type Reg,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rel,
  rsi,
  rsp,
} from './assembler.js';
import { emitDiscover } from './discover.js';
import { emitPasses } from './passes.js';
import { emitRecord } from './record.js';
import { GDT_SLOTS, IDT_GATES, MODE, STACK_TOP, STATE } from './state.js';

/** Long mode: present, DPL 0, code, readable, 64-bit; and present, DPL 0, data, writable. */
const CODE_DESCRIPTOR = 0x00af_9b00_0000_ffffn;
const DATA_DESCRIPTOR = 0x00cf_9300_0000_ffffn;
const NMI = 2;
/** What a thunk of the exception table takes; see `emitExceptions`. */
const THUNK_BYTES = 16;
/** Of the command line, at most. Linux itself takes 2048 on x86. */
const COMMAND_LINE_MAX = 2048;
const CF8 = 0xcf8;
const ENABLE = 0x8000_0000;

/** The code that performs a policy between two kernels. It lies right behind the block's header. */
export function assembleProgram(): Assembled {
  const a = new Assembler();
  emitEntry(a);
  emitWalk(a);
  emitLeave(a);
  emitCommandLine(a);
  emitDescriptors(a);
  emitDiscover(a);
  emitPasses(a);
  emitAccess(a);
  emitRecord(a);
  emitExceptions(a);
  a.align(16);
  a.label('state');
  a.data(new Uint8Array(STATE.bytes));
  return a.assemble();
}

export interface Guard {
  readonly bytes: Uint8Array;
  /** Offsets in it of displacements that lead into the block. */
  readonly fixups: readonly number[];
  readonly items: Assembled['items'];
}

/** What stands in the free bytes before the 64-bit entry; addresses as if the block began at 0 of the image. */
export function assembleGuard(): Guard {
  const a = new Assembler();
  a.external('block', 0);
  a.external('program', BLOCK.headerBytes);
  a.external('kernel', ENTRY_64 + ENTRY_BYTES.length);
  a.data(new Uint8Array(GUARD.offset));
  a.comment('what the entry held before');
  a.plain('Cld');
  a.plain('Cli');
  a.comment('entered by kexec?');
  a.cmp(m8(rsi, SETUP.typeOfLoader), LOADER_KEXEC);
  a.j('jb', 'kernel');
  a.cmp(m8(rsi, SETUP.typeOfLoader), LOADER_KEXEC | 0xf);
  a.j('ja', 'kernel');
  a.comment('firmware loads sections, and leaves the block out');
  a.cmp(rel(32, 'block'), magicDword());
  a.label('compared');
  a.j('jne', 'kernel');
  a.jmp('program');
  a.label('jumped');
  const { bytes, labels, items } = a.assemble();
  const before = (name: string, by: number) => (labels.get(name) ?? 0) - by - GUARD.offset;
  return {
    bytes: bytes.slice(GUARD.offset),
    // The comparison's displacement stands before its 4 bytes of value, the jump's at its end.
    fixups: [before('compared', 8), before('jumped', 4)],
    items: items.filter((item) => item.address >= GUARD.offset),
  };
}

function magicDword(): number {
  return new DataView(new TextEncoder().encode(BLOCK.magic).buffer).getUint32(0, true);
}

const SAVED: readonly (readonly [Reg, number])[] = [
  [rax, STATE.rax],
  [rcx, STATE.rcx],
  [rdx, STATE.rdx],
  [rsi, STATE.rsi],
  [rdi, STATE.rdi],
  [rbp, STATE.rbp],
  [rsp, STATE.rsp],
  [r8, STATE.r8],
  [r9, STATE.r9],
  [r10, STATE.r10],
  [r11, STATE.r11],
  [r12, STATE.r12],
  [r13, STATE.r13],
  [r14, STATE.r14],
  [r15, STATE.r15],
];

function emitEntry(a: Assembler): void {
  a.label('program');
  a.mov(rel(64, 'state', STATE.rbx), rbx);
  a.lea(rbx, rel(64, 'state'));
  for (const [register, at] of SAVED) a.mov(m64(rbx, at), register);
  a.lea(rsp, m64(rbx, STACK_TOP));
  a.plain('Pushfq');
  a.pop(rax);
  a.mov(m64(rbx, STATE.rflags), rax);
  a.comment('rax: the block; rdx: the image');
  a.lea(rax, rel(64, 'program', -BLOCK.headerBytes));
  a.mov(m64(rbx, STATE.block), rax);
  a.mov(ecx, m32(rax, BLOCK.blockOffset));
  a.mov(rdx, rax);
  a.sub(rdx, rcx);
  a.mov(m64(rbx, STATE.load), rdx);
  a.lea(r8, m64(rdx, ENTRY_64 + 2));
  a.mov(m64(rbx, STATE.resume), r8);
  a.comment("a GDT within the image is the kernel's own 32-bit entry: page tables lie where init_size says");
  a.sgdt(m64(rbx, STATE.gdtr));
  a.mov(r8, m64(rbx, STATE.gdtr + 2));
  a.sub(r8, rdx);
  a.mov(ecx, m32(rax, BLOCK.initSize));
  a.add(ecx, m32(rax, BLOCK.tailBytes));
  a.cmp(r8, rcx);
  a.j('jb', 'leave');
  a.comment('r14: the table; r12: the list of functions');
  a.mov(ecx, m32(rax, BLOCK.table));
  a.lea(r14, m64(rax, 0, rcx));
  a.cmp(m32(r14, TABLE.magicAt), TABLE.magic);
  a.j('jne', 'leave');
  a.cmp(m16(r14, TABLE.versionAt), TABLE.version);
  a.j('jne', 'leave');
  a.mov(ecx, m32(rax, BLOCK.scratch));
  a.lea(r12, m64(rdx, 0, rcx));
  a.call('commandLine');
  a.cmp(m8(rbx, STATE.mode), MODE.off);
  a.j('je', 'leave');
  a.mov(m64(rbx, STATE.walkRsp), rsp);
  a.call('descriptors');
  a.test(eax, eax);
  a.j('je', 'leave');
}

/** From here on an exception leads to `over`. */
function emitWalk(a: Assembler): void {
  a.mov(eax, m32(r14, TABLE.maxAccesses));
  a.mov(m32(rbx, STATE.accessesLeft), eax);
  a.mov(eax, m32(r14, TABLE.known));
  a.lea(r15, m64(r14, 0, rax));
  a.mov(m64(rbx, STATE.knownNext), r15);
  a.mov(eax, m32(r14, TABLE.knownCount));
  a.mov(m32(rbx, STATE.knownLeft), eax);
  a.call('tsc');
  a.mov(m64(rbx, STATE.tscStart), rax);
  a.call('progress');
  a.comment('does configuration mechanism #1 answer?');
  a.mov(edx, CF8);
  a.in(eax);
  a.mov(m32(rbx, STATE.cf8), eax);
  a.mov(m8(rbx, STATE.cf8Saved), 1);
  a.mov(eax, ENABLE);
  a.out(eax);
  a.in(eax);
  a.cmp(eax, ENABLE);
  a.mov(al, END.nothing);
  a.j('jne', 'end');
  a.mov(m8(rbx, STATE.phase), PHASE.discover);
  a.call('progress');
  a.call('discover');
  a.mov(m8(rbx, STATE.phase), PHASE.gate);
  a.call('progress');
  a.call('gateAll');
  a.mov(m8(rbx, STATE.phase), PHASE.wait);
  a.call('progress');
  a.call('waitAll');
  a.mov(m8(rbx, STATE.phase), PHASE.messages);
  a.call('progress');
  a.call('messagesAll');
  a.mov(m8(rbx, STATE.phase), PHASE.done);
  a.mov(al, END.complete);
  a.comment('al: how it ended. From any depth of calls.');
  a.label('end');
  a.mov(m8(rbx, STATE.end), al);
  a.label('over');
  a.mov(m8(rbx, STATE.stage), 1);
  a.mov(rsp, m64(rbx, STATE.walkRsp));
  a.call('record');
}

function emitLeave(a: Assembler): void {
  a.label('putBack');
  a.mov(m8(rbx, STATE.stage), 2);
  a.cmp(m8(rbx, STATE.cf8Saved), 0);
  a.j('je', 'putBackTables');
  a.mov(eax, m32(rbx, STATE.cf8));
  a.mov(edx, CF8);
  a.out(eax);
  a.label('putBackTables');
  a.lidt(m64(rbx, STATE.idtr));
  a.lgdt(m64(rbx, STATE.gdtr));
  a.label('leave');
  a.mov(rax, m64(rbx, STATE.rflags));
  a.push(rax);
  a.plain('Popfq');
  for (const [register, at] of SAVED) a.mov(register, m64(rbx, at));
  a.mov(rbx, m64(rbx, STATE.rbx));
  a.jmpTo(rel(64, 'state', STATE.resume));
}

const WORDS: readonly (readonly [string, number])[] = [
  ['shootdown=off', MODE.off],
  ['shootdown=observe', MODE.observe],
  ['shootdown=on', MODE.on],
  ['elfcorehdr=', MODE.crash],
];

/** Sets `mode` and `crash` from the new kernel's command line; of words that contradict each other the last counts. */
function emitCommandLine(a: Assembler): void {
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

/**
 * Own GDT and IDT. Selectors stay as the loader left them: the GDT gets descriptors where they point, so that an
 * NMI's IRETQ finds them. EAX is 0 if that cannot be done.
 */
function emitDescriptors(a: Assembler): void {
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
function emitExceptions(a: Assembler): void {
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
