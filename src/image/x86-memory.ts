import { hex } from '../pci/slot.js';
import { stop } from './x86-stop.js';

/** Memory that the program may touch; everything else is unmapped. */
export interface Region {
  readonly name: string;
  readonly base: number;
  readonly bytes: Uint8Array;
}

/** Bytes next to each other that are not what they were; `region` is the name of the region they lie in. */
export interface Change {
  readonly region: string;
  readonly address: number;
  readonly length: number;
}

const PAGE_SHIFT = 12;
const PAGE_BYTES = 1 << PAGE_SHIFT;
/** How a page stands: what is plain can be written without a closer look. */
const PLAIN = 1;
const HAS_CODE = 2;

/**
 * Flat memory in a few regions. The first write to a page keeps what was there, so that afterwards one can tell what
 * changed. What was executed must not be written: the interpreter does not decode twice, and the program that it is
 * for never changes itself.
 */
export class Memory {
  readonly #mapped: readonly Mapped[];
  #current: Mapped;

  constructor(regions: readonly Region[]) {
    const mapped = regions.map((region) => new Mapped(region)).sort((a, b) => a.base - b.base);
    const [first] = mapped;
    if (first === undefined) throw new RangeError('no memory');
    for (const [i, region] of mapped.entries()) {
      const next = mapped[i + 1];
      if (next && region.base + region.size > next.base)
        throw new RangeError(`${region.name} and ${next.name} overlap`);
    }
    this.#mapped = mapped;
    this.#current = first;
  }

  read8(address: number): number {
    const at = this.#find(address, 1, 'read');
    return this.#current.bytes[at] as number;
  }

  read16(address: number): number {
    const at = this.#find(address, 2, 'read');
    return this.#current.view.getUint16(at, true);
  }

  /** Signed, which is what costs nothing. */
  read32(address: number): number {
    const at = this.#find(address, 4, 'read');
    return this.#current.view.getInt32(at, true);
  }

  /** As on the machine, nothing of a value is written unless all of it can be. */
  write8(address: number, value: number): void {
    const at = this.#find(address, 1, 'written');
    this.#current.touch(at, 1);
    this.#current.bytes[at] = value;
  }

  write16(address: number, value: number): void {
    const at = this.#find(address, 2, 'written');
    this.#current.touch(at, 2);
    this.#current.view.setUint16(at, value, true);
  }

  write32(address: number, value: number): void {
    const at = this.#find(address, 4, 'written');
    this.#current.touch(at, 4);
    this.#current.view.setInt32(at, value, true);
  }

  write64(address: number, low: number, high: number): void {
    const at = this.#find(address, 8, 'written');
    const { view } = this.#current;
    this.#current.touch(at, 8);
    view.setInt32(at, low, true);
    view.setInt32(at + 4, high, true);
  }

  /** Whether all of it is there, for what a CPU does on its own. */
  maps(address: number, length: number): boolean {
    return this.#regionOf(address, length) !== undefined;
  }

  /** Where code lies: its region's bytes, and the offset in them. */
  code(address: number): { readonly bytes: Uint8Array; readonly at: number } {
    const at = this.#find(address, 1, 'executed');
    return { bytes: this.#current.bytes, at };
  }

  /** From now on a write to these bytes stops the run. */
  markCode(address: number, length: number): void {
    const at = this.#find(address, length, 'executed');
    this.#current.markCode(at, length);
  }

  /** A copy, for whoever looks at the memory from outside. */
  copy(address: number, length: number): Uint8Array {
    const at = this.#find(address, length, 'read');
    return this.#current.bytes.slice(at, at + length);
  }

  /** What is not as it was at the beginning, in ascending order. */
  changes(): readonly Change[] {
    return this.#mapped.flatMap((region) => region.changes());
  }

  #find(address: number, length: number, verb: string): number {
    const current = this.#current;
    const at = address - current.base;
    if (at >= 0 && at + length <= current.size) return at;
    const region = this.#regionOf(address, length);
    if (region === undefined) return stop(`${length} bytes at ${textOf(address)}, unmapped, are ${verb}`);
    this.#current = region;
    return address - region.base;
  }

  #regionOf(address: number, length: number): Mapped | undefined {
    return this.#mapped.find(
      (region) => address >= region.base && address + length <= region.base + region.size,
    );
  }
}

function textOf(address: number): string {
  return address < 0 ? `-${hex(-address, 1)}` : hex(address, 1);
}

class Mapped {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #pages: Uint8Array;
  readonly #before = new Map<number, Uint8Array>();
  readonly #code = new Map<number, Uint8Array>();

  constructor({ name, base, bytes }: Region) {
    this.name = name;
    this.base = base;
    this.size = bytes.length;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#pages = new Uint8Array((bytes.length >>> PAGE_SHIFT) + 1);
  }

  touch(at: number, length: number): void {
    const page = at >>> PAGE_SHIFT;
    if (this.#pages[page] !== PLAIN) this.#look(page, at, length);
    const last = (at + length - 1) >>> PAGE_SHIFT;
    if (last !== page && this.#pages[last] !== PLAIN) this.#look(last, at, length);
  }

  markCode(at: number, length: number): void {
    for (let i = at; i < at + length; i++) {
      const page = i >>> PAGE_SHIFT;
      let code = this.#code.get(page);
      if (code === undefined) {
        code = new Uint8Array(PAGE_BYTES);
        this.#code.set(page, code);
        this.#pages[page] = HAS_CODE;
      }
      code[i % PAGE_BYTES] = 1;
    }
  }

  changes(): readonly Change[] {
    const found: Change[] = [];
    let from = -1;
    let end = -1;
    const close = (): void => {
      if (from >= 0) found.push({ region: this.name, address: this.base + from, length: end - from });
    };
    for (const [page, before] of [...this.#before].sort(([a], [b]) => a - b)) {
      const start = page * PAGE_BYTES;
      for (let i = 0; i < before.length; i++) {
        if (this.bytes[start + i] === before[i]) continue;
        if (start + i !== end) {
          close();
          from = start + i;
        }
        end = start + i + 1;
      }
    }
    close();
    return found;
  }

  #look(page: number, at: number, length: number): void {
    const start = page * PAGE_BYTES;
    if (!this.#before.has(page)) this.#before.set(page, this.bytes.slice(start, start + PAGE_BYTES));
    const code = this.#code.get(page);
    if (code === undefined) {
      this.#pages[page] = PLAIN;
      return;
    }
    for (let i = Math.max(at, start); i < Math.min(at + length, start + PAGE_BYTES); i++) {
      if (code[i - start] !== 0) stop(`code that has run is written, at ${textOf(this.base + at)}`);
    }
  }
}
