// What lies where: in a wrapped image, in the table behind the stub, and in the flight record. All values are
// little-endian. `docs/wrap.md` has the picture. The stub's program is generated from these numbers, too.

/**
 * The setup header of a bzImage, as offsets from its first byte; a kernel's `boot_params` has it at the same place.
 * Linux, Documentation/arch/x86/boot.rst.
 */
export const SETUP = {
  setupSects: 0x1f1, // u8
  syssize: 0x1f4, // u32, in 16-byte units
  bootFlag: 0x1fe, // u16, 0xaa55
  header: 0x202, // u32, "HdrS"
  version: 0x206, // u16
  typeOfLoader: 0x210, // u8
  loadflags: 0x211, // u8
  cmdLinePtr: 0x228, // u32
  kernelAlignment: 0x230, // u32
  relocatableKernel: 0x234, // u8
  xloadflags: 0x236, // u16
  cmdlineSize: 0x238, // u32
  payloadOffset: 0x248, // u32, from the protected-mode code
  payloadLength: 0x24c, // u32
  setupData: 0x250, // u64
  prefAddress: 0x258, // u64
  initSize: 0x260, // u32
} as const;

/** Further fields of `boot_params`: Linux, Documentation/arch/x86/zero-page.rst. */
export const BOOT_PARAMS = {
  extCmdLinePtr: 0xc8, // u32, upper half
  e820Entries: 0x1e8, // u8
  /** Unused up to the end of the page. */
  pad9: 0xeec,
  size: 0x1000,
} as const;

export const XLF_KERNEL_64 = 1;
/** The 64-bit entry, from the start of the protected-mode code. */
export const ENTRY_64 = 0x200;
/** `cld; cli`: the first bytes at the entry, which the guard performs in their stead. */
export const ENTRY_BYTES = [0xfc, 0xfa] as const;
/** Zero in every kernel looked at: between the 32-bit entry's code and the 64-bit entry. */
export const GUARD = { offset: 0x184, end: 0x200 } as const;
/** kexec-tools and kexec_file_load: boot loader ID 0xD, with any version. */
export const LOADER_KEXEC = 0xd0;

/**
 * What `wrap` appends to the protected-mode code, beginning at a multiple of 4096 from its start: header, program,
 * table, and what `unwrap` needs.
 */
export const BLOCK = {
  alignment: 4096,
  headerBytes: 64,
  version: 1,
  magic: 'SHOTSTUB',
  // u32 each, from the block's start
  versionAt: 8,
  blockBytes: 12, // of the whole block
  programBytes: 16, // the program lies right behind the header
  table: 20, // offset in the block
  tableBytes: 24,
  original: 28, // offset in the block of what unwrap needs (UTF-8 JSON, then raw bytes: see wrap.ts)
  originalBytes: 32,
  tailBytes: 36, // added to init_size, for the flight record
  initSize: 40, // as the original says
  scratch: 44, // offset from the start of the protected-mode code: memory for the list of functions
  scratchEntries: 48, // how many it holds
  blockOffset: 52, // of this block, from the start of the protected-mode code
  kernelAlignment: 56,
  programId: 60, // first four bytes of the SHA-256 of the program
} as const;

/** The policy and what was known of the machine, behind the program. Offsets are from the table's start. */
export const TABLE = {
  magic: 0x42544853, // "SHTB"
  version: 1,
  headerBytes: 384,
  magicAt: 0, // u32
  versionAt: 4, // u16
  flags: 6, // u16, TABLE_FLAGS
  walkTicks: 8, // u64: TSC ceiling of the search for functions; gating has what is left, at least half of it
  pendingTicks: 16, // u64: the bound that all functions share while they are waited for
  slowTicks: 24, // u64: waited before each access; 0 but in tests
  maxAccesses: 32, // u32: reads and writes of configuration space in all
  tscKhz: 36, // u32: that the ticks were computed with
  rules: 40, // u32 offset, a multiple of 8
  ruleCount: 44, // u32
  known: 48, // u32 offset, a multiple of 8
  knownCount: 52, // u32
  template: 56, // u32 offset, a multiple of 8: copied into the flight record as it is
  templateBytes: 60, // u32, a multiple of 8 (padded with spaces)
  defaultFacts: 64, // u32: answers of the fact predicates for a function that was not known
  otherwise: 68, // u8: ACTION
  busFlags: 128, // 256 bytes, BUS_FLAGS
} as const;

