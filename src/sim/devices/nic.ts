import { addressOf, PAGE_BYTES } from '../memory/memory.js';
import { type AllocatePages, type Device, type DevicePort, NEVER } from './device.js';

const DESCRIPTORS = 128;
const DESCRIPTOR_BYTES = 16;
const BUFFER_BYTES = 2048;
const BUFFER_PAGES = (DESCRIPTORS * BUFFER_BYTES) / PAGE_BYTES;
const FRAME_BYTES_MIN = 64;
const FRAME_BYTES_MAX = 1518;

interface Ring {
  readonly base: number;
  readonly buffers: readonly number[];
  /** The next descriptor that the device fills. */
  head: number;
  /** The first descriptor that the driver has not given back. */
  tail: number;
}

export interface NicTraits {
  /** Descriptors that it fetches with one read. Default 16. */
  readonly prefetch?: number;
  /** The longest time between two frames. In ticks; default 60. */
  readonly gapTicks?: number;
}

/**
 * A network adapter with one receive ring. Frames come from outside, whether or not anybody wants them, until the
 * ring is full.
 */
export class Nic implements Device {
  readonly wedged = null;
  readonly #prefetch: number;
  readonly #gapTicks: number;
  #ring: Ring | undefined;
  #nextFrame = 0;
  #prefetched = 0;
  /** How many reads were outstanding with the one for descriptors; 0 if it asked for none. */
  #fetching = 0;

  constructor({ prefetch = 16, gapTicks = 60 }: NicTraits = {}) {
    this.#prefetch = prefetch;
    this.#gapTicks = gapTicks;
  }

  get busy(): boolean {
    return this.#ring !== undefined && this.#ring.head !== this.#ring.tail;
  }

  act(port: DevicePort): number {
    if (this.#fetching > 0 && port.outstanding < this.#fetching) {
      this.#fetching = 0;
      this.#prefetched = this.#prefetch;
    }
    // Without a free descriptor a frame is lost, as on the wire.
    if (!this.busy) return NEVER;
    if (port.now >= this.#nextFrame) {
      this.#nextFrame = port.now + port.random.between(1, this.#gapTicks);
      this.#receive(port);
    }
    return this.busy ? this.#nextFrame : NEVER;
  }

  program(allocate: AllocatePages): void {
    this.stop();
    const [ring, ...pages] = allocate(1 + BUFFER_PAGES);
    if (ring === undefined || pages.length === 0) return;
    const buffers = pages.flatMap((page) => [addressOf(page), addressOf(page) + BUFFER_BYTES]);
    this.#ring = { base: addressOf(ring), buffers, head: 0, tail: buffers.length - 1 };
  }

  serve(): void {
    const ring = this.#ring;
    if (ring) ring.tail = (ring.head + ring.buffers.length - 1) % ring.buffers.length;
  }

  stop(): void {
    this.#ring = undefined;
    this.#prefetched = 0;
    this.#fetching = 0;
  }

  #receive(port: DevicePort): void {
    const length = port.random.between(FRAME_BYTES_MIN, FRAME_BYTES_MAX);
    const ring = this.#ring;
    const buffer = ring?.buffers[ring.head];
    if (!ring || buffer === undefined) return;
    const descriptor = ring.base + ring.head * DESCRIPTOR_BYTES;
    if (this.#prefetched === 0) {
      if (this.#fetching === 0 && port.read(descriptor)) this.#fetching = port.outstanding;
      return;
    }
    if (!port.write(buffer, length)) return;
    port.write(descriptor, DESCRIPTOR_BYTES);
    this.#prefetched--;
    ring.head = (ring.head + 1) % ring.buffers.length;
    port.interrupt();
  }
}
