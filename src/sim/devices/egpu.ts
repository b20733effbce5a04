import { addressOf, PAGE_BYTES } from '../memory/memory.js';
import { type AllocatePages, type Device, type DevicePort, NEVER, RETRY_TICKS } from './device.js';

const RING_PAGES = 8;
const ENTRY_BYTES = 32;
const ENTRIES_PER_PAGE = PAGE_BYTES / ENTRY_BYTES;

/**
 * An external GPU that has something to say as soon as it was heard: an entry in its interrupt ring, which nobody
 * keeps from running over, and an interrupt. `Repeating` makes a flood of those that nobody serves. Bus mastering off
 * stops its messages and not its wire, INTx-disable its wire and not its messages.
 */
export class Egpu implements Device {
  readonly wedged = null;
  #ring: readonly number[] | undefined;
  #entries = 0;
  #raised = false;
  #next = 0;

  get busy(): boolean {
    return this.#ring !== undefined;
  }

  act(port: DevicePort): number {
    const ring = this.#ring;
    if (!ring) return NEVER;
    if (port.now < this.#next) return this.#next;
    if (port.served || !this.#raised) {
      const page = ring[Math.floor(this.#entries / ENTRIES_PER_PAGE) % ring.length] ?? 0;
      port.write(page + (this.#entries % ENTRIES_PER_PAGE) * ENTRY_BYTES, ENTRY_BYTES);
      this.#entries++;
      this.#raised = true;
      port.interrupt();
    }
    this.#next = port.now + (port.served ? 1 : RETRY_TICKS);
    return this.#next;
  }

  program(allocate: AllocatePages): void {
    const ring = allocate(RING_PAGES).map(addressOf);
    this.stop();
    if (ring.length > 0) this.#ring = ring;
  }

  serve(): void {
    this.#next = 0;
  }

  stop(): void {
    this.#ring = undefined;
    this.#raised = false;
    this.#next = 0;
  }
}
