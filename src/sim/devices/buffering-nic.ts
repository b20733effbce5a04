import type { AllocatePages, Device, DevicePort } from './device.js';
import { Nic } from './nic.js';
import { PortView } from './port-view.js';

const KEPT_WRITES_MAX = 128;
/** Its firmware knows all descriptors, and its link is a busy one. */
const TRAITS = { prefetch: 128, gapTicks: 20 } as const;

interface Kept {
  readonly address: number;
  readonly length: number;
}

/**
 * A network adapter whose firmware keeps what it may not write while bus mastering is off, and writes it to where it
 * belonged as soon as bus mastering returns. A reset empties it. Seen with AWS's ENA: its driver's shutdown only
 * disabled the function, and the next kernel's driver, by enabling it, let old frames into new memory.
 */
export class BufferingNic implements Device {
  readonly wedged = null;
  readonly #nic = new Nic(TRAITS);
  readonly #kept: Kept[] = [];
  #view: KeepingPort | undefined;

  get busy(): boolean {
    return this.#kept.length > 0 || this.#nic.busy;
  }

  act(port: DevicePort): number {
    if (this.#kept.length > 0 && port.busMaster) {
      for (const { address, length } of this.#kept.splice(0)) port.write(address, length);
      port.interrupt();
    }
    if (this.#view?.port !== port) this.#view = new KeepingPort(port, this.#kept);
    return this.#nic.act(this.#view);
  }

  program(allocate: AllocatePages): void {
    this.#nic.program(allocate);
  }

  serve(): void {
    this.#nic.serve();
  }

  stop(): void {
    this.#nic.stop();
    this.#kept.length = 0;
  }
}

/** What the adapter's engine sees of the bus: writes that its firmware took over count as done. */
class KeepingPort extends PortView {
  readonly #kept: Kept[];

  constructor(port: DevicePort, kept: Kept[]) {
    super(port);
    this.#kept = kept;
  }

  override write(address: number, length: number): boolean {
    if (this.port.busMaster) return this.port.write(address, length);
    if (this.#kept.length >= KEPT_WRITES_MAX) return false;
    this.#kept.push({ address, length });
    return true;
  }

  override interrupt(count?: number): void {
    if (this.port.busMaster) this.port.interrupt(count);
  }
}
