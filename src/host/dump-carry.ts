/** Holds the beginning of a line while its end has not come yet, up to a bound. */
export class LineCarry {
  readonly bytes: Uint8Array;
  /** How many of `bytes` are of the line. */
  held = 0;
  /** The length of the line so far, which may be more than is held. */
  length = 0;

  constructor(bound: number) {
    this.bytes = new Uint8Array(bound);
  }

  add(chunk: Uint8Array, from: number, to: number): void {
    const room = Math.min(to - from, this.bytes.length - this.held);
    this.bytes.set(chunk.subarray(from, from + room), this.held);
    this.held += room;
    this.length += to - from;
  }

  clear(): void {
    this.held = 0;
    this.length = 0;
  }
}
