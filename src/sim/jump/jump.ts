import { ShootdownError } from '../../pci/error.js';
import type { SimFunction } from '../functions/function.js';
import { Hang } from '../hang.js';
import { simHost } from '../host.js';
import {
  bindDrivers,
  calibrateDelay,
  enumerate,
  expectedFunctions,
  turnInterruptsOn,
} from '../kernel/boot-next.js';
import { Growth } from '../kernel/growth.js';
import { Kernel } from '../kernel/kernel.js';
import { panic } from '../kernel/panic.js';
import { deviceShutdown } from '../kernel/shutdown.js';
import type { SimMachine } from '../machine.js';
import { PageAllocator } from '../memory/page-allocator.js';
import type { Random } from '../random.js';
import { DumpSaver } from './dump.js';
import { dumpTargets } from './dump-target.js';
import { judge } from './judge.js';
import { loadNext, loadReserved } from './load-next.js';
import { lostProblem } from './lost.js';
import type { NextImage } from './next-image.js';
import type { JumpOptions } from './options.js';
import type { JumpResult, Region, Stage } from './result.js';
import { JumpWatch } from './watch.js';

/** Between the loading of the next kernel and the jump. */
const LOADED_TICKS = 20;
const COPY_TICKS = 8;
/** A checksum over all that was loaded. */
const PURGATORY_TICKS = 150;
const DECOMPRESS_TICKS = 300;
const EARLY_TICKS = 110;
const ENUMERATE_TICKS = 100;
const UNPACK_TICKS = 300;
const RUN_TICKS = 2000;
/** From the last driver's shutdown to the reset by firmware. */
const REBOOT_TICKS = 300;
const CPUS = 8;

/** Hands a machine to its next kernel; the result is what was seen from outside. */
export async function runJump(machine: SimMachine, options: JumpOptions): Promise<JumpResult> {
  const { kernel } = machine;
  if (!kernel || kernel.captures || machine.cpu.stuck) {
    throw new ShootdownError('unsupported', 'no kernel runs that could jump: power-cycle the machine first');
  }
  const jump = new Jump(machine, kernel, options);
  const stop = machine.observe(jump.watch.observer);
  try {
    return await jump.run();
  } finally {
    stop();
    jump.close();
  }
}

class Jump {
  readonly watch: JumpWatch;
  readonly #machine: SimMachine;
  readonly #options: JumpOptions;
  readonly #crash: boolean;
  readonly #old: Kernel;
  readonly #random: Random;
  /** A capture kernel is loaded long before the panic, any other one just before the jump. */
  #image: NextImage | null = null;
  readonly #kernel: Kernel;
  readonly #growth: Growth;
  readonly #expected: readonly SimFunction[];
  readonly #startTick: number;
  #dump: DumpSaver | null = null;
  #reached: Stage = 'before';
  #stuckOn: JumpResult['stuckOn'] = null;
  #jumpTick: number | null = null;
  #runningTick: number | null = null;
  #rebooted = false;

  constructor(machine: SimMachine, old: Kernel, options: JumpOptions) {
    this.#machine = machine;
    this.#old = old;
    this.#options = options;
    this.#crash = options.path === 'crash';
    this.#startTick = machine.now;
    old.settle();
    const { memory, map } = machine;
    const random = machine.bootRandom.fork(`jump ${machine.now}`);
    const everywhere = new PageAllocator(memory, random, memory.banks);
    this.#random = random;
    if (this.#crash) this.#image = loadReserved(machine, random, options);
    const allocator = this.#crash ? new PageAllocator(memory, random, [map.capture], 'capture') : everywhere;
    const cpus = options.cpus ?? (this.#crash ? 1 : CPUS);
    const parts = { machine, allocator, era: machine.era, cpus } as const;
    this.#kernel = new Kernel({
      ...parts,
      buffers: 'next-dma-buffer',
      by: 'next-kernel',
      captures: this.#crash,
    });
    this.#growth = new Growth(memory, allocator, this.#crash ? 'capture' : 'free');
    this.#expected = expectedFunctions(machine, this.#carried);
    this.watch = new JumpWatch({
      functions: machine.functions,
      regionOf: (page) => this.#image?.regionOf(page) ?? null,
      originOf: (page) => this.#image?.originOf(page) ?? page,
      holderOf: (page) => this.#kernel.holder(page),
    });
  }

