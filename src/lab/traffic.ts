import type { Clock } from '../host/clock.js';
import { markedFrame, type Phase, phaseMark } from './frames.js';
import type { FrameSource } from './qemu-net.js';

export interface TrafficOptions {
  readonly source: FrameSource;
  /** Bytes that no other run has. */
  readonly seed: Uint8Array;
  /** The card that the frames are for. */
  readonly mac: Uint8Array;
  readonly clock: Clock;
}

/**
 * Sends marked frames into a guest's network card for as long as it is not stopped. Paced: a ring of receive
 * descriptors that nobody refills must outlast the jump.
 */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #sent: Record<Phase, number> = { before: 0, jump: 0, after: 0, ready: 0 };
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  /** Frames sent so far, by phase. */
  get sent(): Readonly<Record<Phase, number>> {
    return this.#sent;
  }

  /** Sends frames of this phase, one every `intervalMs`, until told otherwise. */
  async flow(phase: Phase, intervalMs: number): Promise<void> {
    await this.pause();
    const stop = new AbortController();
    this.#stop = stop;
    const send = async () => {
      while (!stop.signal.aborted) {
        await this.#send(phase);
        await this.#options.clock.sleep(intervalMs);
      }
    };
    // A source that is closed under it ends it: the run that closed it is over.
    this.#running = send().catch(() => {});
  }

  /** Sends this many frames of this phase, and no others. */
  async burst(phase: Phase, count: number, intervalMs: number): Promise<void> {
    await this.pause();
    for (let i = 0; i < count; i++) {
      await this.#send(phase);
      await this.#options.clock.sleep(intervalMs);
    }
  }

  async pause(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #send(phase: Phase): Promise<void> {
    const { source, seed, mac } = this.#options;
    const counter = ++this.#sent[phase];
    await source.send(markedFrame(mac, phaseMark(seed, phase), counter));
  }
}
