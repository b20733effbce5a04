import type { Slot } from '../pci/slot.js';

/** What a dump tells about one function. Bytes beyond `bytes.length` are not known. */
export interface DumpedFunction {
  /** As `lspci -k` or `-v` names it; `null` if no line did. */
  readonly driver: string | null;
  /** How far its rows reach. */
  readonly length: number;
  /** Its bytes up to the last that is not zero. */
  readonly bytes: Uint8Array;
  /** One for each of the `length` bytes that is known; `null` if all are. */
  readonly known: Uint8Array | null;
}

/** What a dump holds. */
export interface DumpContents {
  /** In slot order. */
  readonly functions: ReadonlyMap<Slot, DumpedFunction>;
  readonly notes: readonly string[];
  /** What was seen beside it, for those who must say why there are no functions. */
  readonly seen: {
    readonly bytes: number;
    readonly headers: number;
    /** Hex rows without a header line above them. */
    readonly strayRows: number;
    /** The first four bytes. */
    readonly magic: readonly number[];
  };
}

const SPACE = 4096;
const HEADER = 64;

/** Collects the hex rows below one header line. */
export class DumpBlock {
  /** Line of the header. */
  line = 0;
  /** Identifies the slot; negative while no block is open. */
  key = -1;
  /** The header line stood at the very beginning of its line and reads like lspci's. */
  proper = false;
  /** Some row was cut short or had bytes beyond 4096. */
  damaged = false;
  driver: string | null = null;
  /** Some byte was given twice, and not the same. */
  contradictory = false;
  readonly bytes = new Uint8Array(SPACE);
  readonly #dwords = new Uint32Array(this.bytes.buffer);
  readonly #known = new Uint8Array(SPACE);
  #sparse = false;
  #next = 0;
  #reach = 0;

  open(key: number, line: number, proper: boolean): void {
    this.key = key;
    this.line = line;
    this.proper = proper;
    this.damaged = false;
    this.driver = null;
    this.contradictory = false;
    this.#sparse = false;
    this.#next = 0;
    this.#reach = 0;
  }

  /** Where the next row belongs if rows came in order; negative if they did not. */
  get next(): number {
    return this.#sparse ? -1 : this.#next;
  }

  /** Says that `bytes` now holds `length` more bytes from `next` on. */
  advance(length: number): void {
    this.#next += length;
    this.#reach = this.#next;
  }

  put(offset: number, value: number): void {
    if (!this.#sparse) {
      if (offset === this.#next) {
        this.bytes[offset] = value;
        this.advance(1);
        return;
      }
      this.#sparse = true;
      this.#known.fill(1, 0, this.#next);
      this.#known.fill(0, this.#next);
    }
    if (this.#known[offset] === 1 && this.bytes[offset] !== value) this.contradictory = true;
    this.bytes[offset] = value;
    this.#known[offset] = 1;
    if (offset >= this.#reach) this.#reach = offset + 1;
  }

  /** One more than the highest known offset. */
  get reach(): number {
    return this.#reach;
  }

  /**
   * Fills what is missing behind the header with ones, as a bus does where nobody answers, and as lspci reads such a
   * dump. A header with a hole stays unknown there: no function is made up.
   */
  fillHoles(): void {
    if (!this.#sparse) return;
    for (let at = HEADER; at < this.#reach; at++) {
      if (this.#known[at] === 1) continue;
      this.bytes[at] = 0xff;
      this.#known[at] = 1;
    }
  }

  /** Its bytes but for zeros at the end, with which most of a configuration space is filled. */
  trimmed(): Uint8Array {
    const length = Math.ceil(this.#reach / 4);
    this.bytes.fill(0, this.#reach, length * 4);
    let end = length;
    while (end > 0 && this.#dwords[end - 1] === 0) end--;
    return this.bytes.subarray(0, Math.min(end * 4, this.#reach));
  }

  /** The first offset below `reach` that is not known; `reach` if there is none. */
  get hole(): number {
    if (!this.#sparse) return this.#reach;
    const at = this.#known.indexOf(0);
    return at === -1 || at > this.#reach ? this.#reach : at;
  }

  /** Holds all that some form of `lspci -x` prints. */
  get complete(): boolean {
    const reach = this.#reach;
    return (reach === 64 || reach === 256 || reach === SPACE) && this.hole === reach;
  }

  /** The known map up to `reach`, or `null` if every byte is known. */
  known(): Uint8Array | null {
    return this.hole === this.#reach ? null : this.#known.slice(0, this.#reach);
  }
}
