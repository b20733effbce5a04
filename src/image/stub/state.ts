import { ENTRY } from '../layout.js';

// The stub's own room: zeros in the file, right behind its code. Offsets from the label `state`, which RBX holds.

/** An index in the list of functions, shifted by this, is a distance in bytes. */
export const ENTRY_SHIFT = Math.log2(ENTRY.bytes);
const STACK_BYTES = 1024;
/** Exceptions of the processor; interrupts are off, so nothing else can come. */
export const IDT_GATES = 32;
/** Room for the code and stack selectors that the loader left, up to 0xf8. */
export const GDT_SLOTS = 32;

/** One of the 256 buses. */
export const BUS = {
  bytes: 8,
  flags: 0, // u8, BUS_SEEN
  depth: 1, // u8
  parent: 2, // u16: index + 1 of the bridge that leads to it
  subordinate: 4, // u8: of that bridge
} as const;
export const BUS_SEEN = {
  scan: 1, // a bridge leads to it
  blocked: 2, // behind a bridge that sleeps
  oneDevice: 4, // below a root or downstream port
} as const;

export const MODE = { normal: 0, off: 1, observe: 2, on: 3, crash: 4 } as const;

type Layout<T> = { readonly [K in keyof T]: number };
function layout<const T extends Record<string, number>>(fields: T): Layout<T> & { readonly bytes: number } {
  let at = 0;
  const offsets: Record<string, number> = {};
  for (const [name, size] of Object.entries(fields)) {
    at = (at + Math.min(size, 8) - 1) & -Math.min(size, 8);
    offsets[name] = at;
    at += size;
  }
  return { ...(offsets as Layout<T>), bytes: (at + 15) & -16 };
}

export const STATE = layout({
  // As the loader left them
  rbx: 8,
  rax: 8,
  rcx: 8,
  rdx: 8,
  rsi: 8, // boot_params
  rdi: 8,
  rbp: 8,
  rsp: 8,
  r8: 8,
  r9: 8,
  r10: 8,
  r11: 8,
  r12: 8,
  r13: 8,
  r14: 8,
  r15: 8,
  rflags: 8,
  gdtr: 16, // as SGDT stores it: limit u16, base u64
  idtr: 16,
  ownGdtr: 16,
  ownIdtr: 16,
  resume: 8, // where the kernel goes on
  block: 8, // the block's header
  load: 8, // the protected-mode code
  walkRsp: 8,
  tscStart: 8,
  timedFrom: 8, // from here on walkTicks count
  ioTicks: 8,
  pendingStart: 8,
  knownNext: 8, // next known function
  knownLeft: 4,
  knownHere: 8, // the known function that is being looked at, 0 if it was not known
  cf8: 4,
  cf8Saved: 1,
  stage: 1, // 0 walk, 1 record, 2 putting back
  mode: 1, // MODE
  crash: 1,
  end: 1, // END
  vector: 1,
  phase: 1, // PHASE
  nmis: 1,
  bus: 4,
  multi: 1, // the function just visited is one of several
  here: 1, // it is there
  cut: 1, // time ran out while it looked for functions
  cutRid: 4, // at this one
  maxDepth: 1,
  rid: 4, // of the last access
  count: 4, // entries
  accessesLeft: 4,
  functions: 4,
  buses: 4,
  reads: 4,
  writes: 4,
  gated: 4,
  failed: 4,
  left: 4, // still pending
  entryFacts: 4,
  entryId: 4,
  entryClass: 4,
  oneDevice: 1,
  af: 1,
  depthNow: 1,
  bridgesNow: 1,
  virtualNow: 1,
  gdt: GDT_SLOTS * 8,
  idt: IDT_GATES * 16,
  bus0: 256 * BUS.bytes,
  stack: STACK_BYTES,
});
export const STACK_TOP = STATE.stack + STACK_BYTES;
