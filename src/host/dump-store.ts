import { compareSlots, hex, type Slot, slotOfKey } from '../pci/slot.js';
import type { DumpBlock, DumpedFunction } from './dump-block.js';
import type { DumpNotes } from './dump-notes.js';

interface Stored extends DumpedFunction {
  readonly complete: boolean;
}

const SLAB_BYTES = 1 << 20;
/** As many as a PCI segment can have: bounds the memory that a hostile file can take. */
const FUNCTIONS_MAX = 65_536;
const NOTHING: DumpedFunction = { length: 0, bytes: new Uint8Array(0), known: null, driver: null };

/** The functions of a dump: of a slot that comes more than once, the last complete one. */
export class DumpStore {
  readonly #notes: DumpNotes;
  readonly #functions = new Map<number, Stored>();
  readonly #rowless = new Set<number>();
  #slab: Uint8Array = NOTHING.bytes;
  #repeats = 0;
  #firstRepeat = '';
  #tooMany = 0;

  constructor(notes: DumpNotes) {
    this.#notes = notes;
  }

  /** Takes what a block holds. */
  add(block: DumpBlock): void {
    const { key } = block;
    if (block.reach === 0) {
      if (block.proper && this.#rowless.size < FUNCTIONS_MAX) this.#rowless.add(key);
      return;
    }
    const slot = slotOfKey(key);
    if (!block.complete) this.#notes.add(`${slot}: ${missing(block)}`);
    if (block.contradictory) {
      this.#notes.add(
        `${slot}: rows contradict each other (header in line ${block.line}); the last one counts`,
      );
    }
    const before = this.#functions.get(key);
    if (!before && this.#functions.size >= FUNCTIONS_MAX) {
      this.#tooMany++;
      return;
    }
    if (before) {
      if (this.#repeats++ === 0) this.#firstRepeat = `${slot} in line ${block.line}`;
      if (before.complete && !block.complete) return;
    }
    const { complete } = block;
    block.fillHoles();
    this.#functions.set(key, {
      length: block.reach,
      bytes: this.#keep(block.trimmed(), before?.bytes),
      known: block.known(),
      driver: block.driver,
      complete,
    });
  }

  /** All functions in slot order; empty unless a byte of at least one is known. */
  finish(): Map<Slot, DumpedFunction> {
    const found = new Map<Slot, DumpedFunction>();
    if (this.#functions.size === 0) return found;
    for (const [key, stored] of this.#functions) found.set(slotOfKey(key), stored);
    let rowless = 0;
    for (const key of this.#rowless) {
      if (this.#functions.has(key)) continue;
      found.set(slotOfKey(key), NOTHING);
      rowless++;
    }
    this.#note(rowless);
    return new Map([...found].sort(([a], [b]) => compareSlots(a, b)));
  }

  #note(rowless: number): void {
    if (rowless > 0) this.#notes.sum(`functions with a header line but no hex rows: ${rowless}`);
    if (this.#repeats > 0) {
      const first = this.#firstRepeat;
      this.#notes.sum(
        `functions that come again: ${this.#repeats}, the first of them ${first}; of each slot the last complete one counts`,
      );
    }
    if (this.#tooMany > 0) {
      this.#notes.sum(`more than ${FUNCTIONS_MAX} functions: ${this.#tooMany} were left out`);
    }
  }

  #keep(bytes: Uint8Array, reuse: Uint8Array | undefined): Uint8Array {
    if (reuse && reuse.length >= bytes.length) {
      reuse.set(bytes);
      return reuse.subarray(0, bytes.length);
    }
    if (this.#slab.length < bytes.length) this.#slab = new Uint8Array(SLAB_BYTES);
    const kept = this.#slab.subarray(0, bytes.length);
    this.#slab = this.#slab.subarray(bytes.length);
    kept.set(bytes);
    return kept;
  }
}

function missing(block: DumpBlock): string {
  const { hole, reach, line } = block;
  const where = `(header in line ${line})`;
  if (hole < reach)
    return `bytes are missing from ${hex(hole, 2)} on ${where}; ${hole < 64 ? 'they count as unknown' : 'they read as ff, as lspci has it'}`;
  const wanted = reach < 64 ? 64 : reach < 256 ? 256 : 4096;
  return `the dump ends at ${hex(reach, 2)} of ${wanted} bytes ${where}; the rest counts as unknown`;
}
