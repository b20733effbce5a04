import { addressOf, PAGE_BYTES } from '../memory.js';
import type { AllocatePages, Device, DevicePort } from './device.js';

const QUEUE_DEPTH = 16;
const COMPLETION_BYTES = 16;
const COMMAND_TICKS_MAX = 120;
const ASYNC_EVENTS = 4;
const ASYNC_GAP_TICKS = 900;

interface Queues {
  readonly submission: number;
  readonly completion: number;
  readonly data: readonly number[];
  completionTail: number;
}

interface Command {
  /** Filled in when the device has fetched the command. */
  due: number | undefined;
  readonly buffer: number;
}

/**
 * A solid-state disk that reads. After its driver is gone it finishes what it was told, then reports the few
 * asynchronous events that it was asked for, and is silent: nobody submits any more.
 */
export class Nvme implements Device {
  #queues: Queues | undefined;
  #commands: Command[] = [];
  #asyncEvents = 0;
  #nextAsync = 0;
  #nextBuffer = 0;

  get busy(): boolean {
    return this.#queues !== undefined && (this.#commands.length > 0 || this.#asyncEvents > 0);
  }

  tick(port: DevicePort): void {
    const queues = this.#queues;
    if (!queues) return;
    for (const command of this.#commands) {
      if (command.due !== undefined) continue;
      if (port.read(queues.submission)) command.due = port.now + port.random.between(8, COMMAND_TICKS_MAX);
      break;
    }
    const done = this.#commands.findIndex((command) => command.due !== undefined && command.due <= port.now);
    const command = this.#commands[done];
    if (command && port.write(command.buffer, PAGE_BYTES)) {
      this.#commands.splice(done, 1);
      this.#complete(port, queues);
    }
    if (port.now < this.#nextAsync) return;
    this.#nextAsync = port.now + ASYNC_GAP_TICKS;
    if (this.#asyncEvents > 0 && this.#complete(port, queues)) this.#asyncEvents--;
  }

  program(allocate: AllocatePages): void {
    const [submission, completion, ...data] = allocate(2 + 2 * QUEUE_DEPTH).map(addressOf);
    if (submission === undefined || completion === undefined || data.length === 0) return;
    this.#queues = { submission, completion, data, completionTail: 0 };
    this.#commands = [];
    this.serve();
  }

  serve(): void {
    const data = this.#queues?.data ?? [];
    while (this.#commands.length < QUEUE_DEPTH) {
      const buffer = data[this.#nextBuffer++ % data.length];
      if (buffer === undefined) return;
      this.#commands.push({ due: undefined, buffer });
    }
    this.#asyncEvents = ASYNC_EVENTS;
  }

  stop(): void {
    this.#queues = undefined;
    this.#commands = [];
    this.#asyncEvents = 0;
  }

  #complete(port: DevicePort, queues: Queues): boolean {
    const entry = (queues.completionTail * COMPLETION_BYTES) % PAGE_BYTES;
    if (!port.write(queues.completion + entry, COMPLETION_BYTES)) return false;
    queues.completionTail++;
    port.interrupt();
    return true;
  }
}
