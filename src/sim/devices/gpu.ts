import { addressOf } from '../memory/memory.js';
import { type AllocatePages, type Device, type DevicePort, NEVER, RETRY_TICKS } from './device.js';

const RESULT_PAGES = 64;
const RESULT_BYTES = 256;
const FENCE_BYTES = 8;
const RESULT_GAP_TICKS = 20;
const FENCE_GAP_TICKS = 100;
const FETCH_GAP_TICKS = 40;

interface Job {
  readonly fence: number;
  readonly input: number;
  readonly results: readonly number[];
}

/**
 * A compute accelerator: fetches what it works on, stores results round and round, and signals progress in a
 * fence. Its job does not end by itself.
 */
export class Gpu implements Device {
  readonly wedged = null;
  #job: Job | undefined;
  #results = 0;
  #nextFetch = 0;
  #nextResult = 0;
  #nextFence = 0;

  get busy(): boolean {
    return this.#job !== undefined;
  }

  act(port: DevicePort): number {
    const job = this.#job;
    if (!job) return NEVER;
    const after = (passed: boolean, ticks: number) => port.now + (passed ? ticks : RETRY_TICKS);
    if (port.now >= this.#nextFetch) this.#nextFetch = after(port.read(job.input), FETCH_GAP_TICKS);
    if (port.now >= this.#nextResult) {
      const result = job.results[this.#results++ % job.results.length] ?? job.fence;
      this.#nextResult = after(port.write(result, RESULT_BYTES), RESULT_GAP_TICKS);
    }
    if (port.now >= this.#nextFence) {
      const passed = port.write(job.fence, FENCE_BYTES);
      this.#nextFence = after(passed, FENCE_GAP_TICKS);
      if (passed) port.interrupt();
    }
    return Math.min(this.#nextFetch, this.#nextResult, this.#nextFence);
  }

  program(allocate: AllocatePages): void {
    const [fence, input, ...results] = allocate(2 + RESULT_PAGES).map(addressOf);
    if (fence === undefined || input === undefined) return;
    this.#job = { fence, input, results };
  }

  serve(): void {
    // The job was queued long ago; its driver only reads the fence.
  }

  stop(): void {
    this.#job = undefined;
  }
}
