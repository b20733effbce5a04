import type { ExpressType } from '../pci/function.js';
import { hex, parseSlot, type Slot } from '../pci/slot.js';
import type { FunctionDescription, MachineDescription, Workload } from './description.js';
import { PORT_DRIVER } from './kernel.js';
import { Random } from './random.js';

export interface RandomMachineOptions {
  /** About how many functions. Default 24. */
  readonly functions?: number;
  /** Bridges above each other, at most. Default 4. */
  readonly depth?: number;
  /** Segments. Default 1. */
  readonly domains?: number;
}

export interface RandomMachine {
  readonly description: MachineDescription;
  /** Functions that have work and are let do it. Their virtual functions are not listed here. */
  readonly busy: ReadonlySet<Slot>;
  /** Functions that read all ones. */
  readonly absent: ReadonlySet<Slot>;
}

type Kind = Pick<FunctionDescription, 'vendor' | 'device' | 'classCode' | 'workload'> & {
  readonly driver: string;
};
type Condition = 'driven' | 'left' | 'idle' | 'asleep' | 'cold' | 'gone';

const KINDS: readonly Kind[] = [
  { vendor: 0x8086, device: 0x10d3, classCode: 0x020000, workload: 'nic', driver: 'e1000e' },
  { vendor: 0x15b3, device: 0x1017, classCode: 0x020000, workload: 'nic', driver: 'mlx5_core' },
  { vendor: 0x144d, device: 0xa80a, classCode: 0x010802, workload: 'nvme', driver: 'nvme' },
  { vendor: 0x1912, device: 0x0014, classCode: 0x0c0330, workload: 'xhci', driver: 'xhci_hcd' },
  { vendor: 0x10de, device: 0x20b0, classCode: 0x030200, workload: 'gpu', driver: 'nvidia' },
];
const CONDITIONS: readonly Condition[] = [
  'driven',
  'driven',
  'driven',
  'left',
  'left',
  'idle',
  'asleep',
  'cold',
  'gone',
];
const ROOT_DEVICES = 30;
const LAST_BUS = 0xf0;
const LINES: readonly number[] = [16, 17, 18, 19];

/** A sound machine of any shape; the same seed and options draw the same one. */
export function randomMachine(seed: number, options: RandomMachineOptions = {}): RandomMachine {
  return new Drawing(seed, options).machine();
}

class Drawing {
  readonly #seed: number;
  readonly #random: Random;
  readonly #depth: number;
  readonly #domains: number;
  readonly #functions: FunctionDescription[] = [];
  readonly #busy = new Set<Slot>();
  readonly #absent = new Set<Slot>();
  #left: number;
  #nextBus = 1;

  constructor(seed: number, options: RandomMachineOptions) {
    this.#seed = seed;
    this.#random = new Random(seed).fork('machine');
    this.#left = options.functions ?? 24;
    this.#depth = options.depth ?? 4;
    this.#domains = options.domains ?? 1;
  }

