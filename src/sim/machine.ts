import type { Clock } from '../host/clock.js';
import type { Host } from '../host/port.js';
import { ShootdownError } from '../pci/error.js';
import * as regs from '../pci/regs.js';
import type { Slot } from '../pci/slot.js';
import { Bus } from './bus.js';
import type { Faults, MachineDescription } from './description.js';
import type { DevicePort } from './devices/device.js';
import type { Observer, SimEvent } from './events.js';
import type { SimFunction } from './function.js';
import { armFaults, buildFunctions } from './functions.js';
import { simHost } from './host.js';
import { Interrupts } from './interrupts.js';
import { type JumpOptions, runJump } from './jump.js';
import type { JumpResult } from './jump-result.js';
import { Kernel } from './kernel.js';
import { Memory, type PageRange, pageOf } from './memory.js';
import { PageAllocator } from './page-allocator.js';
import { Random } from './random.js';

/** A tick is a tenth of a millisecond, about what a few configuration accesses take. */
export const TICKS_PER_MS = 10;
const ACCESSES_PER_TICK = 8;
const WARM_UP_TICKS = 50;
const OLD_KERNEL_PAGES = 6000;
/** 640 KiB, 1 MiB … 192 MiB, and 64 MiB above 4 GiB. */
const BANKS: readonly PageRange[] = [
  { first: 1, count: 0x9f },
  { first: pageOf(0x10_0000), count: pageOf(0xbf0_0000) },
  { first: pageOf(0x1_0000_0000), count: pageOf(0x400_0000) },
];
/** What crashkernel= sets aside. */
const CAPTURE: PageRange = { first: pageOf(0x800_0000), count: pageOf(0x200_0000) };

export interface MachineOptions {
  /** Draws the workload and everything else that is left to chance. */
  readonly seed: number;
  /** By slot; they begin once the machine is at work. */
  readonly faults?: Readonly<Record<string, Faults>>;
}

/** A whole machine. Everything in it happens in `tick`; two machines of one description and seed are the same. */
export class SimMachine {
  readonly description: MachineDescription;
  readonly random: Random;
  readonly memory = new Memory(BANKS);
  /** The region reserved for a capture kernel. */
  readonly capture = CAPTURE;
  /** In slot order. */
  readonly functions: ReadonlyMap<Slot, SimFunction>;
  readonly bus: Bus;
  readonly interrupts: Interrupts;
  /** `null` while one kernel is gone and the next has not begun. */
  kernel: Kernel | null;
  readonly host: Host;
  /** Simulated time for waits and bounds. */
  readonly clock: Clock;
  #now = 0;
  #accesses = 0;
  #jumped = false;
  readonly #observers = new Set<Observer>();
  readonly #engines: { readonly fn: SimFunction; readonly port: DevicePort }[] = [];

  constructor(description: MachineDescription, options: MachineOptions) {
    this.description = description;
    this.random = new Random(options.seed);
    const emit: Observer = (event) => this.emit(event);
    this.bus = new Bus(this.memory, emit);
    this.interrupts = new Interrupts(this.bus, emit);
    this.functions = buildFunctions(description);
    for (const fn of this.functions.values()) {
      fn.onIntx = (changed) => this.interrupts.wireChanged(changed);
      if (fn.device) this.#engines.push({ fn, port: this.#portOf(fn) });
    }
    this.kernel = this.#boot();
    this.host = simHost(this, 'kernel');
    this.clock = { now: () => this.#now / TICKS_PER_MS, sleep: (ms) => this.#sleep(ms) };
    this.run(WARM_UP_TICKS);
    armFaults(this.functions, options.faults ?? {});
  }

  /** In ticks. */
  get now(): number {
    return this.#now;
  }

  run(ticks: number): void {
    for (let i = 0; i < ticks; i++) this.tick();
  }

  tick(): void {
    this.#now++;
    this.bus.tick(this.#now);
    for (const { fn, port } of this.#engines) if (fn.alive) fn.device?.tick(port);
    this.interrupts.tick(this.#now);
    this.kernel?.tick();
  }

  /** Time goes on while configuration space is accessed. */
  accessed(): void {
    this.#accesses++;
    if (this.#accesses % ACCESSES_PER_TICK === 0) this.tick();
  }

  /** Hands the machine to a next kernel and watches what happens. A machine jumps once. */
  async jump(options: JumpOptions): Promise<JumpResult> {
    if (this.#jumped)
      throw new ShootdownError('unsupported', 'a simulated machine jumps once: make another one');
    this.#jumped = true;
    return runJump(this, options);
  }

  /** All configuration space, as it is and not as it would read: for comparisons. */
  snapshot(): ReadonlyMap<Slot, Uint8Array> {
    return new Map([...this.functions].map(([slot, fn]) => [slot, fn.space.config.slice()]));
  }

  /** Functions that would still write if they were let, whether or not they are. */
  busy(): readonly Slot[] {
    return [...this.functions.values()].filter((fn) => fn.alive && fn.device?.busy).map((fn) => fn.slot);
  }

  /** Watches from outside; returns how to stop watching. */
  observe(observer: Observer): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  emit(event: SimEvent): void {
    for (const observer of this.#observers) observer(event);
  }

  async #sleep(ms: number): Promise<void> {
    this.run(Math.ceil(ms * TICKS_PER_MS));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #portOf(fn: SimFunction): DevicePort {
    const { bus, interrupts } = this;
    const now = () => this.#now;
    return {
      random: this.random.fork(fn.slot),
      get now() {
        return now();
      },
      get outstanding() {
        return fn.outstanding.length;
      },
      write: (address, length) => bus.write(now(), fn, address, length),
      read: () => bus.read(now(), fn),
      interrupt: () => interrupts.raise(now(), fn),
    };
  }

  /** The old kernel, as it is long after its boot. */
  #boot(): Kernel {
    const { memory } = this;
    for (let i = 0; i < CAPTURE.count; i++) memory.own(CAPTURE.first + i, 'capture');
    const allocator = new PageAllocator(memory, this.random.fork('old-kernel'), memory.banks);
    for (const page of allocator.takeMany(OLD_KERNEL_PAGES, 'old-kernel')) memory.fill(page, page);
    const kernel = new Kernel({ memory, allocator, buffers: 'dma-buffer' });
    this.interrupts.attach(kernel);
    for (const fn of this.functions.values()) {
      const { driver, leftBy, busMaster } = fn.description;
      if (driver) kernel.bind(fn);
      else if (leftBy === 'driver' || leftBy === 'firmware') leaveRunning(fn, memory, allocator, leftBy);
      else if (busMaster) fn.space.setBits(regs.PCI_COMMAND, 2, regs.PCI_COMMAND_MASTER, true);
    }
    return kernel;
  }
}

/** Somebody set the function going and went away: it keeps its rings, and interrupts nobody. */
function leaveRunning(
  fn: SimFunction,
  memory: Memory,
  allocator: PageAllocator,
  by: 'driver' | 'firmware',
): void {
  fn.space.setBits(regs.PCI_COMMAND, 2, regs.PCI_COMMAND_MASTER, true);
  fn.device?.program((count) => {
    const pages = allocator.takeMany(count, by === 'firmware' ? 'firmware' : 'dma-buffer');
    for (const page of pages) memory.fill(page, 0);
    return pages;
  });
}
