import type { FunctionDescription, Workload } from '../../src/sim/description.js';
import { createDevice } from '../../src/sim/devices/create.js';
import { type Device, type DevicePort, NEVER } from '../../src/sim/devices/device.js';
import { addressOf, PAGE_BYTES, pageOf } from '../../src/sim/memory/memory.js';
import { Random } from '../../src/sim/random.js';

const FIRST_PAGE = 0x100;
const OUTSTANDING_MAX = 32;

interface Access {
  readonly tick: number;
  readonly address: number;
  readonly length: number;
  readonly passed: boolean;
}

interface Raised {
  readonly tick: number;
  readonly count: number;
}

/** A device on a bench: as much of a machine and a kernel as one device notices. */
export class DeviceBench implements DevicePort {
  readonly device: Device;
  readonly random: Random;
  now = 0;
  outstanding = 0;
  served = true;
  /** Somebody above refuses what the device's own bus mastering lets pass. */
  bridgeOpen = true;
  /** A driver serves each interrupt at once. */
  driver = false;
  answerTicks = 4;
  readonly writes: Access[] = [];
  readonly reads: Access[] = [];
  readonly interrupts: Raised[] = [];
  /** How often the device was called because it had asked to be. */
  acts = 0;
  #busMaster = true;
  #due = NEVER;
  #answers: number[] = [];
  #woken = false;
  #nextPage = FIRST_PAGE;

  constructor(device: Device, seed = 1) {
    this.device = device;
    this.random = new Random(seed);
  }

  get busMaster(): boolean {
    return this.#busMaster;
  }

  set busMaster(on: boolean) {
    this.#busMaster = on;
    this.#act();
  }

  write(address: number, length: number): boolean {
    if (length < 1 || pageOf(address) !== pageOf(address + length - 1)) {
      throw new RangeError(`${length} bytes at ${address.toString(16)} are no request`);
    }
    this.writes.push({ tick: this.now, address, length, passed: this.#busMaster });
    return this.#busMaster;
  }

  read(address: number): boolean {
    const passed = this.#busMaster && this.bridgeOpen && this.outstanding < OUTSTANDING_MAX;
    this.reads.push({ tick: this.now, address, length: 64, passed });
    if (!passed) return false;
    this.outstanding++;
    this.#answers.push(this.now + this.answerTicks);
    return true;
  }

  interrupt(count = 1): void {
    this.interrupts.push({ tick: this.now, count });
    this.served = this.driver;
    if (!this.driver) return;
    this.device.serve();
    this.#woken = true;
  }

  /** Fresh pages, never those of before; returns the first and the last address. */
  program(limit = NEVER): { from: number; to: number } {
    const from = this.#nextPage;
    this.device.program((count) => Array.from({ length: Math.min(count, limit) }, () => this.#nextPage++));
    this.#act();
    return { from: addressOf(from), to: addressOf(this.#nextPage) - 1 };
  }

  serve(): void {
    this.served = true;
    this.device.serve();
    this.#act();
  }

  stop(): void {
    this.device.stop();
    this.#act();
  }

  run(ticks: number): void {
    const end = this.now + ticks;
    for (;;) {
      const answer = Math.min(...this.#answers);
      const next = Math.min(this.#due, answer);
      if (next > end) break;
      this.now = Math.max(this.now, next);
      if (answer <= this.now) {
        this.#answers = this.#answers.filter((due) => due > this.now);
        this.outstanding = this.#answers.length;
      } else this.acts++;
      this.#act();
    }
    this.now = end;
  }

  /** Pages that were written to since a tick. */
  pagesSince(tick: number): Set<number> {
    const passed = this.writes.filter((write) => write.passed && write.tick >= tick);
    return new Set(passed.map(({ address }) => Math.floor(address / PAGE_BYTES)));
  }

  passedSince(tick: number): number {
    return this.writes.filter((write) => write.passed && write.tick >= tick).length;
  }

  interruptsSince(tick: number): number {
    return this.interrupts.filter((raised) => raised.tick >= tick).reduce((sum, { count }) => sum + count, 0);
  }

  #act(): void {
    do {
      this.#woken = false;
      this.#due = this.device.act(this);
    } while (this.#woken);
    if (this.#due <= this.now) throw new RangeError(`at ${this.now} it wants to be called at ${this.#due}`);
  }
}

/** Fresh from power-on. */
export function makeDevice(
  workload: Workload,
  more: Partial<FunctionDescription> = {},
  seed = 1,
): DeviceBench {
  const of = { slot: '00:01.0', vendor: 0x8086, device: 1, classCode: 0x020000, workload, ...more };
  const device = createDevice(of);
  if (!device) throw new Error('no device');
  return new DeviceBench(device, seed);
}

/** At work for a while, with a driver that serves it. */
export function atWork(workload: Workload, more: Partial<FunctionDescription> = {}, seed = 1): DeviceBench {
  const bench = makeDevice(workload, more, seed);
  bench.driver = true;
  bench.program();
  bench.run(500);
  return bench;
}

/** What a panic does: nobody serves it any more. */
export function alone(bench: DeviceBench): DeviceBench {
  bench.driver = false;
  return bench;
}
