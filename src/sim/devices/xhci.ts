import { addressOf, PAGE_BYTES } from '../memory/memory.js';
import { type AllocatePages, type Device, type DevicePort, NEVER, RETRY_TICKS } from './device.js';

const TRB_BYTES = 16;
const EVENTS = PAGE_BYTES / TRB_BYTES;
const EVENT_GAP_TICKS_MAX = 80;
const SCRATCHPAD_GAP_TICKS = 250;
const SCRATCHPAD_BYTES = 64;
const SCRATCHPAD_PAGES = 8;

interface Rings {
  readonly events: number;
  readonly transfers: number;
  /** The controller's own memory, which it writes as it likes. */
  readonly scratchpad: readonly number[];
  enqueued: number;
  dequeued: number;
}

/**
 * A USB host controller: an event now and then until its event ring is full, and its scratchpad for ever. While it
 * belongs to firmware, which polls a keyboard, firmware takes the events itself, by an interrupt of its own.
 */
export class Xhci implements Device {
  readonly wedged = null;
  #firmware: boolean;
  #rings: Rings | undefined;
  #nextEvent = 0;
  #nextScratch = 0;

  constructor(firmware: boolean) {
    this.#firmware = firmware;
  }

  get busy(): boolean {
    return this.#rings !== undefined;
  }

  act(port: DevicePort): number {
    const rings = this.#rings;
    if (!rings) return NEVER;
    if (port.now >= this.#nextScratch) {
      const passed = port.write(port.random.pick(rings.scratchpad), SCRATCHPAD_BYTES);
      this.#nextScratch = port.now + (passed ? SCRATCHPAD_GAP_TICKS : RETRY_TICKS);
    }
    if (port.now >= this.#nextEvent && hasRoom(rings)) {
      const gap = port.random.between(1, EVENT_GAP_TICKS_MAX);
      this.#nextEvent = port.now + (this.#event(port, rings) ? gap : RETRY_TICKS);
    }
    return Math.min(this.#nextScratch, hasRoom(rings) ? this.#nextEvent : NEVER);
  }

  program(allocate: AllocatePages): void {
    const [events, transfers, ...scratchpad] = allocate(2 + SCRATCHPAD_PAGES).map(addressOf);
    if (events === undefined || transfers === undefined || scratchpad.length === 0) return;
    this.#rings = { events, transfers, scratchpad, enqueued: 0, dequeued: 0 };
  }

  serve(): void {
    if (this.#rings) this.#rings.dequeued = this.#rings.enqueued;
  }

  /** Whoever programs it next is no firmware. */
  stop(): void {
    this.#rings = undefined;
    this.#firmware = false;
  }

  #event(port: DevicePort, rings: Rings): boolean {
    port.read(rings.transfers);
    if (!port.write(rings.events + (rings.enqueued % EVENTS) * TRB_BYTES, TRB_BYTES)) return false;
    rings.enqueued++;
    if (this.#firmware) this.serve();
    else port.interrupt();
    return true;
  }
}

function hasRoom(rings: Rings): boolean {
  return rings.enqueued - rings.dequeued < EVENTS;
}
