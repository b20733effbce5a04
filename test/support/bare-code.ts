/** Where things lie in the bare machine's memory, all identity-mapped. */
export const BARE = {
  bootParams: 0x9_0000,
  commandLine: 0x9_1000,
  image: 0x10_0000, // the harness: code, GDT, page tables
  mailbox: 0x11_0000,
  stackTop: 0x11_2000,
  kernel: 0x100_0000, // the protected-mode code of the image that is run
} as const;

/** Fields of the mailbox, as offsets; 64 bits each. Registers are in the order of their encoding, RAX first. */
export const MAILBOX = {
  state: 0, // STATE
  go: 8, // anything but 0: enter the image
  entry: 16,
  /** The address of `arrived`: the made-up kernel jumps through it. */
  back: 24,
  tsc: 32, // while it waits
  rflags: 40,
  registers: 64, // 16, set before the image is entered
  after: 192, // 16, as they were when it was left
  rflagsAfter: 320,
  gdtr: 328, // 16 bytes: limit u16, base u64
  idtr: 344, // 16 bytes
  cf8: 360,
  cs: 368,
  ss: 376,
  bytes: 384,
} as const;

export const STATE = { ready: 1, done: 2 } as const;

const PAGE = 4096;
const GDT_AT = 0x800;
const GDTR_AT = 0x840;
const IDTR_AT = 0x850;
const TABLES_AT = PAGE;
const GIB = 4;
export const GDT = { address: BARE.image + GDT_AT, limit: 4 * 8 - 1 } as const;

/** Multiboot Specification 0.6.96, 3.1.1: the addresses stand in the header, whatever the file is. */
const MULTIBOOT = { magic: 0x1bad_b002, flags: 0x0001_0000, headerBytes: 32 } as const;

const u32 = (value: number) => [
  value & 0xff,
  (value >> 8) & 0xff,
  (value >> 16) & 0xff,
  (value >>> 24) & 0xff,
];
const mailbox = (field: number) => u32(BARE.mailbox + field);
/** A 64-bit instruction whose operand is a register and the memory at a fixed address. */
const absolute = (opcode: number, register: number, field: number) => [
  ...[register < 8 ? 0x48 : 0x4c, opcode, 0x04 | ((register & 7) << 3), 0x25],
  ...mailbox(field),
];
const REGISTERS = Array.from({ length: 16 }, (_, i) => i);

/** From 32-bit protected mode without paging, as multiboot enters, to long mode. */
function toLongMode(long: number): number[] {
  return [
    ...[0xb8, ...u32(BARE.image + TABLES_AT)], // mov eax, PML4
    ...[0x0f, 0x22, 0xd8], // mov cr3, eax
    ...[0x0f, 0x20, 0xe0], // mov eax, cr4
    ...[0x83, 0xc8, 0x60], // or eax, PAE | MCE
    ...[0x0f, 0x22, 0xe0], // mov cr4, eax
    ...[0xb9, ...u32(0xc000_0080)], // mov ecx, IA32_EFER
    ...[0x0f, 0x32], // rdmsr
    ...[0x80, 0xcc, 0x01], // or ah, LME >> 8
    ...[0x0f, 0x30], // wrmsr
    ...[0x0f, 0x01, 0x15, ...u32(BARE.image + GDTR_AT)], // lgdt [gdtr]
    ...[0x0f, 0x20, 0xc0], // mov eax, cr0
    ...[0x0d, ...u32(0x8000_0000)], // or eax, PG
    ...[0x0f, 0x22, 0xc0], // mov cr0, eax
    ...[0xea, ...u32(long), 0x10, 0x00], // jmp 0x10:long
  ];
}

function start(): number[] {
  return [
    ...[0xb8, ...u32(0x18)], // mov eax, 0x18
    ...[0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0], // mov ds, eax; mov es, eax; mov ss, eax
    ...[0x0f, 0x01, 0x1c, 0x25, ...u32(BARE.image + IDTR_AT)], // lidt [idtr]
    ...[0xc7, 0x04, 0x25, ...mailbox(MAILBOX.state), ...u32(STATE.ready)], // mov dword [state], ready
  ];
}

/** Waits for `go`, loads all registers and enters the image. */
function waiting(): number[] {
  const wait = [
    ...[0x0f, 0x31], // rdtsc
    ...[0x89, 0x04, 0x25, ...mailbox(MAILBOX.tsc)], // mov [tsc], eax
    ...[0x89, 0x14, 0x25, ...mailbox(MAILBOX.tsc + 4)], // mov [tsc + 4], edx
    ...[0xf3, 0x90], // pause
    ...[0x83, 0x3c, 0x25, ...mailbox(MAILBOX.go), 0x00], // cmp dword [go], 0
  ];
  return [
    ...wait,
    ...[0x74, -(wait.length + 2) & 0xff], // je wait
    ...[0x83, 0x24, 0x25, ...mailbox(MAILBOX.go), 0x00], // and dword [go], 0
    ...[0x48, 0xc7, 0xc4, ...u32(BARE.stackTop)], // mov rsp, stackTop
    ...[0xff, 0x34, 0x25, ...mailbox(MAILBOX.rflags)], // push qword [rflags]
    0x9d, // popfq
    ...REGISTERS.flatMap((i) => absolute(0x8b, i, MAILBOX.registers + 8 * i)), // mov r, [registers + 8 * i]
    ...[0xff, 0x24, 0x25, ...mailbox(MAILBOX.entry)], // jmp [entry]
  ];
}

