import { type Decoded, decodeCapability } from './capabilities.js';
import type { ConfigImage, ConfigRange } from './config-image.js';
import type { Bridge, DecodeNote, PciFunction, Presence, Seen } from './function.js';
import * as regs from './regs.js';
import { hex, type Slot } from './slot.js';

/** A capability is at least 4 bytes and begins after the header, so a sound list has at most 48. */
const CAPABILITIES_MAX = 48;
/** An extended capability is at least 8 bytes between 0x100 and 0x1000. */
const EXT_CAPABILITIES_MAX = 480;

export interface DecodeOptions {
  /** Walk the extended list, too, where 4096 bytes can be seen. Default true. */
  readonly extended?: boolean;
  /** Walk no list of a function whose header shows that it neither masters the bus nor asserts INTx. */
  readonly skipQuiet?: boolean;
}

/**
 * Decodes one function, asking for the ranges that it needs: each range it yields should be read into `image`
 * if the host can; what stays missing becomes `unknown`. Asks first for the header, then for nothing but
 * registers that it decodes, since reading others can hurt.
 */
export function* decodeSteps(
  slot: Slot,
  image: ConfigImage,
  options: DecodeOptions = {},
): Generator<ConfigRange, PciFunction, void> {
  const readable = yield* readHeader(image);
  // A virtual function reads vendor ID ffff and is there all the same; Command and Status are never both ones.
  const commandStatus = image.read(regs.PCI_COMMAND, 4);
  if (!readable || commandStatus === undefined) return absent(slot, image, 'unreadable');
  if (commandStatus === 0xffff_ffff) return absent(slot, image, 'all-ones');

  const header = image.read(regs.PCI_HEADER_TYPE, 1) ?? 0;
  const headerType = header & regs.PCI_HEADER_TYPE_MASK;
  const classRevision = image.read(regs.PCI_CLASS_REVISION, 4) ?? 0;
  const notes: DecodeNote[] = [];
  if (headerType > regs.PCI_HEADER_TYPE_CARDBUS) {
    const text = `header type ${hex(headerType, 2)} is not one of 0, 1, 2: nothing behind the common part is decoded`;
    notes.push({ kind: 'header-type', offset: regs.PCI_HEADER_TYPE, text });
  }
  const found: Decoded = { capabilities: [], notes };
  const skip = options.skipQuiet === true && isQuiet(commandStatus);
  const complete = skip ? false : yield* walkCapabilities(image, headerType, found);
  const extendedComplete = skip ? false : yield* walkExtended(image, found, complete, options);
  const none = complete ? null : 'unknown';
  const noneExtended = extendedComplete ? null : 'unknown';

  return {
    slot,
    visibleBytes: image.visible,
    presence: 'present',
    vendor: image.read(regs.PCI_VENDOR_ID, 2) ?? 0xffff,
    device: image.read(regs.PCI_VENDOR_ID + 2, 2) ?? 0xffff,
    revision: classRevision & 0xff,
    classCode: classRevision >>> 8,
    headerType,
    multiFunction: (header & regs.PCI_HEADER_TYPE_MFD) !== 0,
    command: commandStatus & 0xffff,
    status: commandStatus >>> 16,
    interruptPin: image.read(regs.PCI_INTERRUPT_PIN, 1) ?? 0,
    interruptLine: image.read(regs.PCI_INTERRUPT_LINE, 1) ?? 0,
    bridge: decodeBridge(image, headerType),
    capabilities: found.capabilities,
    pm: found.pm ?? none,
    msi: found.msi ?? none,
    msix: found.msix ?? none,
    express: found.express ?? none,
    af: found.af ?? none,
    sriov: found.sriov ?? noneExtended,
    aer: found.aer ?? noneExtended,
    notes,
  };
}