export const TABLE_FLAGS = {
  scanAll: 1, // every bus, not only those that bridges and the table lead to
  progress: 2, // PROGRESS codes on port 0x80
  stopOnFailure: 4,
  hasPreserve: 8, // some rule preserves: quiet functions are looked at, too
} as const;

export const BUS_FLAGS = {
  root: 1, // a root bus
  listed: 2, // holds functions though no bridge may lead to it (virtual functions)
  everyRid: 4, // virtual functions or ARI: each of the 256 routing IDs counts
} as const;

/** A rule: all that is set must match; the first that does decides. */
export const RULE = {
  bytes: 32,
  classMask: 0, // u32, on the dword at offset 8 of configuration space
  classValue: 4, // u32
  idMask: 8, // u32, on the dword at offset 0
  idValue: 12, // u32
  ridMask: 16, // u16, on bus << 8 | device << 3 | function
  ridValue: 18, // u16
  headerType: 20, // u8, 0xff for any
  conditions: 21, // u8, CONDITIONS
  action: 22, // u8, ACTION
  factMask: 24, // u32: bit of the function's facts that must be set, 0 for none
} as const;

export const CONDITIONS = {
  rootBus: 1,
  notRootBus: 2,
  vf: 4,
  notVf: 8,
  bootDisplay: 16,
  notBootDisplay: 32,
} as const;

export const ACTION = { exempt: 0, preserve: 1, gate: 2 } as const;

/** A function that was there when the kernel was wrapped; sorted by routing ID. A hint counts only if the id agrees. */
export const KNOWN = {
  bytes: 24,
  rid: 0, // u16
  physfn: 2, // u16: routing ID of the physical function; meaningful with flag vf
  id: 4, // u32: the dword at 0; for a virtual function as the system knows it
  facts: 8, // u32: answers of the fact predicates
  pm: 12, // u8: offsets of capabilities, 0 for none
  msi: 13, // u8
  msix: 14, // u8
  express: 15, // u8
  af: 16, // u8: only if it has a Transactions Pending bit
  flags: 17, // u8, KNOWN_FLAGS
} as const;

export const KNOWN_FLAGS = {
  vf: 1,
  bootVgaKnown: 2,
  bootVga: 4,
  /** The five offsets above are all that there is. */
  capabilities: 8,
  /** A root or downstream port without ARI: only device 0 can be below it. */
  oneDevice: 16,
} as const;

/** Most fact predicates that a table can hold: one a rule that asks for a driver or for what a function holds. */
export const FACTS_MAX = 32;

/** A bridge, or a function that was not quiet: in the stub's list and, as it is, in a full flight record. */
export const ENTRY = {
  bytes: 32,
  rid: 0, // u16
  flags: 2, // u8, ENTRY_FLAGS
  depth: 3, // u8: bridges above
  parent: 4, // u16: index + 1 of the bridge above in the list, 0 for none
  rule: 6, // u16: index of the rule, RULE_OTHERWISE, RULE_LADDER
  commandBefore: 8, // u16
  commandAfter: 10, // u16; as before, where nothing was written
  status: 12, // u16: as last read with Command
  msiBefore: 14, // u16: Message Control, 0 where there is none or it was not read
  msixBefore: 16, // u16
  pm: 18, // u8: capability offsets, 0 for none
  msi: 19, // u8
  msix: 20, // u8
  pendingAt: 21, // u8: the dword that has Transactions Pending, 0 for none
  pendingKind: 22, // u8, PENDING_KIND
  outcome: 23, // u8, OUTCOME
  pending: 24, // u8, PENDING
  messages: 25, // u8: MESSAGES of MSI, and of MSI-X << 4
  headerType: 26, // u8, with the multi-function bit
  subordinate: 27, // u8: of a bridge
  id: 28, // u32: the dword at offset 0
} as const;

export const RULE_OTHERWISE = 0xffff;
export const RULE_LADDER = 0xfffe;

