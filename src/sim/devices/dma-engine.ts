import { addressOf, PAGE_BYTES } from '../memory/memory.js';
import { type AllocatePages, type Device, type DevicePort, NEVER, RETRY_TICKS } from './device.js';

const PAIRS = 4;
const CHUNK_BYTES = 1024;
const CHUNKS_PER_PAGE = PAGE_BYTES / CHUNK_BYTES;
const COPY_GAP_TICKS = 25;
const STATUS_BYTES = 8;
const COPIES_PER_STATUS = 8;

interface Chain {
  /** Where it stores how far it is. */
  readonly status: number;
  readonly sources: readonly number[];
  readonly targets: readonly number[];
}

/** A DMA engine with a chain of copies that leads back to its own beginning. */
export class DmaEngine implements Device {
  readonly wedged = null;
  #chain: Chain | undefined;
  #copies = 0;
  #next = 0;

  get busy(): boolean {
    return this.#chain !== undefined;
  }

  act(port: DevicePort): number {
    const chain = this.#chain;
    if (!chain) return NEVER;
    if (port.now < this.#next) return this.#next;
    const copied = this.#copy(port, chain);
    this.#next = port.now + (copied ? COPY_GAP_TICKS : RETRY_TICKS);
    if (copied && ++this.#copies % COPIES_PER_STATUS === 0 && port.write(chain.status, STATUS_BYTES)) {
      port.interrupt();
    }
    return this.#next;
  }

  program(allocate: AllocatePages): void {
    const [status, ...pages] = allocate(1 + 2 * PAIRS).map(addressOf);
    const half = Math.floor(pages.length / 2);
    if (status === undefined || half === 0) return;
    this.#chain = { status, sources: pages.slice(0, half), targets: pages.slice(half) };
  }

  serve(): void {
    // Its driver only looks at the status.
  }

  stop(): void {
    this.#chain = undefined;
  }

  #copy(port: DevicePort, { sources, targets }: Chain): boolean {
    const at = Math.floor(this.#copies / CHUNKS_PER_PAGE);
    const offset = (this.#copies % CHUNKS_PER_PAGE) * CHUNK_BYTES;
    const [source, target] = [sources[at % sources.length], targets[at % targets.length]];
    if (source === undefined || target === undefined) return false;
    port.read(source + offset);
    return port.write(target + offset, CHUNK_BYTES);
  }
}
