import type { ExpressType } from '../../pci/function.js';
import { formatSlot, type Slot } from '../../pci/slot.js';
import type { Era, Faults, FunctionDescription, MachineDescription } from '../description.js';
import { type IommuRules, PLATFORMS, type PlatformName } from '../platform.js';
import { Random } from '../random.js';
import { FunctionDrawing } from './random-functions.js';
import { CAPTURE_CANDIDATES } from './random-kinds.js';

export interface RandomMachineOptions {
  /** How many functions, bridges and virtual functions among them. Default 24. */
  readonly functions?: number;
  /** Bridges above each other, at most. Default 4. */
  readonly depth?: number;
  /** Segments. Default 1, and one more for each 1024 functions. */
  readonly domains?: number;
  /**
   * Draws the platform, its IOMMU and the era, too, functions whose DMA is wanted, firmware's own, and virtual ones
   * without a driver; in half of the machines also such as repeat their messages, drivers that are hard to please,
   * and faults. Default false: a sound machine of today.
   */
  readonly mixed?: boolean;
}

export interface RandomMachine {
  readonly description: MachineDescription;
  /** Functions that have work and are let do it. Their virtual functions are not listed here. */
  readonly busy: ReadonlySet<Slot>;
  /** Functions that read all ones. */
  readonly absent: ReadonlySet<Slot>;
  /** By slot, for `MachineOptions.faults`: they begin once the machine is at work. */
  readonly faults: Readonly<Record<Slot, Faults>>;
}

/** Where a function goes. */
interface Place {
  readonly domain: number;
  readonly bus: number;
  readonly device: number;
  readonly function: number;
}

const ROOT_DEVICES = 30;
const FUNCTIONS_PER_DEVICE = 8;
const FUNCTIONS_PER_DOMAIN = 1024;
const FUNCTIONS_PER_ROOT_MIN = 12;
const ROOTS_MAX = 3;
const BUSES = 256;
/** They share the physical function's bus. */
const VFS_MAX = 200;
/** Of the mixed machines; in the others everything works as it should. */
const TROUBLED_PERCENT = 50;
const PRESERVING_PERCENT = 25;
/** Of the troubled machines: one device of theirs. */
const HUNG_PERCENT = 20;
/** Of the machines of today: portdrv did so from cc27b735ad3a (2018) to 62b6dee1b44a (2023). */
const PORTS_DISABLE_PERCENT = 33;
/** Of the mixed machines. */
const ORPHANED_PERCENT = 40;
const ERAS_DRAWN: readonly Era[] = ['2006', '3.13', '3.13', 'today', 'today', 'today'];
const PLATFORM_NAMES = Object.keys(PLATFORMS) as PlatformName[];

/** A machine of any shape; the same seed and options draw the same one. */
export function randomMachine(seed: number, options: RandomMachineOptions = {}): RandomMachine {
  return new Drawing(seed, options).machine();
}

class Drawing {
  readonly #seed: number;
  readonly #random: Random;
  readonly #wanted: number;
  readonly #depth: number;
  readonly #domains: number;
  readonly #mixed: boolean;
  readonly #troubled: boolean;
  readonly #era: Era;
  readonly #functions: FunctionDescription[] = [];
  readonly #drawn: FunctionDrawing;
  /** Functions that the root bus at work has yet to get. */
  #left = 0;
  #nextBus = 0;
  #lastBus = 0;
  #rootDevicesLeft = 0;
  /** Bus numbers that ports to come need. */
  #reserved = 0;