export const ENTRY_FLAGS = {
  bridge: 1,
  vf: 2,
  quiet: 4,
  /** Something below it could not be told to be quiet. */
  keep: 8,
  preserve: 16,
  bmeClear: 32,
  intxDisabled: 64,
  /** To be gated. */
  planned: 128,
} as const;

/** What became of a function. */
export const OUTCOME = {
  none: 0, // not come to before the walk ended
  done: 1,
  partial: 2, // BME clear, INTx-disable did not stick
  interrupting: 3, // BME clear, INTx asserted and not disabled
  ignored: 4, // BME reads set after it was cleared
  vanished: 5,
  exempt: 6, // a rule says so
  preserve: 7, // it, or what is below it
  asleep: 8, // not in D0
  liveBelow: 9, // a bridge kept open
  quiet: 10, // a bridge that masters nothing
  wouldGate: 11, // observe: nothing was written
} as const;

/** Where Transactions Pending is: Device Status (Express), or AF Status. */
export const PENDING_KIND = { none: 0, express: 1, af: 2 } as const;

export const PENDING = { none: 0, clear: 1, timeout: 2, vanished: 3, skipped: 4 } as const;
export const MESSAGES = {
  none: 0,
  off: 1,
  disabled: 2,
  ignored: 3,
  skipped: 4,
  vanished: 5,
  left: 6,
} as const;

/** The flight record. Sizes in bytes, offsets from its start. */
export const RECORD = {
  /** `type` of the setup_data node: "SHOT". */
  setupDataType: 0x53484f54,
  magic: 0x544f4853, // the bytes "SHOT"
  version: 1,
  headerBytes: 128,
  magicAt: 0, // u32
  versionAt: 4, // u16
  headerAt: 6, // u16: headerBytes
  totalBytes: 8, // u32: header, template, entries
  checksum: 12, // u32: makes the sum of all dwords 0
  flags: 16, // u16, RECORD_FLAGS
  entryBytes: 18, // u16: ENTRY.bytes or COMPACT.bytes
  entries: 20, // u32: that are in it
  entriesTotal: 24, // u32: that the stub had; more than `entries` if it was truncated
  end: 28, // u8, END
  vector: 29, // u8: of the exception that ended it
  phase: 30, // u8, PHASE: where it ended; `discover` where time ran out there, though what was found was gated then
  nmis: 31, // u8, stays at 255
  rid: 32, // u32: of the last access; where time ran out in `discover`, of the one by then
  functions: 36, // u32: that answered
  buses: 40, // u32: that were looked at
  reads: 44, // u32
  writes: 48, // u32
  gated: 52, // u32: BME reads clear after our write
  failed: 56, // u32: outcomes ignored, interrupting, vanished; pending timeouts; messages ignored
  tscKhz: 60, // u32: as in the table
  tscStart: 64, // u64
  ticks: 72, // u64: from the first access to the last
  ioTicks: 80, // u64: of these, within accesses
  template: 88, // u32: offset
  templateBytes: 92, // u32
  entriesAt: 96, // u32: offset
  program: 100, // u32: BLOCK.programId
  tailBytes: 104, // u32: init_size was raised by this much
  reserved: 108,
} as const;

export const RECORD_FLAGS = {
  observe: 1,
  crash: 2, // elfcorehdr= was on the command line
  truncated: 4,
  summary: 8, // in boot_params: no template, COMPACT entries of what was to be gated
} as const;

/** A function in the summary of a normal jump. */
export const COMPACT = {
  bytes: 8,
  rid: 0, // u16
  commandBefore: 2, // u16
  outcome: 4, // u8
  pending: 5, // u8
  messages: 6, // u8
  rule: 7, // u8, low byte of the index
} as const;

/** How the walk ended. */
export const END = {
  complete: 0,
  accesses: 1, // maxAccesses
  time: 2, // walkTicks
  exception: 3,
  stopped: 4, // at a failure, as the policy says
  nothing: 5, // ports 0xCF8 and 0xCFC do not answer
  room: 6, // more functions than the list holds
  confidential: 7, // a TDX guest, where an access to a port would leave the next kernel crippled
} as const;

export const PHASE = { start: 0, discover: 1, gate: 2, wait: 3, messages: 4, record: 5, done: 6 } as const;
/** Written to port 0x80, plus the phase. */
export const PROGRESS = 0xd0;
