import type { Host } from '../host/port.js';
import * as regs from '../pci/regs.js';
import type { JumpPath } from '../quiesce/findings.js';
import { DumpSaver } from './dump.js';
import { simHost } from './host.js';
import type { CorruptedPage, JumpResult, JumpVerdict, Region, Stage } from './jump-result.js';
import { JumpWatch } from './jump-watch.js';
import { Kernel, PORT_DRIVER, setMessages } from './kernel.js';
import type { SimMachine } from './machine.js';
import { NextImage } from './next-image.js';
import { PageAllocator } from './page-allocator.js';

export interface JumpOptions {
  readonly path: JumpPath;
  /** What runs at the next kernel's entry, before its first instruction; time goes on meanwhile. */
  readonly between?: (host: Host) => Promise<void>;
  /** How long the next kernel is watched once its drivers are bound. Default 2000 ticks. */
  readonly ticks?: number;
  /** Drivers of the next kernel. Default: all on the normal path, those of the capture initramfs after a crash. */
  readonly drivers?: readonly string[];
}

const SHUTDOWN_TICKS = 5;
const COPIED_PER_TICK = 256;
const PURGATORY_TICKS = 40;
const DECOMPRESS_TICKS = 300;
const ENUMERATE_TICKS = 100;
const UNPACK_TICKS = 300;
const RUN_TICKS = 2000;
const GROWTH_PER_TICK = 8;
const DUMPED_PER_TICK = 16;

export async function runJump(machine: SimMachine, options: JumpOptions): Promise<JumpResult> {
  const jump = new Jump(machine, options);
  const stop = machine.observe(jump.watch.observer);
  try {
    return await jump.run();
  } finally {
    stop();
  }
}

class Jump {
  readonly watch: JumpWatch;
  readonly #machine: SimMachine;
  readonly #options: JumpOptions;
  readonly #image: NextImage;
  readonly #allocator: PageAllocator;
  readonly #kernel: Kernel;
  /** What the next kernel put into pages that it took. */
  readonly #working: { readonly page: number; readonly digest: number }[] = [];
  readonly #corrupted = new Map<number, CorruptedPage>();
  #dump: DumpSaver | null = null;
  #reached: Stage = 'shutdown';
  #stuckOn: string | null = null;
  #jumpTick = 0;

  constructor(machine: SimMachine, options: JumpOptions) {
    this.#machine = machine;
    this.#options = options;
    const { memory, capture } = machine;
    const random = machine.random.fork('next-kernel');
    const crash = options.path === 'crash';
    const everywhere = new PageAllocator(memory, random, memory.banks);
    this.#image = crash
      ? NextImage.inPlace(memory, random, capture)
      : NextImage.staged(memory, random, everywhere);
    this.#allocator = crash ? new PageAllocator(memory, random, [capture], 'capture') : everywhere;
    this.#kernel = new Kernel({ memory, allocator: this.#allocator, buffers: 'next-dma-buffer' });
    this.watch = new JumpWatch((slot) => this.#kernel.drives(slot));
  }

  async run(): Promise<JumpResult> {
    if (this.#options.path === 'normal') this.#leaveOldKernel();
    else this.#panic();
    if (this.#verify('purgatory', 'image', 'initramfs')) {
      await this.#between();
      this.#boot();
    }
    return this.#result();
  }

  #leaveOldKernel(): void {
    const machine = this.#machine;
    this.#stage('shutdown', 'the old kernel shuts its drivers down');
    for (const _ of machine.kernel?.shutdown() ?? []) machine.run(SHUTDOWN_TICKS);
    this.#goDark();
    this.#stage('copy', 'the old kernel is gone, the next one is copied to its place');
    for (const [page, owner] of [...machine.memory.owned()]) {
      if (owner === 'old-kernel' || owner === 'dma-buffer') machine.memory.own(page, 'free');
    }
    let copied = 0;
    for (const _ of this.#image.relocate()) if (++copied % COPIED_PER_TICK === 0) machine.tick();
    machine.run(PURGATORY_TICKS);
  }

  #panic(): void {
    this.#goDark();
    this.#dump = new DumpSaver(this.#machine.memory);
    this.#stage('purgatory', 'the old kernel panics; no device is told');
    this.#machine.run(PURGATORY_TICKS);
  }

  /** No kernel, no interrupts: from here on nobody wants what the devices do. */
  #goDark(): void {
    this.#machine.kernel = null;
    this.#machine.interrupts.attach(null);
    this.#jumpTick = this.#machine.now;
    this.watch.jumped();
  }

