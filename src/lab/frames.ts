/** Ethernet frames that can be told from anything else in a guest's memory: a mark of this run, then a counter. */

export const MARK_BYTES = 16;
const SEED_BYTES = 12;
const ETHERTYPE_EXPERIMENT = 0x88b5; // IEEE 802, local experimental
const HEADER_BYTES = 14;
const FRAME_BYTES = 64;

/** When a frame was sent, as the outside saw the jump. */
export type Phase =
  | 'before' // the old kernel is at work
  | 'jump' // the jump was asked for, and no sign of the next kernel yet
  | 'after' // the next kernel has printed its first line
  | 'ready'; // the next kernel's first process runs
export const PHASES: readonly Phase[] = ['before', 'jump', 'after', 'ready'];

/** Marks of one run: `seed` is 12 bytes that no other run has. */
export function phaseMark(seed: Uint8Array, phase: Phase): Uint8Array {
  const mark = new Uint8Array(MARK_BYTES);
  mark.set(seed.subarray(0, SEED_BYTES));
  mark.set([0xd1, 0x5a, PHASES.indexOf(phase) + 1, 0xa5], SEED_BYTES);
  return mark;
}

/** A frame to `to` (6 bytes) with a mark and a counter that fits 32 bits. */
export function markedFrame(to: Uint8Array, mark: Uint8Array, counter: number): Uint8Array {
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.set(to, 0);
  frame.set([0x02, 0x53, 0x48, 0x4f, 0x54, 0x01], 6);
  frame.writeUInt16BE(ETHERTYPE_EXPERIMENT, 12);
  frame.set(mark, HEADER_BYTES);
  frame.writeUInt32BE(counter, HEADER_BYTES + MARK_BYTES);
  return frame;
}

/** What was found in memory of one phase's frames. */
export interface FoundFrames {
  /** Different frames, however often each lies in memory. */
  readonly count: number;
  /** Where the first of them lies, from the start of the image; `null` if there is none. */
  readonly firstOffset: number | null;
}

/** Counts a run's frames in memory images that come in pieces. */
export class FrameSearch {
  readonly #seed: Buffer;
  readonly #found = new Map<Phase, Map<number, number>>(PHASES.map((phase) => [phase, new Map()]));
  #rest = Buffer.alloc(0);
  #offset = 0;

  constructor(seed: Uint8Array) {
    this.#seed = Buffer.from(seed.subarray(0, SEED_BYTES));
  }

  /** The image to come starts at 0 again: what was found stays found. */
  restart(): void {
    this.#rest = Buffer.alloc(0);
    this.#offset = 0;
  }

  /** Takes the next piece; a frame that lies across two of them is found. */
  add(piece: Uint8Array): void {
    const bytes = Buffer.concat([this.#rest, piece]);
    const last = bytes.length - MARK_BYTES - 4;
    for (let at = bytes.indexOf(this.#seed); at >= 0 && at <= last; at = bytes.indexOf(this.#seed, at + 1)) {
      const phase = PHASES.find((one) =>
        bytes.subarray(at, at + MARK_BYTES).equals(phaseMark(this.#seed, one)),
      );
      const found = phase === undefined ? undefined : this.#found.get(phase);
      const counter = bytes.readUInt32BE(at + MARK_BYTES);
      if (found && !found.has(counter)) found.set(counter, this.#offset + at);
    }
    const keep = Math.min(bytes.length, MARK_BYTES + 3);
    this.#offset += bytes.length - keep;
    this.#rest = bytes.subarray(bytes.length - keep);
  }

  found(phase: Phase): FoundFrames {
    const offsets = [...(this.#found.get(phase)?.values() ?? [])];
    return { count: offsets.length, firstOffset: offsets.length === 0 ? null : Math.min(...offsets) };
  }
}

/** `52:54:00:12:34:56` as bytes. */
export function parseMac(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(':').map((byte) => Number.parseInt(byte, 16)));
}
