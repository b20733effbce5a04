/** What kind of thing the processor waits for, or was stopped by; the words beside it are for people. */
export type HangCause =
  | 'error' // firmware, or an NMI, after an uncorrectable error
  | 'access-refused' // its own access to a device
  | 'awaits-dma' // a driver, for an answer that comes by DMA
  | 'firmware-awaits-dma'
  | 'storm'
  | 'timer';

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
