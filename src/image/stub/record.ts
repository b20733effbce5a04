import {
  BLOCK,
  BOOT_PARAMS,
  COMPACT,
  ENTRY,
  ENTRY_FLAGS,
  RECORD,
  RECORD_FLAGS,
  SETUP,
  TABLE,
} from '../layout.js';
import { timeStamp } from './access.js';
import {
  type Assembler,
  al,
  ax,
  eax,
  ecx,
  edx,
  m8,
  m16,
  m32,
  m64,
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
  rsi,
} from './assembler.js';
import { ENTRY_SHIFT, MODE, STATE } from './state.js';

/** next u64, type u32, len u32. */
const NODE = { next: 0, type: 8, length: 12, bytes: 16 } as const;
const SUMMARY_BYTES = BOOT_PARAMS.size - BOOT_PARAMS.pad9;

/** Header fields that are copied from the state as they are. */
const COPIED: readonly (readonly [to: number, from: number, bits: 8 | 32 | 64])[] = [
  [RECORD.end, STATE.end, 8],
  [RECORD.vector, STATE.vector, 8],
  [RECORD.phase, STATE.phase, 8],
  [RECORD.nmis, STATE.nmis, 8],
  [RECORD.rid, STATE.rid, 32],
  [RECORD.functions, STATE.functions, 32],
  [RECORD.buses, STATE.buses, 32],
  [RECORD.reads, STATE.reads, 32],
  [RECORD.writes, STATE.writes, 32],
  [RECORD.gated, STATE.gated, 32],
  [RECORD.failed, STATE.failed, 32],
  [RECORD.tscStart, STATE.tscStart, 64],
  [RECORD.ioTicks, STATE.ioTicks, 64],
];

/**
 * The flight record. R8: boot_params; R9: the block; R11: where its room ends; R13: the record; R15: the next byte.
 */
export function emitRecord(a: Assembler): void {
  a.label('record');
  a.mov(r8, m64(rbx, STATE.rsi));
  a.mov(r9, m64(rbx, STATE.block));
  a.mov(rdx, m64(rbx, STATE.load));
  a.comment('in full for a capture kernel, if the decompressor stays off the tail');
  a.cmp(m8(rbx, STATE.crash), 0);
  a.j('je', 'summary');
  a.mov(ecx, m32(r9, BLOCK.tailBytes));
  a.cmp(ecx, 2 * NODE.bytes + RECORD.headerBytes);
  a.j('jb', 'summary');
  a.mov(eax, m32(r9, BLOCK.kernelAlignment));
  a.sub(eax, 1);
  a.test(eax, edx);
  a.j('jne', 'summary');
  a.cmp(rdx, m64(r8, SETUP.prefAddress));
  a.j('jb', 'summary');
  a.mov(eax, m32(r9, BLOCK.initSize));
  a.lea(r13, m64(rdx, NODE.bytes - 1, rax));
  a.and(r13, -NODE.bytes);
  a.add(eax, ecx);
  a.cmp(eax, m32(r8, SETUP.initSize));
  a.j('jne', 'summary');
  a.lea(r11, m64(rdx, 0, rax));
  a.add(r13, NODE.bytes);
  a.mov(edx, 0);
  a.call('recordHeader');
  a.comment('what wrap laid ready: tool, policy, names of the rules');
  a.mov(ecx, m32(r14, TABLE.templateBytes));
  a.lea(rax, m64(r15, 0, rcx));
  a.cmp(rax, r11);
  a.j('ja', 'recordEntries');
  a.mov(m32(r13, RECORD.template), RECORD.headerBytes);
  a.mov(m32(r13, RECORD.templateBytes), ecx);
  a.mov(eax, m32(r14, TABLE.template));
  a.lea(rsi, m64(r14, 0, rax));
  a.mov(rdi, r15);
  a.repMovsb();
  a.mov(r15, rdi);
  a.label('recordEntries');
  a.mov(m16(r13, RECORD.entryBytes), ENTRY.bytes);
  a.mov(eax, m32(rbx, STATE.count));
  a.mov(m32(r13, RECORD.entriesTotal), eax);
  a.comment('rax: those that fit');
  a.mov(rcx, r11);
  a.sub(rcx, r15);
  a.shr(rcx, ENTRY_SHIFT);
  a.cmp(rcx, rax);
  a.j('jae', 'recordFits');
  a.or(m16(r13, RECORD.flags), RECORD_FLAGS.truncated);
  a.mov(rax, rcx);
  a.label('recordFits');
  a.mov(m32(r13, RECORD.entries), eax);
  a.mov(rax, r15);
  a.sub(rax, r13);
  a.mov(m32(r13, RECORD.entriesAt), eax);
  a.mov(ecx, m32(r13, RECORD.entries));
  a.shl(rcx, ENTRY_SHIFT);
  a.mov(rsi, r12);
  a.mov(rdi, r15);
  a.repMovsb();
  a.mov(r15, rdi);
  a.call('recordEnd');
  a.comment('linked when it is whole and the decompressor has been told the size without the tail');
  a.lea(r10, m64(r13, -NODE.bytes));
  a.mov(rax, m64(r8, SETUP.setupData));
  a.mov(m64(r10, NODE.next), rax);
  a.mov(m32(r10, NODE.type), RECORD.setupDataType);
  a.mov(eax, m32(r13, RECORD.totalBytes));
  a.mov(m32(r10, NODE.length), eax);
  a.mov(eax, m32(r9, BLOCK.initSize));
  a.mov(m32(r8, SETUP.initSize), eax);
  a.mov(m64(r8, SETUP.setupData), r10);
  a.jmp('putBack');

  a.comment(
    'else what fits into unused bytes of boot_params: nothing is reserved, the memory map stays as it was',
  );
  a.label('summary');
  a.lea(r13, m64(r8, BOOT_PARAMS.pad9));
  a.lea(r11, m64(r13, SUMMARY_BYTES));
  a.mov(edx, RECORD_FLAGS.summary);
  a.call('recordHeader');
  a.mov(m16(r13, RECORD.entryBytes), COMPACT.bytes);
  a.mov(m32(r13, RECORD.entriesAt), RECORD.headerBytes);
  a.mov(rbp, r12);
  a.mov(ecx, m32(rbx, STATE.count));
  a.label('compactLoop');
  a.sub(ecx, 1);
  a.j('jb', 'compactEnd');
  a.test(m8(rbp, ENTRY.flags), ENTRY_FLAGS.planned);
  a.j('je', 'compactNext');
  a.inc(m32(r13, RECORD.entriesTotal));
  a.lea(rax, m64(r15, COMPACT.bytes));
  a.cmp(rax, r11);
  a.j('jbe', 'compactFits');
  a.or(m16(r13, RECORD.flags), RECORD_FLAGS.truncated);
  a.jmp('compactNext');
  a.label('compactFits');
  a.inc(m32(r13, RECORD.entries));
  for (const [to, from] of [
    [COMPACT.rid, ENTRY.rid],
    [COMPACT.commandBefore, ENTRY.commandBefore],
  ] as const) {
    a.mov(ax, m16(rbp, from));
    a.mov(m16(r15, to), ax);
  }
  for (const [to, from] of [
    [COMPACT.outcome, ENTRY.outcome],
    [COMPACT.pending, ENTRY.pending],
    [COMPACT.messages, ENTRY.messages],
    [COMPACT.rule, ENTRY.rule],
  ] as const) {
    a.mov(al, m8(rbp, from));
    a.mov(m8(r15, to), al);
  }
  a.add(r15, COMPACT.bytes);
  a.label('compactNext');
  a.add(rbp, ENTRY.bytes);
  a.jmp('compactLoop');
  a.label('compactEnd');
  a.call('recordEnd');
  a.jmp('putBack');

  emitRecordHeader(a);
  emitRecordEnd(a);
}