  async #between(): Promise<void> {
    const { between } = this.#options;
    if (!between) return;
    this.#stage('stub', 'the stub runs');
    await between(simHost(this.#machine, 'stub'));
  }

  #boot(): void {
    const machine = this.#machine;
    this.#stage('decompress', 'the next kernel unpacks itself');
    machine.run(DECOMPRESS_TICKS);
    if (!this.#verify('decompress', 'image')) return;
    this.#stage('enumerate', 'the next kernel turns interrupts on and looks for devices');
    machine.kernel = this.#kernel;
    machine.interrupts.attach(this.#kernel);
    this.#grow(ENUMERATE_TICKS);
    this.#enumerate();
    this.#stage('initramfs', 'it unpacks its initramfs');
    this.#grow(UNPACK_TICKS);
    if (!this.#verify('initramfs', 'initramfs')) return;
    this.#image.discard('initramfs', this.#options.path === 'crash' ? 'capture' : 'free');
    this.#stage('drivers', 'it binds its drivers');
    this.#bindDrivers();
    this.#stage('running', this.#dump ? 'it saves the dump' : 'it runs');
    this.#grow(this.#options.ticks ?? RUN_TICKS);
  }

  /** As Linux does with every function that it finds: messages off, no virtual functions. */
  #enumerate(): void {
    for (const fn of this.#machine.functions.values()) {
      setMessages(fn, false);
      const { sriov } = fn.layout;
      if (sriov === undefined) continue;
      const control = fn.read(sriov + regs.PCI_SRIOV_CTRL, 2);
      fn.write(sriov + regs.PCI_SRIOV_CTRL, 2, control & ~regs.PCI_SRIOV_CTRL_VFE);
    }
  }

  #bindDrivers(): void {
    const { path, drivers } = this.#options;
    const carried = drivers ?? (path === 'crash' ? this.#machine.description.captureDrivers : undefined);
    for (const fn of this.#machine.functions.values()) {
      const name = fn.description.driver?.name;
      if (name === undefined || !fn.alive) continue;
      if (name === PORT_DRIVER || !carried || carried.includes(name)) this.#kernel.bind(fn);
    }
  }

  /** The next kernel lives: it takes more and more memory, and saves the dump once it runs. */
  #grow(ticks: number): void {
    const { memory } = this.#machine;
    for (let i = 0; i < ticks; i++) {
      this.#machine.tick();
      for (const page of this.#allocator.takeMany(GROWTH_PER_TICK, 'next-kernel')) {
        memory.fill(page, page + this.#machine.now);
        this.#working.push({ page, digest: memory.digest(page) });
      }
      if (this.#reached === 'running') this.#save();
    }
  }

  #save(): void {
    if (!this.#dump || this.#dump.done) return;
    this.#dump.save(DUMPED_PER_TICK);
    this.watch.saving = !this.#dump.done;
    if (this.#dump.done) this.#say(`the dump is saved: ${this.#dump.pages} pages`);
  }

  /** Looks at what was loaded; what is broken ends the run here. */
  #verify(stage: Stage, ...regions: Region[]): boolean {
    this.#reached = stage;
    const broken = regions.filter((region) => this.#note(region, this.#image.broken(region)) > 0);
    if (broken.length === 0) return true;
    this.#stuckOn = `${stage}: ${broken.join(' and ')} not as loaded`;
    this.#say(this.#stuckOn);
    return false;
  }

  #note(region: Region, pages: readonly number[]): number {
    for (const page of pages) {
      if (!this.#corrupted.has(page)) this.#corrupted.set(page, this.watch.blame(page, region));
    }
    return pages.length;
  }

  #stage(stage: Stage, text: string): void {
    this.#reached = stage;
    this.#say(text);
  }

  #say(text: string): void {
    this.#machine.emit({ kind: 'stage', tick: this.#machine.now, text });
  }

  #result(): JumpResult {
    const { memory, interrupts, now } = this.#machine;
    if (this.#stuckOn === null) this.#note('image', this.#image.broken('image'));
    const spoiled = this.#working.filter(({ page, digest }) => memory.digest(page) !== digest);
    this.#note(
      'kernel-memory',
      spoiled.map(({ page }) => page),
    );
    const dump = this.#dump?.result((page) => this.watch.blame(page, 'dump')) ?? null;
    const corrupted = [...this.#corrupted.values()].sort((a, b) => a.address - b.address);
    const { writes, refused, storms, timeline } = this.watch;
    return {
      path: this.#options.path,
      verdict: verdictOf(corrupted.length, storms.length, dump?.torn.length ?? 0),
      reached: this.#reached,
      stuckOn: this.#stuckOn,
      writes,
      refused,
      corrupted,
      checksumOk: !corrupted.some(({ region }) => region !== 'kernel-memory'),
      interruptsUnclaimed: interrupts.unclaimed,
      storms,
      dump,
      timeline,
      jumpTick: this.#jumpTick,
      endTick: now,
    };
  }
}

/** The worst of what was found. */
function verdictOf(corrupted: number, storms: number, torn: number): JumpVerdict {
  if (corrupted > 0) return 'corrupted';
  if (storms > 0) return 'irq-storm';
  return torn > 0 ? 'dump-torn' : 'clean';
}
