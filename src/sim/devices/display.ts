import { addressOf } from '../memory/memory.js';
import { type AllocatePages, type Device, type DevicePort, NEVER, RETRY_TICKS } from './device.js';

const FRAMES_QUEUED = 2;
const FRAME_TICKS = 160;
const SCANOUT_GAP_TICKS = 16;
const FENCE_BYTES = 8;

interface Screen {
  readonly fence: number;
  readonly frame: number;
}

/**
 * The display that the console is on: reads its frame buffer, which is stolen from main memory, for ever, and stores
 * a fence for each frame that its driver queued. A refused read is a screen that has nothing to show, and a display
 * engine that does not come back before the power goes.
 */
export class Display implements Device {
  wedged: string | null = null;
  /** Somebody asks for frames, and wants to know when they were shown. */
  #driven: boolean;
  #screen: Screen | undefined;
  #queued = 0;
  /** How many reads were outstanding with its own; 0 if it asked for none. */
  #reading = 0;
  #nextScan = 0;
  #nextFrame = 0;

  constructor(firmware: boolean) {
    this.#driven = !firmware;
  }

  get busy(): boolean {
    return this.#queued > 0;
  }

  act(port: DevicePort): number {
    const screen = this.#screen;
    if (!screen) return NEVER;
    if (port.outstanding < this.#reading) this.#reading = 0;
    // One line at a time: a late answer is no reason to ask for more.
    if (port.now >= this.#nextScan && this.#reading === 0) {
      this.#nextScan = port.now + SCANOUT_GAP_TICKS;
      if (!port.read(screen.frame)) {
        this.wedged = 'its scan-out of stolen memory was refused: the display engine hangs';
        this.stop();
        return NEVER;
      }
      this.#reading = port.outstanding;
    }
    if (this.#queued > 0 && port.now >= this.#nextFrame) {
      const passed = port.write(screen.fence, FENCE_BYTES);
      this.#nextFrame = port.now + (passed ? FRAME_TICKS : RETRY_TICKS);
      if (passed) this.#queued--;
      if (passed) port.interrupt();
    }
    const scan = this.#reading > 0 ? NEVER : this.#nextScan;
    return Math.min(scan, this.#queued > 0 ? this.#nextFrame : NEVER);
  }

  program(allocate: AllocatePages): void {
    const [fence, frame] = allocate(2).map(addressOf);
    if (fence === undefined || frame === undefined || this.wedged !== null) return;
    this.#screen = { fence, frame };
    this.serve();
  }

  serve(): void {
    if (this.#screen && this.#driven) this.#queued = FRAMES_QUEUED;
  }

  /** Whoever programs it next is no firmware. */
  stop(): void {
    this.#driven = true;
    this.#screen = undefined;
    this.#queued = 0;
    this.#reading = 0;
  }
}