/** What the kernel would have found; then back to waiting. */
function arrived(wait: number, here: number): number[] {
  const code = [
    ...REGISTERS.flatMap((i) => absolute(0x89, i, MAILBOX.after + 8 * i)), // mov [after + 8 * i], r
    ...[0x48, 0xc7, 0xc4, ...u32(BARE.stackTop)], // mov rsp, stackTop
    0x9c, // pushfq
    ...[0x8f, 0x04, 0x25, ...mailbox(MAILBOX.rflagsAfter)], // pop qword [rflagsAfter]
    ...[0x0f, 0x01, 0x04, 0x25, ...mailbox(MAILBOX.gdtr)], // sgdt [gdtr]
    ...[0x0f, 0x01, 0x0c, 0x25, ...mailbox(MAILBOX.idtr)], // sidt [idtr]
    ...[0xba, ...u32(0xcf8)], // mov edx, 0xcf8
    0xed, // in eax, dx
    ...[0x89, 0x04, 0x25, ...mailbox(MAILBOX.cf8)], // mov [cf8], eax
    ...[0x8c, 0xc8, 0x89, 0x04, 0x25, ...mailbox(MAILBOX.cs)], // mov eax, cs; mov [cs], eax
    ...[0x8c, 0xd0, 0x89, 0x04, 0x25, ...mailbox(MAILBOX.ss)], // mov eax, ss; mov [ss], eax
    ...[0xfc, 0xc7, 0x04, 0x25, ...mailbox(MAILBOX.state), ...u32(STATE.done)], // cld; mov dword [state], done
  ];
  return [...code, 0xe9, ...u32(wait - (here + code.length + 5))]; // jmp wait
}

/** 4 GiB in pages of 2 MiB, present and writable, each where it lies. */
function pageTables(image: DataView): void {
  const [pml4, pdpt, directories] = [TABLES_AT, TABLES_AT + PAGE, TABLES_AT + 2 * PAGE];
  const entry = (at: number, value: number) => image.setBigUint64(at, BigInt(value), true);
  entry(pml4, (BARE.image + pdpt) | 3);
  for (let gib = 0; gib < GIB; gib++) entry(pdpt + 8 * gib, (BARE.image + directories + gib * PAGE) | 3);
  for (let page = 0; page < GIB * 512; page++) entry(directories + 8 * page, page * 0x20_0000 + 0x83);
}

/**
 * A program for `qemu -kernel`: multiboot enters it when firmware has numbered the buses. It goes to long mode as a
 * kexec'd kernel finds it (4 GiB mapped where they lie, a GDT outside the image, no IDT, interrupts off) and waits in
 * the mailbox for an image to enter. Also says where the made-up kernel has to jump.
 */
export function bareProgram(): { readonly bytes: Uint8Array; readonly arrived: number } {
  const bytes = new Uint8Array(TABLES_AT + (2 + GIB) * PAGE);
  const view = new DataView(bytes.buffer);
  const entry = BARE.image + MULTIBOOT.headerBytes;
  const long = entry + toLongMode(0).length;
  const wait = long + start().length;
  const back = wait + waiting().length;
  const code = [...toLongMode(long), ...start(), ...waiting(), ...arrived(wait, back)];
  if (MULTIBOOT.headerBytes + code.length > GDT_AT) throw new Error('the code runs into the GDT');
  const { magic, flags } = MULTIBOOT;
  const end = BARE.image + bytes.length;
  const header = [magic, flags, -(magic + flags) >>> 0, BARE.image, BARE.image, end, end, entry];
  for (const [i, value] of header.entries()) view.setUint32(4 * i, value, true);
  bytes.set(code, MULTIBOOT.headerBytes);
  // Selector 0x10 is 64-bit code, 0x18 data, as Linux has them.
  view.setBigUint64(GDT_AT + 0x10, 0x00af_9b00_0000_ffffn, true);
  view.setBigUint64(GDT_AT + 0x18, 0x00cf_9300_0000_ffffn, true);
  view.setUint16(GDTR_AT, GDT.limit, true);
  view.setUint32(GDTR_AT + 2, GDT.address, true);
  pageTables(view);
  return { bytes, arrived: back };
}

/** What a made-up kernel has at its 64-bit entry: `cld; cli`, then back to the harness. */
export const KERNEL_ENTRY: readonly number[] = [0xfc, 0xfa, 0xff, 0x24, 0x25, ...mailbox(MAILBOX.back)];
