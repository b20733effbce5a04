/** The processor gets no further: nothing but a reset helps. Thrown through whatever it was executing. */
export class Hang extends Error {
  /** What it waits for, or what stopped it, as words after "stuck on". */
  readonly on: string;
  /** Functions that had a part in it. */
  readonly slots: readonly string[];

  constructor(on: string, slots: readonly string[] = []) {
    super(on);
    this.on = on;
    this.slots = slots;
  }
}
