import { checkAccess, type Host, unknownSlot, type Width } from '../../src/host/port.js';
import type { ConfigBus } from '../../src/image/config-ports.js';
import type { VisibleBytes } from '../../src/pci/config-image.js';
import * as regs from '../../src/pci/regs.js';
import { compareSlots, parseSlot, routingId, type Slot } from '../../src/pci/slot.js';
import { encodeFunction } from './encode.js';
import type { MemoryFunction } from './memory-host.js';

/** A function, and how it differs from a sound one. */
export interface BoardFunction extends MemoryFunction {
  /** Bytes that are not what the description says. */
  readonly raw?: readonly (readonly [offset: number, byte: number])[];
  /** INTx-disable reads 0 whatever is written: PCI 2.2. */
  readonly noIntxDisable?: boolean;
  /** BME is hardwired to what it is. */
  readonly stuck?: boolean;
  /** The enable bits of MSI and MSI-X are; or those and not the function mask of MSI-X. */
  readonly stuckMessages?: boolean | 'enable';
  /** Falls off the bus at the first write to Command; or to Message Control. */
  readonly vanishes?: 'command' | 'messages';
  /** Transactions Pending is set for so many polls after BME was cleared. */
  readonly polls?: number;
  /** Falls off the bus at the first of these polls. */
  readonly vanishesAtPoll?: boolean;
}

interface Placed {
  readonly description: BoardFunction;
  readonly bytes: Uint8Array;
  readonly writable: Uint8Array;
  /** Where Transactions Pending is: the byte, and the bit in it. */
  readonly pending: { readonly at: number; readonly bit: number } | null;
  polls: number;
  gone: boolean;
}

const BME = regs.PCI_COMMAND_MASTER;
const COMMAND_BITS = 0x0007 | BME;

/**
 * A machine made by hand: configuration space and nothing behind it. A bus for the stub, and a host for `perform`,
 * which is to leave the same behind.
 */
export class Board implements ConfigBus {
  readonly #functions = new Map<number, Placed>();
  readonly #slots = new Map<Slot, number>();
  readonly writes: string[] = [];

  constructor(functions: Readonly<Record<string, BoardFunction>>) {
    for (const [text, description] of Object.entries(functions)) {
      const slot = parseSlot(text);
      if (!slot) throw new Error(`not a slot: ${text}`);
      const bytes = encodeFunction(description);
      for (const [at, byte] of description.raw ?? []) bytes[at] = byte;
      this.#functions.set(routingId(slot), { description, bytes, ...registersOf(description, bytes) });
      this.#slots.set(slot, routingId(slot));
    }
  }

  read(rid: number, offset: number, width: Width): number {
    const fn = this.#functions.get(rid);
    if (!fn || fn.gone) return 2 ** (width * 8) - 1;
    this.#poll(fn, offset, width);
    if (fn.gone) return 2 ** (width * 8) - 1;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (fn.bytes[offset + i] ?? 0);
    return value;
  }

  write(rid: number, offset: number, width: Width, value: number): void {
    this.writes.push(`${rid.toString(16)}+${offset.toString(16)}/${width}=${value.toString(16)}`);
    const fn = this.#functions.get(rid);
    if (!fn || fn.gone) return;
    const { vanishes } = fn.description;
    if (vanishes && (offset === regs.PCI_COMMAND) === (vanishes === 'command')) fn.gone = true;
    for (let i = 0; i < width; i++) {
      const at = offset + i;
      const mask = fn.writable[at] ?? 0;
      fn.bytes[at] = ((fn.bytes[at] ?? 0) & ~mask) | ((value >>> (8 * i)) & mask);
    }
  }

  /** As it would read, past everything that makes it read otherwise. */
  space(): ReadonlyMap<number, Uint8Array> {
    return new Map([...this.#functions].map(([rid, { bytes }]) => [rid, bytes]));
  }

  /** What `perform` takes. */
  host(): Host {
    const find = (slot: Slot): [number, Placed] => {
      const rid = this.#slots.get(slot);
      const fn = rid === undefined ? undefined : this.#functions.get(rid);
      if (rid === undefined || !fn) throw unknownSlot('board', slot);
      return [rid, fn];
    };
    const visible = (slot: Slot) => find(slot)[1].bytes.length as VisibleBytes;
    return {
      name: 'board',
      writable: true,
      notes: [],
      slots: async () => [...this.#slots.keys()].sort(compareSlots),
      visibleBytes: async (slot) => visible(slot),
      read: async (slot, offset, width) => {
        checkAccess(slot, offset, width, visible(slot));
        return this.read(find(slot)[0], offset, width);
      },
      write: async (slot, offset, width, value) => {
        checkAccess(slot, offset, width, visible(slot));
        this.write(find(slot)[0], offset, width, value);
      },
      facts: async (slot) => ({ driver: null, ...find(slot)[1].description.facts }),
      machineFacts: async () => ({}),
      close: async () => {},
    };
  }

  #poll(fn: Placed, offset: number, width: Width): void {
    const { pending, bytes, description } = fn;
    const isPoll = pending !== null && pending.at >= offset && pending.at < offset + width;
    if (!isPoll || ((bytes[regs.PCI_COMMAND] ?? 0) & BME) !== 0 || description.polls === undefined) return;
    if (description.vanishesAtPoll) fn.gone = true;
    if (fn.polls-- <= 0) bytes[pending.at] = (bytes[pending.at] ?? 0) & ~pending.bit;
  }
}

function registersOf(
  { noIntxDisable, stuck, stuckMessages, polls = 0 }: BoardFunction,
  bytes: Uint8Array,
): Pick<Placed, 'writable' | 'pending' | 'polls' | 'gone'> {
  const writable = new Uint8Array(bytes.length);
  writable[regs.PCI_COMMAND] = stuck ? COMMAND_BITS & ~BME : COMMAND_BITS;
  writable[regs.PCI_COMMAND + 1] = noIntxDisable ? 0x01 : 0x05;
  let pending: Placed['pending'] = null;
  const isCardbus = ((bytes[regs.PCI_HEADER_TYPE] ?? 0) & regs.PCI_HEADER_TYPE_MASK) === 2;
  let at = bytes[isCardbus ? regs.PCI_CB_CAPABILITY_LIST : regs.PCI_CAPABILITY_LIST] ?? 0;
  for (let left = 48; at >= 0x40 && left > 0; left--) {
    const id = bytes[at];
    const isMsi = id === regs.PCI_CAP_ID_MSI;
    if (isMsi || id === regs.PCI_CAP_ID_MSIX) {
      if (stuckMessages !== true) writable[at + (isMsi ? 2 : 3)] = stuckMessages ? 0x40 : isMsi ? 1 : 0xc0;
    }
    if (id === regs.PCI_CAP_ID_EXP)
      pending = { at: at + regs.PCI_EXP_DEVSTA, bit: regs.PCI_EXP_DEVSTA_TRPND };
    else if (id === regs.PCI_CAP_ID_AF)
      pending ??= { at: at + regs.PCI_AF_STATUS, bit: regs.PCI_AF_STATUS_TP };
    at = bytes[at + 1] ?? 0;
  }
  return { writable, pending, polls, gone: false };
}