  machine(): RandomMachine {
    const perDomain = Math.ceil(this.#left / this.#domains);
    for (let domain = 0; domain < this.#domains; domain++) {
      this.#left = perDomain;
      this.#nextBus = 1;
      this.#rootBus(domain);
    }
    const captureDrivers = KINDS.map(({ driver }) => driver).filter(() => this.#random.chance(40));
    const name = `random-${this.#seed}`;
    return {
      description: { name, functions: this.#functions, captureDrivers },
      busy: this.#busy,
      absent: this.#absent,
    };
  }

  #rootBus(domain: number): void {
    const bridge = { vendor: 0x8086, device: 0x29c0, classCode: 0x060000 };
    this.#add({ slot: at(domain, 0, 0, 0), ...bridge, busMaster: true, busMasterReadOnly: true });
    for (let device = 1; device <= ROOT_DEVICES && this.#left > 0; device++) {
      const draw = this.#random.below(10);
      if (draw < 5) this.#port(domain, 0, device, 'root-port', 1);
      else if (draw < 6) this.#port(domain, 0, device, undefined, 1);
      else this.#endpoint(at(domain, 0, device, 0), this.#random.chance(50) ? 'rc-endpoint' : undefined);
    }
  }

  /** A bridge and what is below it; without a type, a conventional one. */
  #port(domain: number, bus: number, device: number, express: ExpressType | undefined, depth: number): void {
    if (this.#nextBus > LAST_BUS) return;
    const secondary = this.#nextBus++;
    const base = { slot: at(domain, bus, device, 0), vendor: 0x8086, secondary };
    // Linux has no driver for conventional bridges: they keep what firmware gave them.
    if (express === undefined || express === 'pcie-to-pci-bridge') {
      const type = express === undefined ? {} : { express };
      this.#add({ ...base, device: 0x244e, classCode: 0x060400, busMaster: true, ...type });
      const count = this.#random.between(1, 3);
      for (let i = 0; i < count; i++) this.#endpoint(at(domain, secondary, 1 + i, 0), undefined);
      return;
    }
    const driver = { name: PORT_DRIVER, shutdown: true };
    this.#add({ ...base, device: 0x2940, classCode: 0x060400, express, driver });
    if (express === 'upstream-port') {
      const ports = this.#random.between(1, 4);
      for (let i = 0; i < ports; i++) this.#port(domain, secondary, i, 'downstream-port', depth + 1);
      return;
    }
    const deeper = depth + 2 <= this.#depth && this.#random.chance(40);
    if (deeper && this.#random.chance(75)) this.#port(domain, secondary, 0, 'upstream-port', depth + 1);
    else if (deeper) this.#port(domain, secondary, 0, 'pcie-to-pci-bridge', depth + 1);
    else this.#card(domain, secondary);
  }

  /** What is plugged into a slot: nothing, one function, several, or one with virtual functions. */
  #card(domain: number, bus: number): void {
    const draw = this.#random.below(10);
    if (draw === 0) return;
    if (draw < 3) {
      this.#withVirtualFunctions(at(domain, bus, 0, 0));
      return;
    }
    const count = draw < 5 ? this.#random.between(2, 4) : 1;
    for (let fn = 0; fn < count; fn++) this.#endpoint(at(domain, bus, 0, fn), 'endpoint');
  }

  #withVirtualFunctions(slot: string): void {
    const { driver, ...kind } = this.#random.pick(KINDS);
    const vfs = this.#random.between(1, 12);
    const shutdown = this.#random.chance(50);
    this.#add({
      slot,
      ...kind,
      express: 'endpoint',
      flr: true,
      messages: 'msix',
      driver: { name: driver, shutdown },
      vfs,
    });
    this.#left -= vfs;
    this.#note(this.#busy, slot);
  }

  #endpoint(slot: string, express: ExpressType | undefined): void {
    const { driver, workload, ...kind } = this.#random.pick(KINDS);
    const messages = ([undefined, 'msi', 'msix'] as const)[this.#random.below(3)];
    const base: FunctionDescription = {
      slot,
      ...kind,
      ...(express === undefined ? {} : { express, flr: this.#random.chance(50) }),
      ...(messages === undefined ? {} : { messages }),
      intxDisable: this.#random.chance(90),
      pin: this.#random.between(1, 4),
      line: this.#random.pick(LINES),
    };
    this.#add({ ...base, ...this.#condition(slot, driver, workload) });
  }

  #condition(slot: string, name: string, workload: Workload | undefined): Partial<FunctionDescription> {
    const works = workload === undefined ? {} : { workload };
    switch (this.#random.pick(CONDITIONS)) {
      case 'driven':
        this.#note(this.#busy, slot);
        return { ...works, driver: { name, shutdown: this.#random.chance(60) } };
      case 'left':
        this.#note(this.#busy, slot);
        return { ...works, leftBy: 'driver' };
      case 'idle':
        return { ...works, busMaster: this.#random.chance(30) };
      case 'asleep':
        return { ...works, power: 'D3hot' };
      case 'cold':
        this.#note(this.#absent, slot);
        return { ...works, power: 'D3cold' };
      case 'gone':
        this.#note(this.#absent, slot);
        return { ...works, gone: true };
    }
  }

  #add(of: FunctionDescription): void {
    this.#functions.push(of);
    this.#left--;
  }

  #note(set: Set<Slot>, text: string): void {
    const slot = parseSlot(text);
    if (slot) set.add(slot);
  }
}

function at(domain: number, bus: number, device: number, fn: number): string {
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${fn}`;
}
