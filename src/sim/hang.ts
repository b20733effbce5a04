/** What kind of thing the processor waits for, or was stopped by; the words beside it are for people. */
export const HANG_CAUSES = [
  'error', // firmware, or an NMI, after an uncorrectable error
  'access-refused', // its own access to a device
  'awaits-dma', // a driver, for an answer that comes by DMA
  'firmware-awaits-dma',
  'storm',
  'timer',
] as const;
export type HangCause = (typeof HANG_CAUSES)[number];

/** The processor gets no further: nothing but a reset helps. Thrown through whatever it was executing. */
export class Hang extends Error {
  /** What it waits for, or what stopped it, as words after "stuck on". */
  readonly on: string;
  /** Functions that had a part in it. */
  readonly slots: readonly string[];

  readonly kind: HangCause;

  constructor({ on, slots, cause }: Pick<Hang, 'on' | 'slots'> & { readonly cause: HangCause }) {
    super(on);
    this.on = on;
    this.slots = slots;
    this.kind = cause;
  }
}
