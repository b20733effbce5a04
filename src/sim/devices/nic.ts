import { addressOf, PAGE_BYTES } from '../memory.js';
import type { AllocatePages, Device, DevicePort } from './device.js';

const DESCRIPTORS = 1024;
const DESCRIPTOR_BYTES = 16;
const BUFFER_BYTES = 2048;
const FRAME_BYTES_MIN = 64;
const FRAME_BYTES_MAX = 1518;
const PREFETCH = 16;
const GAP_TICKS_MAX = 30;

interface Ring {
  readonly base: number;
  readonly buffers: readonly number[];
  /** The next descriptor that the device fills. */
  head: number;
  /** The first descriptor that the driver has not given back. */
  tail: number;
}

/** A network adapter with one receive ring. Frames come from outside, whether or not anybody wants them. */
export class Nic implements Device {
  #ring: Ring | undefined;
  #nextFrame = 0;
  #prefetched = 0;
  #fetching = false;

  get busy(): boolean {
    return this.#ring !== undefined && this.#ring.head !== this.#ring.tail;
  }

  tick(port: DevicePort): void {
    if (this.#fetching && port.outstanding === 0) {
      this.#fetching = false;
      this.#prefetched = PREFETCH;
    }
    if (port.now < this.#nextFrame) return;
    const length = port.random.between(FRAME_BYTES_MIN, FRAME_BYTES_MAX);
    this.#nextFrame = port.now + port.random.between(1, GAP_TICKS_MAX);
    this.#receive(port, length);
  }

  program(allocate: AllocatePages): void {
    const ring = allocate((DESCRIPTORS * DESCRIPTOR_BYTES) / PAGE_BYTES);
    const pages = allocate((DESCRIPTORS * BUFFER_BYTES) / PAGE_BYTES);
    const base = ring[0];
    if (base === undefined || pages.length === 0) return;
    const buffers = pages.flatMap((page) => [addressOf(page), addressOf(page) + BUFFER_BYTES]);
    this.#ring = { base: addressOf(base), buffers, head: 0, tail: buffers.length - 1 };
    this.#prefetched = 0;
    this.#fetching = false;
  }

  serve(): void {
    const ring = this.#ring;
    if (ring) ring.tail = (ring.head + ring.buffers.length - 1) % ring.buffers.length;
  }

  stop(): void {
    this.#ring = undefined;
    this.#prefetched = 0;
    this.#fetching = false;
  }

  #receive(port: DevicePort, length: number): void {
    const ring = this.#ring;
    const buffer = ring?.buffers[ring.head];
    // Without a free descriptor the frame is lost, as on the wire.
    if (!ring || buffer === undefined || ring.head === ring.tail) return;
    const descriptor = ring.base + ((ring.head * DESCRIPTOR_BYTES) % PAGE_BYTES);
    if (this.#prefetched === 0) {
      if (!this.#fetching) this.#fetching = port.read(descriptor);
      return;
    }
    if (!port.write(buffer, length)) return;
    port.write(descriptor, DESCRIPTOR_BYTES);
    this.#prefetched--;
    ring.head = (ring.head + 1) % ring.buffers.length;
    port.interrupt();
  }
}
