import { type AllocatePages, type Device, type DevicePort, RETRY_TICKS } from './device.js';
import { PortView } from './port-view.js';

/** A million messages a second. */
const MESSAGES_PER_TICK = 100;

/** Around a device: what was interrupted for and not served is interrupted for again, in bursts, until it is. */
export class Repeating implements Device {
  readonly #device: Device;
  #view: PortView | undefined;
  #asked = false;
  #nextBurst = 0;

  constructor(device: Device) {
    this.#device = device;
  }

  get busy(): boolean {
    return this.#device.busy;
  }

  get wedged(): string | null {
    return this.#device.wedged;
  }

  act(port: DevicePort): number {
    if (this.#view?.port !== port) this.#view = new AskingPort(port, () => this.#interrupted(port));
    if (port.served) this.#asked = false;
    if (this.#asked && port.now >= this.#nextBurst) {
      // Without bus mastering there is no message to send again, and a wire needs no repetition.
      if (port.busMaster) port.interrupt(MESSAGES_PER_TICK);
      this.#nextBurst = port.now + (port.busMaster ? 1 : RETRY_TICKS);
    }
    const due = this.#device.act(this.#view);
    return this.#asked ? Math.min(due, this.#nextBurst) : due;
  }

  program(allocate: AllocatePages): void {
    this.#asked = false;
    this.#device.program(allocate);
  }

  serve(): void {
    this.#device.serve();
  }

  stop(): void {
    this.#asked = false;
    this.#device.stop();
  }

  #interrupted(port: DevicePort): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#nextBurst = port.now + 1;
  }
}

class AskingPort extends PortView {
  readonly #interrupted: () => void;

  constructor(port: DevicePort, interrupted: () => void) {
    super(port);
    this.#interrupted = interrupted;
  }

  override interrupt(count?: number): void {
    this.port.interrupt(count);
    if (!this.port.served) this.#interrupted();
  }
}
