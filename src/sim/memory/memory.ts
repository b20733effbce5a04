import { mix } from '../random.js';

/** Whom a page serves. Pages change owner at the jump. */
const OWNERS = [
  'free',
  'firmware', // kept from every kernel by the memory map
  'preserved', // handed on from kernel to kernel, with the DMA of a function that is wanted
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

const NUMBERS: Readonly<Record<string, number>> = Object.fromEntries(
  OWNERS.map((owner, number) => [owner, number]),
);

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

interface Bank extends PageRange {
  /** Of each page, the index in `OWNERS`. */
  readonly owners: Uint8Array;
  /**
   * Of each page two numbers, side by side since both are wanted together: what it holds, and when it was last
   * written since it was filled, 0 if it was not.
   */
  readonly state: Uint32Array;
  /** Of each page, whether it is in the list of written ones. */
  readonly listed: Uint8Array;
}

/**
 * RAM. What a page holds is known by a number that every write changes; nobody looks at bytes. Pages that devices
 * have written are kept track of, so that nobody need walk all of memory to find what was hit.
 */
export class Memory {
  readonly #banks: readonly Bank[];
  /** Pages that were written since they were filled, and perhaps some that were filled since. */
  #written: number[] = [];
  readonly #counts: number[] = OWNERS.map(() => 0);
  #sequence = 0;

  constructor(ranges: readonly PageRange[]) {
    this.#banks = ranges.map(({ first, count }) => {
      const [owners, state, listed] = [
        new Uint8Array(count),
        new Uint32Array(2 * count),
        new Uint8Array(count),
      ];
      return { first, count, owners, state, listed };
    });
    this.#counts[0] = ranges.reduce((sum, { count }) => sum + count, 0);
  }

  /** All of it free and empty, as after the power was off. */
  clear(): void {
    this.#counts.fill(0);
    for (const { owners, state, listed, count } of this.#banks) {
      owners.fill(0);
      state.fill(0);
      listed.fill(0);
      this.#counts[0] = (this.#counts[0] ?? 0) + count;
    }
    this.#written = [];
    this.#sequence = 0;
  }

  get banks(): readonly PageRange[] {
    return this.#banks;
  }

  /** How many pages there are. */
  get size(): number {
    return this.#banks.reduce((sum, { count }) => sum + count, 0);
  }

  /** Which page it is, counted from 0 over all of RAM; -1 where there is none. */
  indexOf(page: number): number {
    let before = 0;
    for (const { first, count } of this.#banks) {
      if (page >= first && page < first + count) return before + page - first;
      before += count;
    }
    return -1;
  }

  /** Counts the writes: what comes later has a higher number. */
  get sequence(): number {
    return this.#sequence;
  }

  /** `null` where there is no RAM. */
  owner(page: number): Owner | null {
    const bank = this.#bank(page);
    return bank ? (OWNERS[bank.owners[page - bank.first] ?? 0] ?? 'free') : null;
  }

  /** How many pages an owner has. */
  count(owner: Owner): number {
    return this.countOf(numberOf(owner));
  }

  /** The same, by the owner's number. */
  countOf(number: number): number {
    return this.#counts[number] ?? 0;
  }

  /** The pages of some owners, in order. Walks all of memory. */
  pages(of: readonly Owner[]): number[] {
    const wanted = wantedOf(of);
    const pages: number[] = [];
    for (const { first, owners } of this.#banks) {
      for (let i = 0; i < owners.length; i++) if (wanted[owners[i] ?? 0] === 1) pages.push(first + i);
    }
    return pages;
  }

  /** Gives a page to an owner; its content stays. */
  own(page: number, owner: Owner): void {
    const bank = this.#ram(page);
    this.#own(bank, page - bank.first, numberOf(owner));
  }

  ownRange({ first, count }: PageRange, owner: Owner): void {
    const number = numberOf(owner);
    const bank = this.#ram(first);
    if (count > bank.count - (first - bank.first)) this.#ram(first + count);
    for (let i = first - bank.first; i < first - bank.first + count; i++) this.#own(bank, i, number);
  }

  /** Gives a page to an owner if it belongs to another one, both by number; tells whether it did. */
  claim(page: number, from: number, to: number): boolean {
    const bank = this.#bank(page);
    const index = bank ? page - bank.first : 0;
    if (!bank || bank.owners[index] !== from) return false;
    this.#own(bank, index, to);
    return true;
  }

  /** Gives all that some owners have to another one; what was written to free pages is forgotten. Walks all of memory. */
  reown(from: readonly Owner[], to: Owner): void {
    const wanted = wantedOf(from);
    const number = numberOf(to);
    for (const bank of this.#banks) {
      const { owners } = bank;
      for (let i = 0; i < owners.length; i++) {
        if (wanted[owners[i] ?? 0] === 1) this.#own(bank, i, number);
      }
    }
    if (to !== 'free') return;
    for (const page of this.#written) if (this.owner(page) === 'free') this.fill(page, this.digest(page));
    this.alteredPages();
  }

  /** Replaces what a page holds. */
  fill(page: number, content: number): void {
    const { state, first } = this.#ram(page);
    const at = 2 * (page - first);
    state[at] = content;
    state[at + 1] = 0;
  }

  /** One memory write. PCIe 2.2.7: a request does not cross a 4 KiB boundary. */
  write(address: number, length: number, key: number): void {
    const page = pageOf(address);
    const offset = address - page * PAGE_BYTES;
    if (length < 1 || offset + length > PAGE_BYTES) throw new RangeError('a request crosses a page');
    const bank = this.#ram(page);
    const { state, first } = bank;
    const at = 2 * (page - first);
    state[at] = after(state[at] ?? 0, mix(key, offset));
    this.#note(bank, page);
  }

  copy(from: number, to: number): void {
    const altered = this.altered(from);
    this.fill(to, this.digest(from));
    if (altered) this.#note(this.#ram(to), to);
  }

  /** Names what a page holds: the same after the same fill, another after each write. */
  digest(page: number): number {
    const { state, first } = this.#ram(page);
    return state[2 * (page - first)] ?? 0;
  }

  /** It was written since it was filled, or copied from one that was. */
  altered(page: number): boolean {
    return this.#last(page) !== 0;
  }

  alteredPages(): readonly number[] {
    return this.writtenSince(0);
  }

  /** Pages that were written after `sequence` and not filled since. */
  writtenSince(sequence: number): readonly number[] {
    const written = this.#written;
    const found: number[] = [];
    let kept = 0;
    for (const page of written) {
      const last = this.#last(page);
      if (last === 0) {
        const { listed, first } = this.#ram(page);
        listed[page - first] = 0;
        continue;
      }
      written[kept++] = page;
      if (last > sequence) found.push(page);
    }
    written.length = kept;
    return found;
  }

  #note({ state, listed, first }: Bank, page: number): void {
    state[2 * (page - first) + 1] = ++this.#sequence;
    if (listed[page - first] === 1) return;
    listed[page - first] = 1;
    this.#written.push(page);
  }

  #last(page: number): number {
    const { state, first } = this.#ram(page);
    return state[2 * (page - first) + 1] ?? 0;
  }

  #own(bank: Bank, index: number, number: number): void {
    const before = bank.owners[index] ?? 0;
    this.#counts[before] = (this.#counts[before] ?? 0) - 1;
    this.#counts[number] = (this.#counts[number] ?? 0) + 1;
    bank.owners[index] = number;
  }

  #bank(page: number): Bank | undefined {
    for (const bank of this.#banks) {
      if (page >= bank.first && page < bank.first + bank.count) return bank;
    }
    return undefined;
  }

  #ram(page: number): Bank {
    const bank = this.#bank(page);
    if (!bank) throw new RangeError(`page ${page.toString(16)} is not RAM`);
    return bank;
  }
}

/** What a page holds after a write: never what it held before. */
function after(content: number, key: number): number {
  const next = mix(content, key);
  return next === content ? (next + 1) >>> 0 : next;
}

/** The index in `OWNERS`. */
export function numberOf(owner: Owner): number {
  return NUMBERS[owner] ?? 0;
}

function wantedOf(owners: readonly Owner[]): Uint8Array {
  const wanted = new Uint8Array(OWNERS.length);
  for (const owner of owners) wanted[numberOf(owner)] = 1;
  return wanted;
}
