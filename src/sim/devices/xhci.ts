import { addressOf, PAGE_BYTES } from '../memory.js';
import type { AllocatePages, Device, DevicePort } from './device.js';

const TRB_BYTES = 16;
const EVENTS = PAGE_BYTES / TRB_BYTES;
const EVENT_GAP_TICKS = 40;
const SCRATCHPAD_GAP_TICKS = 250;
const SCRATCHPAD_PAGES = 8;

interface Rings {
  readonly events: number;
  readonly transfers: number;
  /** The controller's own memory, which it writes as it likes. */
  readonly scratchpad: readonly number[];
  enqueued: number;
  dequeued: number;
}

/** A USB host controller: an event now and then until its event ring is full, and its scratchpad for ever. */
export class Xhci implements Device {
  #rings: Rings | undefined;
  #nextEvent = 0;
  #nextScratch = 0;

  get busy(): boolean {
    return this.#rings !== undefined;
  }

  tick(port: DevicePort): void {
    const rings = this.#rings;
    if (!rings) return;
    if (port.now >= this.#nextEvent) {
      this.#nextEvent = port.now + port.random.between(1, 2 * EVENT_GAP_TICKS);
      if (rings.enqueued - rings.dequeued < EVENTS) this.#event(port, rings);
    }
    if (port.now >= this.#nextScratch) {
      this.#nextScratch = port.now + SCRATCHPAD_GAP_TICKS;
      port.write(port.random.pick(rings.scratchpad), 64);
    }
  }

  program(allocate: AllocatePages): void {
    const [events, transfers, ...scratchpad] = allocate(2 + SCRATCHPAD_PAGES).map(addressOf);
    if (events === undefined || transfers === undefined || scratchpad.length === 0) return;
    this.#rings = { events, transfers, scratchpad, enqueued: 0, dequeued: 0 };
  }

  serve(): void {
    if (this.#rings) this.#rings.dequeued = this.#rings.enqueued;
  }

  stop(): void {
    this.#rings = undefined;
  }

  #event(port: DevicePort, rings: Rings): void {
    port.read(rings.transfers);
    if (!port.write(rings.events + (rings.enqueued % EVENTS) * TRB_BYTES, TRB_BYTES)) return;
    rings.enqueued++;
    port.interrupt();
  }
}