  async run(): Promise<JumpResult> {
    try {
      await this.#whole();
    } catch (error) {
      if (!(error instanceof Hang)) throw error;
      this.#stuckOn = { on: error.on, slots: error.slots, cause: error.kind };
    }
    return this.#result();
  }

  /** Leaves the machine as it is after all this: after a reboot, from its power-on. */
  close(): void {
    if (this.#rebooted) this.#machine.powerCycle();
    else if (this.#stuckOn) this.#machine.kernel = null;
  }

  get #carried(): readonly string[] | null {
    const { drivers } = this.#options;
    return drivers ?? (this.#crash ? this.#machine.description.captureDrivers : null);
  }

  async #whole(): Promise<void> {
    const machine = this.#machine;
    if (this.#crash) this.#panic();
    else await this.#leaveOldKernel();
    machine.run(PURGATORY_TICKS);
    if (!this.#verify('purgatory', 'image', 'initramfs')) return;
    await this.#between();
    this.#stage('decompress', 'the next kernel unpacks itself');
    this.#print();
    machine.run(DECOMPRESS_TICKS);
    if (!this.#verify('decompress', 'image')) return;
    this.#early();
    this.#stage('enumerate', 'it looks for devices');
    enumerate(machine, this.#kernel);
    machine.iommu?.nextKernel(this.#options.path);
    this.#live(ENUMERATE_TICKS);
    this.#stage('initramfs', 'it unpacks its initramfs');
    this.#live(UNPACK_TICKS);
    if (!this.#verify('initramfs', 'initramfs')) return;
    this.#image?.discard('initramfs', this.#crash ? 'capture' : 'free');
    await this.#drive();
    if (this.#dump && this.#options.reboot !== false) this.#reboot();
  }

  async #leaveOldKernel(): Promise<void> {
    const machine = this.#machine;
    const { before, clearsBusMasters = false, lastAct } = this.#options;
    this.#stage('before', 'the old kernel is told to jump');
    await before?.(machine);
    const image = loadNext(machine, this.#old, this.#random, this.#options.load);
    this.#image = image;
    this.#say('the next kernel is loaded');
    machine.run(LOADED_TICKS);
    this.#stage('shutdown', 'the old kernel shuts its drivers down');
    deviceShutdown(machine, this.#old, { clearsBusMasters });
    machine.interrupts.attach(null);
    machine.interrupts.silence(this.#old);
    lastAct?.(machine, this.#old, 0);
    this.#gone();
    const inPlace = image.staged === 0;
    const where = inPlace ? 'lies where it will run' : 'is copied to its place';
    this.#stage('copy', `the old kernel is gone, the next one ${where}`);
    machine.memory.reown(['old-kernel', 'dma-buffer'], 'free');
    const perTick = Math.ceil(image.staged / COPY_TICKS);
    let copied = 0;
    for (const _ of image.relocate()) if (++copied % perTick === 0) machine.run(1);
    this.#stage('purgatory', `purgatory looks at what was ${inPlace ? 'loaded' : 'copied'}`);
  }

  #panic(): void {
    const machine = this.#machine;
    const { crashCpu = 0 } = this.#options;
    this.#stage('panic', `the old kernel panics on processor ${crashCpu}; no device is told`);
    machine.interrupts.attach(null);
    panic(machine, this.#old, crashCpu, this.#options);
    machine.interrupts.silence(this.#old);
    this.#gone();
    this.#dump = new DumpSaver({
      memory: machine.memory,
      targets: dumpTargets(machine, this.#carried),
      problem: (fn) => lostProblem(fn, this.watch, machine.interrupts.nobodyCared.disabled),
      say: (target, text) =>
        machine.emit({ kind: 'dump', tick: machine.now, target: target?.slot ?? null, text }),
    });
    this.#stage('purgatory', 'purgatory looks at what was loaded');
  }

  /** No kernel, no interrupts: from here on nobody wants what the devices do. */
  #gone(): void {
    this.#machine.cpu.check();
    this.#machine.kernel = null;
    this.#jumpTick = this.#machine.now;
    this.watch.jumped();
    for (const fn of this.#machine.functions.values()) {
      if (!fn.faults.hangsAtJump || fn.gone) continue;
      fn.hang();
      this.#say(`${fn.slot} hangs: its link is up, and it answers nothing`);
    }
  }

  async #between(): Promise<void> {
    const { between } = this.#options;
    if (!between) return;
    const { cpu } = this.#machine;
    this.#stage('stub', 'the stub runs');
    // It has an interrupt table of its own, whose NMI handler returns.
    cpu.onNmi = 'ignored';
    await between(simHost(this.#machine, 'stub'));
    cpu.onNmi = 'fatal';
    cpu.check();
  }

  #early(): void {
    const machine = this.#machine;
    this.watch.booted();
    this.#stage('early', 'its first instructions run');
    this.#options.early?.(machine, this.#kernel);
    this.#say('it turns interrupts on');
    turnInterruptsOn(machine, this.#kernel);
    this.#live(EARLY_TICKS);
    this.#kernel.early = false;
    if (this.#crash) calibrateDelay(machine, this.#options.crashCpu ?? 0);
    this.#print();
  }

  async #drive(): Promise<void> {
    const machine = this.#machine;
    this.#stage('after', 'its initramfs runs');
    await this.#options.after?.(machine);
    machine.cpu.check();
    this.#stage('drivers', 'it binds its drivers');
    bindDrivers(machine, this.#kernel, this.#carried);
    machine.cpu.check();
    this.#runningTick = machine.now;
    this.#stage('running', this.#dump ? 'it runs, and is to save the dump' : 'it runs');
    this.#save(0);
    this.#live(this.#options.ticks ?? RUN_TICKS);
  }

  /** A capture kernel has done what it was there for. Nothing is on its way to kexec, so the core clears no BME. */
  #reboot(): void {
    const machine = this.#machine;
    while (this.#dump && !this.#dump.over) this.#live(1);
    this.#stage('reboot', 'it reboots, and shuts its drivers down');
    deviceShutdown(machine, this.#kernel, { clearsBusMasters: false });
    machine.run(REBOOT_TICKS);
    this.#say('firmware resets the machine');
    this.#rebooted = true;
  }

  /** The next kernel lives: it takes more and more memory, and saves the dump once it runs. */
  #live(ticks: number): void {
    this.#growth.live(this.#machine, ticks, (passed) => this.#save(passed));
  }

  #save(passed: number): void {
    const dump = this.#dump;
    if (this.#reached !== 'running' || !dump || dump.over) return;
    const { interrupts, now } = this.#machine;
    dump.passed(passed, interrupts.stormedSince(now - passed));
    this.watch.saving = dump.saving;
  }

  /** A line on the console, where that is a PCI function. */
  #print(): void {
    const { cpu, functions } = this.#machine;
    for (const fn of functions.values()) if (fn.description.holds?.includes('console')) cpu.mmio(fn);
  }

  /** Looks at what was loaded; what is broken ends the run here. */
  #verify(stage: Stage, ...regions: Region[]): boolean {
    const broken = regions.filter((region) => (this.#image?.broken(region) ?? []).length > 0);
    if (broken.length === 0) return true;
    const on = `${stage}: ${broken.join(' and ')} not as loaded`;
    this.#stuckOn = { on, slots: [], cause: 'not-as-loaded' };
    this.#say(`stuck on ${on}`);
    return false;
  }

  #stage(stage: Stage, text: string): void {
    this.#reached = stage;
    this.#say(text);
  }

  #say(text: string): void {
    this.#machine.emit({ kind: 'stage', tick: this.#machine.now, text });
  }

  #result(): JumpResult {
    const machine = this.#machine;
    return judge({
      machine,
      path: this.#options.path,
      watch: this.watch,
      image: this.#image,
      dump: this.#dump,
      reached: this.#reached,
      stuckOn: this.#stuckOn,
      expected: this.#expected,
      interruptsUnclaimed: machine.interrupts.listener === this.#kernel ? machine.interrupts.unclaimed : 0,
      jumpTick: this.#jumpTick ?? machine.now,
      runningTick: this.#runningTick,
      startTick: this.#startTick,
    });
  }
}
