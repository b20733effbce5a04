import type { Clock } from '../host/clock.js';
import type { Host } from '../host/port.js';
import { ShootdownError } from '../pci/error.js';
import type { Slot } from '../pci/slot.js';
import { Bus, COMPLETION_TIMEOUT_TICKS } from './bus/bus.js';
import { Errors } from './bus/errors.js';
import { Iommu } from './bus/iommu.js';
import type { Era, Faults, MachineDescription } from './description.js';
import type { Observer, SimEvent, Writer } from './events.js';
import { armFaults, buildFunctions } from './functions/build.js';
import { Engine } from './functions/engine.js';
import type { SimFunction } from './functions/function.js';
import { Hang } from './hang.js';
import { simHost } from './host.js';
import { Interrupts } from './interrupts/interrupts.js';
import { runJump } from './jump/jump.js';
import type { JumpOptions } from './jump/options.js';
import type { JumpResult } from './jump/result.js';
import { bootOldKernel } from './kernel/boot-old.js';
import type { Kernel } from './kernel/kernel.js';
import { Memory } from './memory/memory.js';
import { type MemoryMap, memoryMap } from './memory/memory-map.js';
import { PLATFORMS, type PlatformRules } from './platform.js';
import { Processor } from './processor.js';
import { Random } from './random.js';
import { Schedule } from './schedule.js';
import { TICKS_PER_MS } from './ticks.js';

const ACCESSES_PER_TICK = 8;
const WARM_UP_TICKS = 50;
/** About a tenth of a second of real time. */
const EVENTS_PER_TURN = 0x1_0000;

export interface MachineOptions {
  /** Draws the workload and everything else that is left to chance. */
  readonly seed: number;
  /** By slot; they begin once the machine is at work, and again after each power cycle. */
  readonly faults?: Readonly<Record<string, Faults>>;
  /** Once it is aborted, waits on the machine's clock and accesses through its host throw its reason, sooner or later. */
  readonly signal?: AbortSignal;
}

/**
 * A whole machine, with a kernel at work. Everything in it happens by its schedule; two machines of one description
 * and seed are the same. `functions`, `bus`, `iommu`, `interrupts` and `kernel` are others after a power cycle.
 */
export class SimMachine {
  readonly description: MachineDescription;
  readonly rules: PlatformRules;
  /** Of the old and the next kernel. */
  readonly era: Era;
  readonly random: Random;
  readonly schedule = new Schedule();
  readonly cpu: Processor;
  readonly errors: Errors;
  readonly map: MemoryMap;
  readonly memory: Memory;
  /** How often the power came on. */
  boots = 0;
  /** The tick of the last of these. */
  bootedAt = 0;
  /** What is drawn between this power-on and the next. */
  bootRandom: Random;
  /** In slot order. */
  functions: ReadonlyMap<Slot, SimFunction> = new Map();
  bus: Bus;
  interrupts: Interrupts;
  /** `null` where there is none, or where the old kernel left it off. */
  iommu: Iommu | null = null;
  /** `null` while one kernel is gone and the next has not begun. */
  kernel: Kernel | null = null;
  readonly host: Host;
  /** Simulated time for waits and bounds. */
  readonly clock: Clock;
  readonly #faults: Readonly<Record<string, Faults>>;
  readonly #signal: AbortSignal | undefined;
  readonly #observers = new Set<Observer>();
  #accesses = 0;
  #beforehand = false;
  /** Those who want what is routine, too. */
  #tracers = 0;
  /** Events that had happened when the event loop had its last turn. */
  #turnAt = 0;

