import { existsSync, readFileSync, writeFileSync } from 'node:fs';

// UEFI firmware for QEMU guests, as Debian's package ovmf has it.

const FOLDER = '/usr/share/OVMF';
const CODE = `${FOLDER}/OVMF_CODE_4M.fd`;
const VARS = `${FOLDER}/OVMF_VARS_4M.fd`;
const SECURE_CODE = `${FOLDER}/OVMF_CODE_4M.secboot.fd`;
const SECURE_VARS = `${FOLDER}/OVMF_VARS_4M.snakeoil.fd`;

/** The key that the variables for Secure Boot trust, and its passphrase: Debian documents both, for tests. */
export const SNAKEOIL = {
  key: '/usr/share/ovmf/PkKek-1-snakeoil.key',
  certificate: '/usr/share/ovmf/PkKek-1-snakeoil.pem',
  passphrase: 'snakeoil',
} as const;

/** True if the firmware is there. If it is not and nobody allowed that (SHOOTDOWN_ALLOW_MISSING), throws. */
export function hasOvmf(): boolean {
  if ([CODE, VARS, SECURE_CODE, SECURE_VARS].every((path) => existsSync(path))) return true;
  if ((process.env['SHOOTDOWN_ALLOW_MISSING'] ?? '').split(/[\s,]+/).includes('ovmf')) return false;
  throw new Error(`${CODE} is missing: install ovmf, or allow that with SHOOTDOWN_ALLOW_MISSING=ovmf`);
}

/** What firmware starts from the disk that `espArguments` gives it. */
export interface BootEntry {
  /** From the root of the disk: `\vmlinuz.efi`. */
  readonly path: string;
  readonly cmdline: string;
}

export interface OvmfOptions {
  /** Made here: the guest's own variables. */
  readonly variables: string;
  /** Secure Boot on, with the snakeoil key; default off. */
  readonly secure?: boolean;
  readonly entry?: BootEntry;
}

/** Arguments of QEMU for a q35 with this firmware. */
export function ovmfArguments({ variables, secure = false, entry }: OvmfOptions): string[] {
  const empty = readFileSync(secure ? SECURE_VARS : VARS);
  writeFileSync(variables, entry ? withBootEntry(empty, entry) : empty);
  const flash = (unit: number, file: string, readonly: boolean) => [
    '-drive',
    `if=pflash,unit=${unit},format=raw,readonly=${readonly ? 'on' : 'off'},file=${file}`,
  ];
  // Variables can be changed in System Management Mode only, and the firmware insists on that.
  const smm = ['-machine', 'smm=on', '-global', 'driver=cfi.pflash01,property=secure,value=on'];
  return [
    ...flash(0, secure ? SECURE_CODE : CODE, true),
    ...flash(1, variables, false),
    ...(secure ? smm : []),
  ];
}

/** Arguments of QEMU that make a folder a FAT disk, which is read from while the guest boots. */
export function espArguments(folder: string): string[] {
  return [
    ...['-drive', `if=none,id=esp,format=raw,readonly=on,file=fat:${folder}`],
    ...['-device', 'virtio-blk-pci,drive=esp'],
  ];
}

/** UEFI 2.10, 8.2; the layout of the store is that of edk2's MdeModulePkg/Include/Guid/VariableFormat.h. */
const GLOBAL_VARIABLE = Buffer.from('61dfe48bca93d211aa0d00e098032b8c', 'hex');
const NON_VOLATILE_BOOT_RUNTIME = 7;
const VOLUME = { headerLengthAt: 48, storeHeaderBytes: 28 } as const;
const VARIABLE = {
  start: 0x55aa,
  added: 0x3f,
  headerBytes: 60,
  nameBytesAt: 36,
  dataBytesAt: 40,
} as const;
const ENTRY_NUMBER = 0x0050;

/** A store of variables with one that boots this entry, and one that puts it first. */
function withBootEntry(store: Buffer, entry: BootEntry): Buffer {
  const changed = Buffer.from(store);
  let at = endOfVariables(changed);
  const order = Buffer.alloc(2);
  order.writeUInt16LE(ENTRY_NUMBER);
  for (const [name, data] of [
    [`Boot${ENTRY_NUMBER.toString(16).padStart(4, '0')}`, loadOption(entry)],
    ['BootOrder', order],
  ] as const) {
    const bytes = variable(name, data);
    bytes.copy(changed, at);
    at = aligned(at + bytes.length);
  }
  return changed;
}

function endOfVariables(store: Buffer): number {
  let at = store.readUInt16LE(VOLUME.headerLengthAt) + VOLUME.storeHeaderBytes;
  while (store.readUInt16LE(at) === VARIABLE.start) {
    const name = store.readUInt32LE(at + VARIABLE.nameBytesAt);
    const data = store.readUInt32LE(at + VARIABLE.dataBytesAt);
    at = aligned(at + VARIABLE.headerBytes + name + data);
  }
  return at;
}

function aligned(at: number): number {
  return (at + 3) & ~3;
}

function variable(name: string, data: Buffer): Buffer {
  const header = Buffer.alloc(VARIABLE.headerBytes);
  const wide = utf16(name);
  header.writeUInt16LE(VARIABLE.start, 0);
  header.writeUInt8(VARIABLE.added, 2);
  header.writeUInt32LE(NON_VOLATILE_BOOT_RUNTIME, 4);
  header.writeUInt32LE(wide.length, VARIABLE.nameBytesAt);
  header.writeUInt32LE(data.length, VARIABLE.dataBytesAt);
  GLOBAL_VARIABLE.copy(header, 44);
  return Buffer.concat([header, wide, data]);
}

/** EFI_LOAD_OPTION (UEFI 2.10, 3.1.3) with a path that counts on any disk, and the command line behind it. */
function loadOption({ path, cmdline }: BootEntry): Buffer {
  const LOAD_OPTION_ACTIVE = 1;
  const file = utf16(path);
  const node = Buffer.from([4, 4, 0, 0]);
  node.writeUInt16LE(node.length + file.length, 2);
  const devicePath = Buffer.concat([node, file, Buffer.from([0x7f, 0xff, 4, 0])]);
  const header = Buffer.alloc(6);
  header.writeUInt32LE(LOAD_OPTION_ACTIVE, 0);
  header.writeUInt16LE(devicePath.length, 4);
  return Buffer.concat([header, utf16('lab'), devicePath, utf16(cmdline)]);
}

function utf16(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf16le');
}
