import { BLOCK, END, ENTRY_64, PHASE, TABLE } from '../layout.js';
import { CF8, ENABLE, emitAccess } from './access.js';
import {
  type Assembled,
  Assembler,
  al,
  eax,
  ebx,
  ecx,
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
import { emitCommandLine } from './command-line.js';
import { emitDescriptors, emitExceptions } from './descriptors.js';
import { emitDiscover } from './discover.js';
import { emitPasses } from './passes.js';
import { emitRecord } from './record.js';
import { MODE, STACK_TOP, STATE } from './state.js';

/** Intel TDX Module, Guest-Host Communication Interface: EBX, EDX, ECX. */
const CPUID_TDX = 0x21;
const TDX_SIGNATURE = 'IntelTDX    ';

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
  a.mov(m64(rbx, STATE.walkRsp), rsp);
  a.call('descriptors');
  a.test(eax, eax);
  a.j('je', 'leave');
  a.call('commandLine');
  a.cmp(m8(rbx, STATE.mode), MODE.off);
  a.j('je', 'putBackTables');
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
  a.mov(m64(rbx, STATE.timedFrom), rax);
  a.call('progress');
  a.comment(
    'in a TDX guest a port would raise #VE, and one that is not asked about turns the next one into #DF',
  );
  a.mov(eax, CPUID_TDX);
  a.mov(ecx, 0);
  a.mov(rsi, rbx);
  a.plain('Cpuid');
  a.mov(eax, ebx);
  a.mov(rbx, rsi);
  for (const [register, at] of [
    [eax, 0],
    [edx, 4],
    [ecx, 8],
  ] as const) {
    a.cmp(register, dwordOf(TDX_SIGNATURE, at));
    a.j('jne', 'mechanism');
  }
  a.mov(al, END.confidential);
  a.jmp('end');
  a.label('mechanism');
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
  a.label('gatePhase');
  a.comment('however long that took, half of the time is for what was found');
  a.call('tsc');
  a.mov(r9, rax);
  a.sub(rax, m64(rbx, STATE.timedFrom));
  a.mov(r8, m64(r14, TABLE.walkTicks));
  a.shr(r8, 1);
  a.cmp(rax, r8);
  a.j('jbe', 'gateBegin');
  a.sub(r9, r8);
  a.mov(m64(rbx, STATE.timedFrom), r9);
  a.label('gateBegin');
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
  a.cmp(m8(rbx, STATE.cut), 0);
  a.j('je', 'end');
  a.mov(m8(rbx, STATE.phase), PHASE.discover);
  a.mov(eax, m32(rbx, STATE.cutRid));
  a.mov(m32(rbx, STATE.rid), eax);
  a.mov(al, END.time);
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
  a.cmp(m8(rbx, STATE.cf8Saved), 0);
  a.j('je', 'putBackTables');
  a.mov(eax, m32(rbx, STATE.cf8));
  a.mov(edx, CF8);
  a.mov(m8(rbx, STATE.stage), 2);
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

function dwordOf(text: string, at: number): number {
  return new DataView(new TextEncoder().encode(text).buffer).getInt32(at, true);
}