/** Decodes from what `image` already holds. */
export function decodeFunction(slot: Slot, image: ConfigImage, options: DecodeOptions = {}): PciFunction {
  const steps = decodeSteps(slot, image, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** A function of which nothing but its slot is known. */
export function absent(slot: Slot, image: ConfigImage, presence: Exclude<Presence, 'present'>): PciFunction {
  return {
    slot,
    visibleBytes: image.visible,
    presence,
    vendor: image.read(regs.PCI_VENDOR_ID, 2) ?? 0xffff,
    device: image.read(regs.PCI_VENDOR_ID + 2, 2) ?? 0xffff,
    revision: image.read(regs.PCI_CLASS_REVISION, 1) ?? 0xff,
    classCode: (image.read(regs.PCI_CLASS_REVISION, 4) ?? 0xffff_ffff) >>> 8,
    headerType: (image.read(regs.PCI_HEADER_TYPE, 1) ?? 0xff) & regs.PCI_HEADER_TYPE_MASK,
    multiFunction: false,
    command: 0xffff,
    status: 0xffff,
    interruptPin: 0,
    interruptLine: 0,
    bridge: null,
    capabilities: [],
    pm: 'unknown',
    msi: 'unknown',
    msix: 'unknown',
    express: 'unknown',
    af: 'unknown',
    sriov: 'unknown',
    aer: 'unknown',
    notes: [],
  };
}

/** Reads the header; false if too little of it can be had. */
function* readHeader(image: ConfigImage): Generator<ConfigRange, boolean, void> {
  if (!image.has(0, 64)) yield { offset: 0, length: 64 };
  if (image.has(0, 64)) return true;
  // A dump may have a hole in the header and go on behind it: what is around the hole still counts.
  for (let offset = 0; offset < 64; offset += 4) {
    if (!image.has(offset, 4)) yield { offset, length: 4 };
  }
  return image.has(0, 16) && (image.has(60, 4) || image.visible > 64);
}

function isQuiet(commandStatus: number): boolean {
  const asserted = (commandStatus >>> 16) & regs.PCI_STATUS_INTERRUPT;
  const free = (commandStatus & regs.PCI_COMMAND_INTX_DISABLE) === 0;
  return (commandStatus & regs.PCI_COMMAND_MASTER) === 0 && !(asserted && free);
}

function decodeBridge(image: ConfigImage, headerType: number): Bridge | null {
  const isType1 = headerType === regs.PCI_HEADER_TYPE_BRIDGE;
  if (!isType1 && headerType !== regs.PCI_HEADER_TYPE_CARDBUS) return null;
  let control: Seen<number> = 'unknown';
  if (isType1) control = image.read(regs.PCI_BRIDGE_CONTROL, 2) ?? 'unknown';
  return {
    primary: image.read(regs.PCI_PRIMARY_BUS, 1) ?? 0,
    secondary: image.read(regs.PCI_SECONDARY_BUS, 1) ?? 0,
    subordinate: image.read(regs.PCI_SUBORDINATE_BUS, 1) ?? 0,
    control,
  };
}

/** Walks the capability list; true if it was seen to its end. */
function* walkCapabilities(
  image: ConfigImage,
  headerType: number,
  found: Decoded,
): Generator<ConfigRange, boolean, void> {
  if (headerType > regs.PCI_HEADER_TYPE_CARDBUS) return false;
  if (((image.read(regs.PCI_STATUS, 2) ?? 0) & regs.PCI_STATUS_CAP_LIST) === 0) return true;
  const first =
    headerType === regs.PCI_HEADER_TYPE_CARDBUS ? regs.PCI_CB_CAPABILITY_LIST : regs.PCI_CAPABILITY_LIST;
  const been = new Set<number>();
  const pointer = image.read(first, 1);
  if (pointer === undefined) return false;
  let offset = pointer & ~3;
  while (offset !== 0) {
    if (been.has(offset)) {
      note(found, 'capability-loop', offset, 'the capability list comes back to where it was');
      return true;
    }
    if (offset < 0x40 || been.size >= CAPABILITIES_MAX) {
      note(found, 'capability-pointer', offset, 'a capability pointer leads into the header');
      return false;
    }
    been.add(offset);
    if (offset + 4 <= image.visible && !image.has(offset, 4)) yield { offset, length: 4 };
    const head = image.read(offset, 4);
    if (head === undefined) {
      if (image.visible > 64)
        note(found, 'capability-truncated', offset, 'the capability list was not dumped whole');
      return false;
    }
    const id = head & 0xff;
    if (id === 0xff) {
      note(found, 'capability-pointer', offset, 'a capability reads all ones: the list is broken');
      return false;
    }
    found.capabilities.push({ id, offset, extended: false });
    yield* decodeCapability(image, id, offset, found);
    offset = (head >>> 8) & 0xff & ~3;
  }
  return true;
}

/** Walks the extended list of Express (and PCI-X 2) functions; true if it was seen to its end. */
function* walkExtended(
  image: ConfigImage,
  found: Decoded,
  complete: boolean,
  options: DecodeOptions,
): Generator<ConfigRange, boolean, void> {
  const can = found.capabilities.some((c) => c.id === regs.PCI_CAP_ID_EXP || c.id === regs.PCI_CAP_ID_PCIX);
  if (!can) return complete;
  if (image.visible < 4096 || options.extended === false) return false;
  const been = new Set<number>();
  let offset = regs.PCI_EXT_CAP_START;
  while (offset !== 0) {
    if (been.has(offset)) {
      note(found, 'capability-loop', offset, 'the extended capability list comes back to where it was');
      return true;
    }
    if (offset < regs.PCI_EXT_CAP_START || been.size >= EXT_CAPABILITIES_MAX) {
      note(found, 'capability-pointer', offset, 'an extended capability pointer leads below 100');
      return false;
    }
    been.add(offset);
    if (!image.has(offset, 4)) yield { offset, length: 4 };
    const head = image.read(offset, 4);
    if (head === undefined) return false;
    if (head === 0) return true;
    if (head === 0xffff_ffff) return false;
    const id = head & 0xffff;
    found.capabilities.push({ id, offset, extended: true });
    yield* decodeCapability(image, id | 0x1_0000, offset, found);
    offset = (head >>> 20) & ~3;
  }
  return true;
}

function note(found: Decoded, kind: DecodeNote['kind'], offset: number, text: string): void {
  found.notes.push({ kind, offset, text: `${text} (at ${hex(offset, 2)})` });
}