/** At R13, with the flags in EDX; R15 is behind it then. */
function emitRecordHeader(a: Assembler): void {
  a.label('recordHeader');
  a.mov(eax, 0);
  for (let at = 0; at < RECORD.headerBytes; at += 8) a.mov(m64(r13, at), rax);
  a.lea(r15, m64(r13, RECORD.headerBytes));
  a.mov(m32(r13, RECORD.magicAt), RECORD.magic);
  a.mov(m16(r13, RECORD.versionAt), RECORD.version);
  a.mov(m16(r13, RECORD.headerAt), RECORD.headerBytes);
  a.cmp(m8(rbx, STATE.mode), MODE.observe);
  a.j('jne', 'recordNotObserve');
  a.or(edx, RECORD_FLAGS.observe);
  a.label('recordNotObserve');
  a.cmp(m8(rbx, STATE.crash), 0);
  a.j('je', 'recordNotCrash');
  a.or(edx, RECORD_FLAGS.crash);
  a.label('recordNotCrash');
  a.mov(m32(r13, RECORD.flags), edx);
  for (const [to, from, bits] of COPIED) {
    const register = bits === 8 ? al : bits === 32 ? eax : rax;
    const at = bits === 8 ? m8 : bits === 32 ? m32 : m64;
    a.mov(register, at(rbx, from));
    a.mov(at(r13, to), register);
  }
  a.mov(eax, m32(r14, TABLE.tscKhz));
  a.mov(m32(r13, RECORD.tscKhz), eax);
  a.mov(eax, m32(r9, BLOCK.tailBytes));
  a.mov(m32(r13, RECORD.tailBytes), eax);
  a.mov(eax, m32(r9, BLOCK.programId));
  a.mov(m32(r13, RECORD.program), eax);
  timeStamp(a);
  a.sub(rax, m64(rbx, STATE.tscStart));
  a.mov(m64(r13, RECORD.ticks), rax);
  a.ret();
}

/** Size and checksum: all dwords together make 0. */
function emitRecordEnd(a: Assembler): void {
  a.label('recordEnd');
  a.mov(rcx, r15);
  a.sub(rcx, r13);
  a.mov(m32(r13, RECORD.totalBytes), ecx);
  a.mov(eax, 0);
  a.mov(rdi, r13);
  a.label('sumLoop');
  a.sub(eax, m32(rdi));
  a.add(rdi, 4);
  a.cmp(rdi, r15);
  a.j('jb', 'sumLoop');
  a.mov(m32(r13, RECORD.checksum), eax);
  a.ret();
}