  /** Throws `bad-input` for a machine that hangs as soon as it is at work. */
  constructor(description: MachineDescription, options: MachineOptions) {
    this.description = description;
    this.rules = { ...PLATFORMS[description.platform ?? 'x86-server'], ...description.rules };
    this.era = description.era ?? 'today';
    this.random = new Random(options.seed);
    this.bootRandom = this.random;
    this.#faults = options.faults ?? {};
    this.#signal = options.signal;
    this.cpu = new Processor(this);
    this.errors = new Errors(this);
    this.functions = buildFunctions(description);
    this.map = description.memory ?? memoryMap(this.functions.size);
    this.memory = new Memory(this.map.ram);
    this.bus = new Bus(this);
    this.interrupts = new Interrupts(this);
    this.host = simHost(this, 'kernel');
    this.clock = { now: () => this.now / TICKS_PER_MS, sleep: (ms) => this.#sleep(ms) };
    this.#powerOn();
  }

  /** In ticks. */
  get now(): number {
    return this.schedule.now;
  }

  /** Lets time pass. Throws `Hang` once the processor has stopped; time stands still from then on. */
  run(ticks: number): void {
    this.cpu.check();
    this.schedule.runTo(this.now + ticks);
    this.cpu.check();
  }

  /** What was found out long before: its accesses take no time now. */
  async beforehand<T>(action: () => Promise<T>): Promise<T> {
    this.#beforehand = true;
    try {
      return await action();
    } finally {
      this.#beforehand = false;
    }
  }

  /** Time goes on while configuration space is accessed. */
  accessed(): void {
    if (this.#beforehand) return;
    this.#accesses++;
    if (this.#accesses % ACCESSES_PER_TICK === 0) this.run(1);
  }

  /** So much has happened since the event loop had its turn that a signal may be waiting. */
  get overdue(): boolean {
    return this.schedule.happened - this.#turnAt >= EVENTS_PER_TURN;
  }

  /** Gives the event loop its turn; no simulated time passes. Throws the reason of a `signal` that is aborted. */
  async turn(): Promise<void> {
    this.#turnAt = this.schedule.happened;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#signal?.throwIfAborted();
  }

  /** A configuration read: its completion pushes the function's posted writes before it. */
  configRead(fn: SimFunction, offset: number, width: number): number {
    this.#awaitCompletion(fn);
    this.bus.flush(fn);
    return fn.read(offset, width);
  }

  configWrite(fn: SimFunction, offset: number, width: number, value: number, by: Writer): void {
    this.#awaitCompletion(fn);
    const before = fn.space.read(offset, width);
    fn.write(offset, width, value);
    const after = fn.space.read(offset, width);
    const { now: tick } = this;
    this.emit({ kind: 'config-write', tick, slot: fn.slot, offset, width, before, after, by });
  }

  /** Hands the machine to a next kernel and watches what happens. */
  async jump(options: JumpOptions): Promise<JumpResult> {
    return runJump(this, options);
  }

  /** Takes the power away and gives it back: firmware sets up everything afresh and a kernel boots. Time goes on. */
  powerCycle(): void {
    this.schedule.clear();
    this.cpu.reset();
    this.memory.clear();
    this.kernel = null;
    this.functions = buildFunctions(this.description);
    this.bus = new Bus(this);
    this.interrupts = new Interrupts(this);
    this.#powerOn();
  }

  /** All configuration space, as it is and not as it would read: for comparisons. */
  snapshot(): ReadonlyMap<Slot, Uint8Array> {
    return new Map([...this.functions].map(([slot, fn]) => [slot, fn.space.bytes()]));
  }

  /** Functions that would still write if they were let, whether or not they are. */
  busy(): readonly Slot[] {
    return [...this.functions.values()].filter((fn) => fn.alive && fn.device?.busy).map((fn) => fn.slot);
  }

  /** Watches from outside; returns how to stop watching. `routine`: with events that are told only to who asks. */
  observe(observer: Observer, { routine = false }: { readonly routine?: boolean } = {}): () => void {
    this.#observers.add(observer);
    if (routine) this.#tracers++;
    return () => {
      if (this.#observers.delete(observer) && routine) this.#tracers--;
    };
  }

  /** Somebody wants what is routine, too: the interrupts of devices that are at work. */
  get traced(): boolean {
    return this.#tracers > 0;
  }

  emit(event: SimEvent): void {
    for (const observer of this.#observers) observer(event);
  }

  #powerOn(): void {
    this.bootRandom = this.random.fork(`power-on ${++this.boots}`);
    this.bootedAt = this.now;
    this.iommu = this.rules.iommu && new Iommu(this.rules.iommu);
    for (const fn of this.functions.values()) {
      fn.onIntx = (changed) => this.interrupts.wireChanged(changed);
      if (fn.device) fn.engine = new Engine(this, fn, fn.device, this.bootRandom.fork(fn.slot));
    }
    this.memory.ownRange(this.map.capture, 'capture');
    this.kernel = bootOldKernel(this);
    this.#warmUp();
    armFaults(this.functions, this.#faults);
  }

  #warmUp(): void {
    try {
      this.run(WARM_UP_TICKS);
    } catch (error) {
      if (!(error instanceof Hang)) throw error;
      const { name, platform = 'x86-server' } = this.description;
      const message = `${name}: the machine stops before any jump, so on platform ${platform} it would not be up: ${error.on}`;
      throw new ShootdownError('bad-input', message, { cause: error });
    }
  }

  /** PCIe 2.8: a configuration access is not posted, and its root port gives up one that is not answered. */
  #awaitCompletion(fn: SimFunction): void {
    if (!fn.alive && fn.silent && !this.#beforehand) this.run(COMPLETION_TIMEOUT_TICKS);
  }

  async #sleep(ms: number): Promise<void> {
    this.run(Math.ceil(ms * TICKS_PER_MS));
    await this.turn();
  }
}
