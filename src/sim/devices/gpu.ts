import { addressOf } from '../memory.js';
import type { AllocatePages, Device, DevicePort } from './device.js';

const RESULT_PAGES = 64;
const RESULT_BYTES = 256;
const RESULT_GAP_TICKS = 12;
const FENCE_GAP_TICKS = 60;
const FETCH_GAP_TICKS = 16;

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
  #job: Job | undefined;
  #next = 0;

  get busy(): boolean {
    return this.#job !== undefined;
  }

  tick(port: DevicePort): void {
    const job = this.#job;
    if (!job) return;
    if (port.now % FETCH_GAP_TICKS === 0) port.read(job.input);
    if (port.now % RESULT_GAP_TICKS === 0) {
      const result = job.results[this.#next % job.results.length];
      if (result !== undefined && port.write(result, RESULT_BYTES)) this.#next++;
    }
    if (port.now % FENCE_GAP_TICKS === 0 && port.write(job.fence, 8)) port.interrupt();
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
