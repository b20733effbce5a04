import { addressOf, PAGE_BYTES } from '../memory/memory.js';
import { type AllocatePages, type Device, type DevicePort, NEVER } from './device.js';

const SLOTS = 4;
const FIS_AT = 1024;
const FIS_BYTES = 64;
const COMMAND_TICKS_MIN = 30;
const COMMAND_TICKS_MAX = 80;
const READS_MAX = 8;

interface Area {
  /** The command list, and in the same page where it stores received frames. */
  readonly list: number;
  readonly data: readonly number[];
}

interface Command {
  due: number | undefined;
  readonly buffer: number;
}

/**
 * A disk controller that reads. Left alone it finishes its commands and is idle. If its requests are refused while
 * commands are in flight, these fail, and it does nothing until a driver programs it anew. One that `wedges` answers
 * no reset from then on, until the power goes.
 */
export class Ahci implements Device {
  wedged: string | null = null;
  #area: Area | undefined;
  #commands: Command[] = [];
  #nextBuffer = 0;
  readonly #wedges: boolean;

  constructor(wedges: boolean) {
    this.#wedges = wedges;
  }

  get busy(): boolean {
    return this.#commands.length > 0;
  }

  act(port: DevicePort): number {
    const area = this.#area;
    if (!area || !this.busy) return NEVER;
    if (!port.busMaster || !this.#fetch(port, area) || !this.#finish(port, area)) {
      const count = this.#commands.length;
      if (this.#wedges)
        this.wedged = `bus mastering was cut under ${count} disk commands: it answers no soft reset any more`;
      this.stop();
      return NEVER;
    }
    return this.#commands.reduce((first, { due }) => Math.min(first, due ?? NEVER), NEVER);
  }

  program(allocate: AllocatePages): void {
    this.stop();
    const [list, ...data] = allocate(1 + 2 * SLOTS).map(addressOf);
    if (list === undefined || data.length === 0 || this.wedged !== null) return;
    this.#area = { list, data };
    this.serve();
  }

  serve(): void {
    const data = this.#area?.data;
    if (!data) return;
    while (this.#commands.length < SLOTS) {
      const buffer = data[this.#nextBuffer++ % data.length];
      if (buffer === undefined) return;
      this.#commands.push({ due: undefined, buffer });
    }
  }

  stop(): void {
    this.#area = undefined;
    this.#commands = [];
  }

  #fetch(port: DevicePort, { list }: Area): boolean {
    if (this.#commands.every((command) => command.due !== undefined)) return true;
    // With so many answers late it fetches no more; the next answer wakes it.
    if (port.outstanding >= READS_MAX) return true;
    if (!port.read(list)) return false;
    for (const command of this.#commands) {
      command.due ??= port.now + port.random.between(COMMAND_TICKS_MIN, COMMAND_TICKS_MAX);
    }
    return true;
  }

  #finish(port: DevicePort, { list }: Area): boolean {
    const done = this.#commands.filter(({ due }) => due !== undefined && due <= port.now);
    if (done.length === 0) return true;
    for (const command of done) {
      if (!port.write(command.buffer, PAGE_BYTES)) return false;
      this.#commands.splice(this.#commands.indexOf(command), 1);
    }
    port.write(list + FIS_AT, FIS_BYTES);
    port.interrupt();
    return true;
  }
}
