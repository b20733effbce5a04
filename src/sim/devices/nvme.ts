import { addressOf, PAGE_BYTES } from '../memory/memory.js';
import { type AllocatePages, type Device, type DevicePort, NEVER, RETRY_TICKS } from './device.js';

const QUEUE_DEPTH = 8;
const COMPLETION_BYTES = 16;
const COMMAND_TICKS_MIN = 40;
const COMMAND_TICKS_MAX = 400;
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
  readonly wedged = null;
  #queues: Queues | undefined;
  #commands: Command[] = [];
  #asyncEvents = 0;
  #nextAsync = 0;
  #nextBuffer = 0;
  #notBefore = 0;

  get busy(): boolean {
    return this.#queues !== undefined && (this.#commands.length > 0 || this.#asyncEvents > 0);
  }

  act(port: DevicePort): number {
    const queues = this.#queues;
    if (!queues) return NEVER;
    if (port.now >= this.#notBefore) {
      const passed = this.#fetch(port, queues) && this.#finish(port, queues) && this.#report(port, queues);
      if (!passed) this.#notBefore = port.now + RETRY_TICKS;
    }
    return Math.max(this.#nextDue(port), this.#notBefore);
  }

  program(allocate: AllocatePages): void {
    this.stop();
    const [submission, completion, ...data] = allocate(2 + 2 * QUEUE_DEPTH).map(addressOf);
    if (submission === undefined || completion === undefined || data.length === 0) return;
    this.#queues = { submission, completion, data, completionTail: 0 };
    this.serve();
  }

  serve(): void {
    const data = this.#queues?.data;
    if (!data) return;
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

  /** One read brings all commands that wait in the submission queue. */
  #fetch(port: DevicePort, { submission }: Queues): boolean {
    if (this.#commands.every((command) => command.due !== undefined)) return true;
    if (!port.read(submission)) return false;
    for (const command of this.#commands) {
      command.due ??= port.now + port.random.between(COMMAND_TICKS_MIN, COMMAND_TICKS_MAX);
    }
    return true;
  }

  #finish(port: DevicePort, queues: Queues): boolean {
    const done = this.#commands.filter(({ due }) => due !== undefined && due <= port.now);
    for (const command of done) {
      if (!port.write(command.buffer, PAGE_BYTES)) return false;
      this.#commands.splice(this.#commands.indexOf(command), 1);
      this.#complete(port, queues);
    }
    if (done.length > 0) port.interrupt();
    return true;
  }

  #report(port: DevicePort, queues: Queues): boolean {
    if (this.#asyncEvents === 0 || port.now < this.#nextAsync) return true;
    if (!this.#complete(port, queues)) return false;
    this.#asyncEvents--;
    this.#nextAsync = port.now + ASYNC_GAP_TICKS;
    port.interrupt();
    return true;
  }

  #complete(port: DevicePort, queues: Queues): boolean {
    const entry = (queues.completionTail * COMPLETION_BYTES) % PAGE_BYTES;
    if (!port.write(queues.completion + entry, COMPLETION_BYTES)) return false;
    queues.completionTail++;
    return true;
  }

  #nextDue(port: DevicePort): number {
    const async = this.#asyncEvents > 0 ? this.#nextAsync : NEVER;
    return this.#commands.reduce((first, { due }) => Math.min(first, due ?? port.now + 1), async);
  }
}
