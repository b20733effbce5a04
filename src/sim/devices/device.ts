import type { Random } from '../random.js';

/** What a device can do to the rest of the machine. */
export interface DevicePort {
  /** In ticks. */
  readonly now: number;
  readonly random: Random;
  /** Reads that were asked for and not yet answered. */
  readonly outstanding: number;
  /** A posted memory write; false if it was refused on its way, which the device learns only by luck. */
  write(address: number, length: number): boolean;
  /** A read of memory, answered some ticks later; false if it was refused. */
  read(address: number): boolean;
  interrupt(): void;
}

/** Takes pages for buffers; the device may write into them until its driver takes them back. */
export type AllocatePages = (count: number) => readonly number[];

/**
 * The engine behind a function. `program`, `serve` and `stop` are what its driver does through its registers;
 * `tick` is what it does by itself, whoever is listening.
 */
export interface Device {
  /** There is something that it would still write if it were let. */
  readonly busy: boolean;
  tick(port: DevicePort): void;
  /** A driver's probe: fresh rings, never those of before. */
  program(allocate: AllocatePages): void;
  /** A driver's steady work: takes what is there and hands out new work. */
  serve(): void;
  /** What it was told is forgotten: by its driver's remove or shutdown, or by a reset. */
  stop(): void;
}
