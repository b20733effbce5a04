import { mix } from './random.js';

/** Whom a page serves. Pages change owner at the jump. */
const OWNERS = [
  'free',
  'firmware', // kept from every kernel by the memory map
  'old-kernel',
  'dma-buffer', // the old kernel's, handed to a device
  'staged', // a loaded kernel that waits to be copied to where it will run
  'capture', // reserved for a capture kernel
  'next-kernel-image',
  'next-kernel-initramfs',
  'next-kernel',
  'next-dma-buffer',
] as const;
export type Owner = (typeof OWNERS)[number];

export const PAGE_BYTES = 4096;

/** A stretch of pages. Addresses are numbers: x86-64 has at most 52 bits of them, which a number holds exactly. */
export interface PageRange {
  readonly first: number;
  readonly count: number;
}

export const within = (page: number, range: PageRange) =>
  page >= range.first && page < range.first + range.count;

export const pageOf = (address: number) => Math.floor(address / PAGE_BYTES);
export const addressOf = (page: number) => page * PAGE_BYTES;

interface Write {
  readonly offset: number;
  readonly length: number;
  readonly key: number;
}

interface Bank extends PageRange {
  /** Of each page, the index in `OWNERS`. */
  readonly owners: Uint8Array;
  /** Of each page, what it held before `writes`, as the key of a pattern. */
  readonly fills: Uint32Array;
}

/**
 * RAM, of which only what was written takes room. Content is a pattern named by a key, and turned into bytes only
 * when somebody looks: most pages are never looked at.
 */
export class Memory {
  readonly #banks: readonly Bank[];
  readonly #writes = new Map<number, Write[]>();

  constructor(banks: readonly PageRange[]) {
    this.#banks = banks.map(({ first, count }) => {
      return { first, count, owners: new Uint8Array(count), fills: new Uint32Array(count) };
    });
  }

  get banks(): readonly PageRange[] {
    return this.#banks;
  }

  /** `null` where there is no RAM. */
  owner(page: number): Owner | null {
    const bank = this.#bank(page);
    return bank ? (OWNERS[bank.owners[page - bank.first] ?? 0] ?? 'free') : null;
  }

  /** Pages that have an owner. */
  *owned(): Generator<readonly [page: number, owner: Owner], void, void> {
    for (const { first, owners } of this.#banks) {
      for (const [i, owner] of owners.entries()) {
        if (owner !== 0) yield [first + i, OWNERS[owner] ?? 'free'];
      }
    }
  }

  /** Gives a page to an owner; its content stays. */
  own(page: number, owner: Owner): void {
    const bank = this.#ram(page);
    bank.owners[page - bank.first] = OWNERS.indexOf(owner);
  }

  /** Replaces what a page holds. */
  fill(page: number, key: number): void {
    const bank = this.#ram(page);
    bank.fills[page - bank.first] = key;
    this.#writes.delete(page);
  }

  /** One memory write. PCIe 2.2.7: a request does not cross a 4 KiB boundary. */
  write(address: number, length: number, key: number): void {
    const page = pageOf(address);
    const offset = address % PAGE_BYTES;
    if (offset + length > PAGE_BYTES) throw new RangeError('a request crosses a page');
    this.#ram(page);
    // Without what the new write covers, a page that is written for ever still takes bounded room.
    const covers = (w: Write) => w.offset >= offset && w.offset + w.length <= offset + length;
    const writes = this.#writes.get(page)?.filter((w) => !covers(w)) ?? [];
    writes.push({ offset, length, key });
    this.#writes.set(page, writes);
  }

  copy(from: number, to: number): void {
    this.fill(to, this.#fill(from));
    const writes = this.#writes.get(from);
    if (writes) this.#writes.set(to, [...writes]);
  }

  bytes(page: number): Uint8Array {
    const bytes = pattern(this.#fill(page), PAGE_BYTES);
    for (const write of this.#writes.get(page) ?? []) {
      bytes.set(pattern(write.key, write.length), write.offset);
    }
    return bytes;
  }

  /** Equal for equal bytes. */
  digest(page: number): number {
    const fill = this.#fill(page);
    if (!this.#writes.has(page)) return mix(fill, 1);
    const bytes = this.bytes(page);
    const before = pattern(fill, PAGE_BYTES);
    if (bytes.every((byte, at) => byte === before[at])) return mix(fill, 1);
    let digest = 0;
    for (const byte of bytes) digest = Math.imul(digest ^ byte, 0x01000193);
    return mix(digest, 2);
  }

  #fill(page: number): number {
    const bank = this.#ram(page);
    return bank.fills[page - bank.first] ?? 0;
  }

  #bank(page: number): Bank | undefined {
    for (const bank of this.#banks) if (within(page, bank)) return bank;
    return undefined;
  }

  #ram(page: number): Bank {
    const bank = this.#bank(page);
    if (!bank) throw new RangeError(`page ${page.toString(16)} is not RAM`);
    return bank;
  }
}

/** Key 0 is a page of zeroes. */
function pattern(key: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (key === 0) return bytes;
  for (let at = 0; at < length; at += 4) {
    const word = mix(key, at);
    for (let i = 0; i < 4 && at + i < length; i++) bytes[at + i] = word >>> (8 * i);
  }
  return bytes;
}
