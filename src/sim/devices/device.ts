import type { Random } from '../random.js';

/** What a device can do to the rest of the machine. */
export interface DevicePort {
  /** In ticks. */
  readonly now: number;
  readonly random: Random;
  /** Its own bus-master enable, which every device knows; what bridges above it do, it does not. */
  readonly busMaster: boolean;
  /** Its interrupt was served since it was raised last: nobody waits any more. */
  readonly served: boolean;
  /** Reads that were asked for and not yet answered. */
  readonly outstanding: number;
  /**
   * A posted memory write, which lands some ticks later; false if the function's own BME refuses it. What a bridge or
   * the IOMMU does to it, the device does not learn. It does not cross a page.
   */
  write(address: number, length: number): boolean;
  /** A read of memory, answered some ticks later; false if it was refused at once, by whomever. */
  read(address: number): boolean;
  /** Raises its interrupt, by message or wire, whichever is enabled; `count` messages at once. */
  interrupt(count?: number): void;
}

/** Takes pages for buffers; the device may write into them until its driver takes them back. */
export type AllocatePages = (count: number) => readonly number[];

/** `act` need not be called before somebody programs or serves the device. */
export const NEVER = Number.POSITIVE_INFINITY;

/** How long a device waits before it tries again what was refused. */
export const RETRY_TICKS = 100;

/**
 * The engine behind a function. `program`, `serve` and `stop` are what its driver does through its registers; `act` is
 * what it does by itself, whoever is listening. The machine calls `act` again after each of the other three, after
 * each answered read, and after each change of the function's Command register.
 */
export interface Device {
  /** There is something that it would still write if it were let. */
  readonly busy: boolean;
  /** Why no driver can use it before the power goes off and on; `null` if it is sound. */
  readonly wedged: string | null;
  /** Does what is due, and says when it wants to be called next: a later tick, or `NEVER`. */
  act(port: DevicePort): number;
  /** A driver's probe: fresh rings, never those of before. */
  program(allocate: AllocatePages): void;
  /** A driver's steady work: takes what is there and hands out new work. */
  serve(): void;
  /** What it was told is forgotten: by its driver's remove or shutdown, or by a reset. */
  stop(): void;
}
