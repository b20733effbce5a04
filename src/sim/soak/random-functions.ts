import type { ExpressType } from '../../pci/function.js';
import type { Slot } from '../../pci/slot.js';
import { type Faults, type FunctionDescription, PORT_DRIVER } from '../description.js';
import type { Random } from '../random.js';
import {
  drawCondition,
  drawDriver,
  drawFaults,
  inCondition,
  isDisplay,
  type Kind,
  kindsOf,
  type Mixture,
  virtualKinds,
} from './random-kinds.js';

/** Few, so that they are shared. */
const LINES: readonly number[] = [16, 17, 18, 19];
const MESSAGES = [undefined, 'msi', 'msix'] as const;
const REPEATING_PERCENT = 3;
const FAULTY_PERCENT = 6;
const WEDGING_PERCENT = 50;
const HOT_PLUG_MS: readonly number[] = [10, 50, 200];

/** Draws what a random machine has in its slots, and notes what is to be known of it. */
export class FunctionDrawing {
  readonly busy = new Set<Slot>();
  readonly absent = new Set<Slot>();
  readonly faults: Record<Slot, Faults> = {};
  readonly #random: Random;
  readonly #mixture: Mixture;

  constructor(random: Random, mixture: Mixture) {
    this.#random = random;
    this.#mixture = mixture;
  }

  endpoint(slot: Slot, express: ExpressType | undefined): FunctionDescription {
    const random = this.#random;
    const kind = this.#kindFor(express);
    const condition = drawCondition(random, kind, this.#mixture, express);
    const messages = MESSAGES[random.below(MESSAGES.length)];
    if (condition === 'driven' || condition === 'left') this.#atWork(slot);
    else if (condition === 'wanted') this.busy.add(slot);
    else if (condition === 'cold' || condition === 'gone') this.absent.add(slot);
    return {
      slot,
      ...kind.ids,
      workload: kind.workload,
      ...(express === undefined ? {} : { express, flr: random.chance(50) }),
      ...(messages === undefined ? {} : { messages }),
      // PCI 2.2 had no such bit; PCI Express always has.
      intxDisable: express !== undefined || random.chance(75),
      pin: random.between(1, 4),
      line: random.pick(LINES),
      ...(this.#mixture.troubled && messages !== undefined && random.chance(REPEATING_PERCENT)
        ? { repeatsMessages: true }
        : {}),
      ...(this.#mixture.troubled && kind.workload === 'ahci' && random.chance(WEDGING_PERCENT)
        ? { wedgesWhenCut: true }
        : {}),
      ...(this.#mixture.mixed && random.chance(20) ? { errorReporting: false } : {}),
      ...inCondition(random, kind, condition, this.#mixture),
    };
  }

  physicalFunction(slot: Slot, vfs: number): FunctionDescription {
    const kind = this.#random.pick(virtualKinds(this.#mixture));
    this.#atWork(slot);
    return {
      slot,
      ...kind.ids,
      workload: kind.workload,
      express: 'endpoint',
      flr: true,
      messages: 'msix',
      driver: drawDriver(this.#random, kind, this.#mixture),
      vfs,
      ...(this.#mixture.mixed && this.#random.chance(30) ? { vfDriver: null } : {}),
    };
  }

  /** What makes a bridge a port of PCI Express. */
  expressPort(express: ExpressType): Partial<FunctionDescription> {
    const driver = { name: PORT_DRIVER, shutdown: this.#mixture.portsDisable ? 'disables' : true } as const;
    const port = { device: 0x2940, express, driver };
    if (!this.#mixture.mixed || express === 'upstream-port' || !this.#random.chance(10)) return port;
    return { ...port, workload: 'hotplug-port', commandMs: this.#random.pick(HOT_PLUG_MS) };
  }

  /** A display that no driver knows, on a root bus, where it shows what firmware set up. */
  firmwareDisplay(slot: Slot): FunctionDescription {
    return {
      slot,
      vendor: 0x102b,
      device: 0x0533,
      classCode: 0x030000,
      workload: 'display',
      pin: 1,
      line: this.#random.pick(LINES),
      bootVga: true,
      leftBy: 'firmware',
    };
  }

  /** Other displays of a mixed machine lie below a port: those on a root bus are left alone by any policy. */
  #kindFor(express: ExpressType | undefined): Kind {
    const kinds = kindsOf(this.#mixture);
    for (;;) {
      const kind = this.#random.pick(kinds);
      if (!this.#mixture.mixed || express === 'endpoint' || !isDisplay(kind)) return kind;
    }
  }

  #atWork(slot: Slot): void {
    this.busy.add(slot);
    if (this.#mixture.troubled && this.#random.chance(FAULTY_PERCENT))
      this.faults[slot] = drawFaults(this.#random);
  }
}
