import { ConfigImage } from '../../pci/config-image.js';
import { decodeFunction } from '../../pci/decode.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import { ancestors, buildTopology } from '../../pci/topology.js';
import { type Bus, POSTED_TICKS_MAX } from '../bus/bus.js';
import type { SimEvent } from '../events.js';
import type { SimMachine } from '../machine.js';

/** The last time for which a function's bus-master enable was clear. */
interface Off {
  readonly from: number;
  until: number;
}

/**
 * Watches that nothing passes a function whose bus mastering, or that of a bridge above it, was off when it was sent.
 * It goes by the bytes of configuration space and the product's own topology, not by what the machine believes.
 */
export class GateChecker {
  readonly violations: string[] = [];
  /** Memory writes and reads, and message interrupts, that went through. */
  passed = 0;
  readonly stop: () => void;
  readonly #machine: SimMachine;
  /** Of each function, the bridges above and, for a bridge, what is below it. */
  readonly #above = new Map<Slot, readonly Slot[]>();
  readonly #below = new Map<Slot, Slot[]>();
  readonly #off = new Map<Slot, Off>();
  #boots: number;

  constructor(machine: SimMachine) {
    this.#machine = machine;
    this.#boots = machine.boots;
    const functions = [...machine.snapshot()].map(([slot, bytes]) =>
      decodeFunction(slot, ConfigImage.of(bytes)),
    );
    const topology = buildTopology(functions);
    for (const slot of topology.nodes.keys()) {
      const above = [...ancestors(topology, slot)];
      this.#above.set(slot, above);
      for (const bridge of above) this.#below.set(bridge, [...(this.#below.get(bridge) ?? []), slot]);
      this.#look(slot);
    }
    this.stop = machine.observe((event) => this.#observe(event));
  }

  #observe(event: SimEvent): void {
    if (this.#stillBooting()) return;
    switch (event.kind) {
      case 'config-write':
        this.#look(event.slot);
        // A write to a bridge's registers can reset everything below it, and one to SR-IOV's the virtual functions.
        if (event.offset !== regs.PCI_COMMAND) {
          for (const slot of this.#below.get(event.slot) ?? []) this.#look(slot);
          for (const vf of this.#machine.functions.get(event.slot)?.vfs ?? []) this.#look(vf.slot);
        }
        return;
      case 'dma':
        if (event.refusedBy === null && !event.faulted) this.#passes(event.slot, event.sent, 'writes');
        return;
      case 'message':
        if (event.refusedBy === null) this.#passes(event.slot, event.sent, 'writes');
        return;
      case 'read':
        this.#passes(event.slot, event.tick, 'reads');
        return;
      default:
    }
  }

  #passes(slot: Slot, sent: number, what: 'reads' | 'writes'): void {
    this.passed++;
    const { now, functions } = this.#machine;
    if (!functions.get(slot)?.faults.ignoreBme && this.#wasOff(slot, sent))
      this.violations.push(`${now}: ${slot} ${what} with its own BME clear`);
    for (const bridge of this.#above.get(slot) ?? []) {
      if (this.#wasOff(bridge, sent))
        this.violations.push(`${now}: ${slot} ${what} past ${bridge}, whose BME is clear`);
    }
  }

  /** What left in the very tick of a write to Command may have left before it. */
  #wasOff(slot: Slot, sent: number): boolean {
    const off = this.#off.get(slot);
    if (!off || off.from >= sent || sent >= off.until) return false;
    // What hardware itself sets, a power-on above all, is no configuration write.
    if (off.until === Number.POSITIVE_INFINITY && !this.#isOff(slot)) this.#off.delete(slot);
    return this.#off.has(slot);
  }

  #isOff(slot: Slot): boolean {
    const low = this.#machine.functions.get(slot)?.space.config[regs.PCI_COMMAND] ?? 0;
    return (low & regs.PCI_COMMAND_MASTER) === 0;
  }

  #look(slot: Slot): void {
    const { now } = this.#machine;
    const off = this.#off.get(slot);
    const clear = this.#isOff(slot);
    if (clear && off?.until !== Number.POSITIVE_INFINITY) {
      this.#off.set(slot, { from: now, until: Number.POSITIVE_INFINITY });
    } else if (!clear && off?.until === Number.POSITIVE_INFINITY) {
      off.until = now;
    }
  }

  /** What a power-on sets up is no configuration write: once its tick is over, all is looked at afresh. */
  #stillBooting(): boolean {
    const { boots, bootedAt, now } = this.#machine;
    if (this.#boots === boots) return false;
    if (now === bootedAt) return true;
    this.#boots = boots;
    this.#off.clear();
    for (const slot of this.#above.keys()) this.#look(slot);
    return false;
  }
}

const SAMPLE_TICKS = 50;

/**
 * Watches that every posted request lands or is refused within the time that one can be on its way, and that none
 * gets lost: what was sent is what arrived, what was refused, and what still waits.
 */
export class DrainChecker {
  readonly violations: string[] = [];
  readonly stop: () => void;
  readonly #machine: SimMachine;
  #bus: Bus;
  #settledBefore: number;
  #seen = 0;
  #next = 0;

  constructor(machine: SimMachine) {
    this.#machine = machine;
    this.#bus = machine.bus;
    this.#settledBefore = settled(machine.bus);
    this.stop = machine.observe((event) => this.#observe(event));
  }

  /** Looks at what is on its way now. */
  check(): void {
    const { now, bus } = this.#machine;
    let waiting = 0;
    for (const fn of bus.waiting) {
      waiting += fn.posted.length;
      const sent = fn.posted[0]?.sent ?? now;
      if (now - sent > POSTED_TICKS_MAX)
        this.violations.push(`${now}: a write that ${fn.slot} posted at ${sent} is still on its way`);
    }
    if (waiting !== bus.inFlight)
      this.violations.push(`${now}: ${bus.inFlight} posted writes should be on their way, ${waiting} are`);
  }

  #observe(event: SimEvent): void {
    if (event.kind !== 'dma' && event.kind !== 'message') return;
    if (this.#bus !== this.#machine.bus) {
      // The power was off, and what was on its way is gone.
      this.#bus = this.#machine.bus;
      this.#settledBefore = 0;
      this.#seen = 0;
    }
    if (event.tick - event.sent > POSTED_TICKS_MAX)
      this.violations.push(`${event.tick}: a write that ${event.slot} posted at ${event.sent} lands late`);
    if (event.refusedBy !== event.slot) this.#seen++;
    if (event.tick >= this.#next) {
      this.#next = event.tick + SAMPLE_TICKS;
      this.check();
      const expected = settled(this.#bus) - this.#settledBefore;
      if (this.#seen !== expected)
        this.violations.push(`${event.tick}: ${expected} posted writes ended, ${this.#seen} were told of`);
    }
  }
}

function settled(bus: Bus): number {
  return bus.landed + bus.refused;
}
