/** A tick is a tenth of a millisecond, about what a few configuration accesses take. */
export const TICKS_PER_MS = 10;
