/**
 * The boot processor's local APIC, to which all lines lead: what it has accepted, and what is in service, the latest
 * last. An end-of-interrupt names no interrupt; it ends the latest in service, whichever that is (Intel SDM 3A 10.8.5).
 */
export class LocalApic {
  readonly #pending = new Set<number>();
  #inService: number[] = [];

  get inService(): readonly number[] {
    return this.#inService;
  }

  get pending(): ReadonlySet<number> {
    return this.#pending;
  }

  /** Accepted or in service: its end is still to come. */
  has(line: number): boolean {
    return this.#pending.has(line) || this.#inService.includes(line);
  }

  accept(line: number): void {
    this.#pending.add(line);
  }

  /** The processor takes the interrupt; false if there is none. */
  take(line: number): boolean {
    if (!this.#pending.delete(line)) return false;
    this.#inService.push(line);
    return true;
  }

  /** A handler that knows its interrupt ends it. */
  finish(line: number): void {
    this.#inService = this.#inService.filter((other) => other !== line);
  }

  /** A write to the EOI register: the line whose interrupt that ended, or `null` if none was in service. */
  end(): number | null {
    return this.#inService.pop() ?? null;
  }

  /** A kernel sets it up afresh; the ends of what was lost never reach the IO-APIC. */
  reset(): void {
    this.#pending.clear();
    this.#inService = [];
  }
}
