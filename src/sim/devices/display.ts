import { addressOf } from '../memory.js';
import type { AllocatePages, Device, DevicePort } from './device.js';

const FRAMES_QUEUED = 2;
const FRAME_TICKS = 160;
const SCANOUT_GAP_TICKS = 16;

interface Screen {
  readonly fence: number;
  readonly frame: number;
}

/**
 * The display that the console is on: reads its frame buffer for ever, and stores a fence for each frame that its
 * driver queued. Without a driver it soon only reads.
 */
export class Display implements Device {
  #screen: Screen | undefined;
  #queued = 0;
  #nextFrame = 0;

  get busy(): boolean {
    return this.#screen !== undefined && this.#queued > 0;
  }

  tick(port: DevicePort): void {
    const screen = this.#screen;
    if (!screen) return;
    if (port.now % SCANOUT_GAP_TICKS === 0) port.read(screen.frame);
    if (this.#queued === 0 || port.now < this.#nextFrame) return;
    this.#nextFrame = port.now + FRAME_TICKS;
    if (!port.write(screen.fence, 8)) return;
    this.#queued--;
    port.interrupt();
  }

  program(allocate: AllocatePages): void {
    const [fence, frame] = allocate(2).map(addressOf);
    if (fence === undefined || frame === undefined) return;
    this.#screen = { fence, frame };
    this.serve();
  }

  serve(): void {
    this.#queued = FRAMES_QUEUED;
  }

  stop(): void {
    this.#screen = undefined;
    this.#queued = 0;
  }
}