  constructor(seed: number, options: RandomMachineOptions) {
    this.#seed = seed;
    this.#random = new Random(seed).fork('machine');
    this.#wanted = options.functions ?? 24;
    this.#depth = options.depth ?? 4;
    this.#domains = options.domains ?? 1 + Math.floor(this.#wanted / FUNCTIONS_PER_DOMAIN);
    this.#mixed = options.mixed ?? false;
    const troubled = this.#mixed && this.#random.chance(TROUBLED_PERCENT);
    this.#troubled = troubled;
    const preserves = this.#mixed && this.#random.chance(PRESERVING_PERCENT);
    this.#era = this.#mixed ? this.#random.pick(ERAS_DRAWN) : 'today';
    const orphans = this.#mixed && this.#random.chance(ORPHANED_PERCENT);
    const portsDisable =
      this.#mixed && this.#era === 'today' && (orphans || this.#random.chance(PORTS_DISABLE_PERCENT));
    const mixture = { mixed: this.#mixed, troubled, preserves, portsDisable, orphans };
    this.#drawn = new FunctionDrawing(this.#random, mixture);
  }

  machine(): RandomMachine {
    for (const [domain, functions] of shares(this.#wanted, this.#domains).entries()) {
      const roots = this.#random.chance(60)
        ? 1
        : this.#random.between(1, clamp(Math.floor(functions / FUNCTIONS_PER_ROOT_MIN), 1, ROOTS_MAX));
      const buses = Math.floor(BUSES / roots);
      for (const [i, share] of shares(functions, roots).entries()) {
        this.#rootBus(domain, i * buses, (i + 1) * buses - 1, share);
      }
    }
    const captureDrivers = CAPTURE_CANDIDATES.filter(() => this.#random.chance(40));
    const { platform, iommu } = this.#mixed ? this.#platform() : {};
    return {
      description: {
        name: `random-${this.#seed}`,
        ...(platform ? { platform } : {}),
        ...(iommu ? { rules: { iommu } } : {}),
        ...(this.#era === 'today' ? {} : { era: this.#era }),
        functions: this.#functions,
        captureDrivers,
      },
      busy: this.#drawn.busy,
      absent: this.#drawn.absent,
      faults: { ...this.#drawn.faults, ...this.#hung() },
    };
  }

  /** A device hangs at the jump, with all its functions: five of them use up the time of a stub. */
  #hung(): Readonly<Record<Slot, Faults>> {
    const random = new Random(this.#seed).fork('hung');
    if (!this.#troubled || !random.chance(HUNG_PERCENT)) return {};
    const device = deviceOf(random.pick(this.#functions).slot);
    const together = this.#functions.filter(({ slot }) => deviceOf(slot) === device);
    if (together.some(({ secondary, wanted, classCode }) => secondary || wanted || classCode === 0x060000))
      return {};
    const { faults } = this.#drawn;
    const hung = together.map(({ slot }): [string, Faults] => [
      slot,
      { ...faults[slot as Slot], hangsAtJump: true },
    ]);
    return Object.fromEntries(hung);
  }

  #platform(): { platform: PlatformName; iommu: IommuRules | null } {
    const random = this.#random;
    const platform = random.pick(PLATFORM_NAMES);
    if (random.chance(65)) return { platform, iommu: null };
    return {
      platform,
      iommu: {
        domains: random.pick(['identity', 'translated']),
        nextKernel: random.pick(['resets', 'copies', 'takes-over']),
        aborts: random.pick(['dropped', 'dropped', 'poisoned', 'completion-timeout']),
      },
    };
  }

  #rootBus(domain: number, bus: number, lastBus: number, functions: number): void {
    this.#left = functions;
    this.#nextBus = bus + 1;
    this.#lastBus = lastBus;
    const first = this.#functions.length;
    const ids = { vendor: 0x8086, device: 0x29c0, classCode: 0x060000 };
    const place = { domain, bus, device: 0, function: 0 };
    this.#add({ slot: formatSlot(place), ...ids, busMaster: true, busMasterReadOnly: true });
    for (let device = 1; device <= ROOT_DEVICES && this.#left > 0; device++) {
      this.#rootDevicesLeft = ROOT_DEVICES - device;
      this.#rootDevice({ ...place, device });
    }
    this.#topUp(first);
  }

  /** What did not fit anywhere becomes virtual functions. */
  #topUp(first: number): void {
    for (let i = first; i < this.#functions.length && this.#left > 0; i++) {
      const of = this.#functions[i];
      if (!of?.vfs) continue;
      const more = clamp(VFS_MAX - of.vfs, 0, this.#left);
      this.#functions[i] = { ...of, vfs: of.vfs + more };
      this.#left -= more;
    }
  }

  /** A device on a root bus, with about its share of what is still to come, or more. */
  #rootDevice(place: Place): void {
    const share = Math.ceil(this.#left / (this.#rootDevicesLeft + 1));
    if (this.#mixed && place.device === 2 && place.bus === 0 && this.#random.chance(40)) {
      this.#add(this.#drawn.firmwareDisplay(formatSlot(place)));
      return;
    }
    const free = this.#busesFree();
    if (free <= 0 || (share <= 1 && this.#random.chance(40))) {
      const express = this.#random.chance(50) ? 'rc-endpoint' : undefined;
      this.#endpoints(place, clamp(share, 1, this.#left), express);
      return;
    }
    const natural = this.#random.between(2, 8);
    const want = Math.min(this.#left, Math.max(share, natural));
    const ports = clamp(
      Math.ceil(want / this.#random.between(8, 16)),
      1,
      clamp(Math.floor(free / (this.#rootDevicesLeft + 1)), 1, FUNCTIONS_PER_DEVICE),
    );
    const type = share <= 4 && this.#random.chance(15) ? undefined : 'root-port';
    const functions = shares(want, ports);
    this.#ports(functions, (fn, share) => this.#port({ ...place, function: fn }, type, share, 1));
  }

  /** One port for each share, none of which takes the bus number that another one needs. */
  #ports(functions: readonly number[], make: (index: number, functions: number) => void): void {
    this.#reserved += functions.length;
    for (const [i, share] of functions.entries()) {
      this.#reserved--;
      make(i, share);
    }
  }

  /** A bridge and what is below it, so many functions in all; without a type, a conventional one. */
  #port(place: Place, express: ExpressType | undefined, functions: number, depth: number): void {
    const { domain } = place;
    const secondary = this.#nextBus++;
    const base = { slot: formatSlot(place), vendor: 0x8086, device: 0x244e, classCode: 0x060400, secondary };
    const below = { domain, bus: secondary, device: 0, function: 0 };
    // Linux has no driver for conventional bridges: they keep what firmware gave them.
    if (express === undefined || express === 'pcie-to-pci-bridge') {
      const type = express === undefined ? {} : { express };
      this.#add({ ...base, busMaster: true, ...type });
      for (const [i, share] of shares(functions - 1, clamp(functions - 1, 0, 3)).entries()) {
        this.#endpoints({ ...below, device: 1 + i }, share, undefined);
      }
      return;
    }
    this.#add({ ...base, ...this.#drawn.expressPort(express) });
    const rest = functions - 1;
    if (rest <= 0) return;
    if (express === 'upstream-port') {
      const ports = clamp(this.#random.between(1, 4), 1, Math.min(rest, this.#busesToSpare()));
      this.#ports(shares(rest, ports), (device, share) =>
        this.#port({ ...below, device }, 'downstream-port', share, depth + 1),
      );
      return;
    }
    const deeper =
      depth + 2 <= this.#depth && rest >= 2 && this.#busesToSpare() > 2 && this.#random.chance(40);
    if (deeper && (rest > 8 || this.#random.chance(75))) this.#port(below, 'upstream-port', rest, depth + 1);
    else if (deeper) this.#port(below, 'pcie-to-pci-bridge', rest, depth + 1);
    else this.#card(below, rest);
  }

  /** What is plugged into a slot: one function, several, one with virtual functions, or sometimes nothing. */
  #card(place: Place, functions: number): void {
    const draw = this.#random.below(10);
    if (draw === 0 && this.#rootDevicesLeft > 0) return;
    if (functions > FUNCTIONS_PER_DEVICE || (functions > 1 && draw < 4))
      this.#add(this.#drawn.physicalFunction(formatSlot(place), clamp(functions - 1, 1, VFS_MAX)));
    else this.#endpoints(place, functions, 'endpoint');
  }

  /** The functions of one device, as many as fit. */
  #endpoints(place: Place, functions: number, express: ExpressType | undefined): void {
    for (let fn = 0; fn < Math.min(functions, FUNCTIONS_PER_DEVICE); fn++) {
      this.#add(this.#drawn.endpoint(formatSlot({ ...place, function: fn }), express));
    }
  }

  #busesFree(): number {
    return this.#lastBus - this.#nextBus + 1;
  }

  /** Bus numbers that nobody will need. */
  #busesToSpare(): number {
    const perDevice = this.#left > ROOT_DEVICES ? 2 : 1;
    return this.#busesFree() - this.#reserved - this.#rootDevicesLeft * perDevice;
  }

  #add(of: FunctionDescription): void {
    this.#functions.push(of);
    this.#left -= 1 + (of.vfs ?? 0);
  }
}

/** So many equal parts of a whole, the first ones larger by one where it does not divide. */
function shares(whole: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, i) => Math.floor((whole + parts - 1 - i) / parts));
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}

const deviceOf = (slot: string) => slot.slice(0, -2);
