import { ShootdownError } from '../pci/error.js';
import { EDU_TARGET, eduStray, expectEdu, findEdu } from './edu-master.js';
import type { Guest } from './guest.js';
import type { Master } from './master.js';
import type { StrayCount } from './verdict.js';

/** QEMU's `edu` (docs/specs/edu.txt): registers from BAR 0. */
const EDU_IRQ_RAISE = 0x60;
const EDU_IRQ_ACK = 0x64;
const INTERRUPT = 1;
const MESSAGE_BYTES = 4;
const NO_MESSAGE = new Uint8Array(MESSAGE_BYTES);

/**
 * Tells `edu` to interrupt, through QEMU's qtest socket and not through the guest: a device that somebody else has set
 * to work. Its MSI is directed to a page that no kernel uses, since a message is a write to memory: there it is seen
 * whether one was sent. With MSI off, `edu` asserts its pin instead and keeps it asserted.
 */
export class EduInterrupter implements Master {
  readonly #message: Uint8Array;
  #guest: Guest | undefined;
  #bar = 0;
  #aliveBefore = false;
  #sent = 0;
  #landed = 0;

  constructor(message: number) {
    this.#message = new Uint8Array(MESSAGE_BYTES);
    new DataView(this.#message.buffer).setUint32(0, message, true);
  }

  async start(guest: Guest): Promise<void> {
    this.#guest = guest;
    this.#bar = await findEdu(guest);
    this.#aliveBefore = await this.#interrupts();
    if (!this.#aliveBefore) throw guest.failure('io', 'edu sends no message even before the jump');
    await guest.qtest.poke(this.#bar + EDU_IRQ_ACK, 4, INTERRUPT);
  }

  async pause(): Promise<void> {}
  async jump(): Promise<void> {}
  async after(): Promise<void> {}
  async close(): Promise<void> {}

  /** The next kernel has turned MSI off in every function that it found. */
  async ready(): Promise<void> {
    this.#sent++;
    if (await this.#interrupts()) this.#landed++;
  }

  async judge(): Promise<StrayCount> {
    return eduStray(this.#sent, this.#landed, this.#aliveBefore);
  }

  /** Raises an interrupt, and leaves it raised; true if that sent a message. */
  async #interrupts(): Promise<boolean> {
    const qtest = this.#guest?.qtest;
    if (!qtest) throw new ShootdownError('usage', 'edu is told to interrupt before the guest is there');
    await expectEdu(qtest, this.#bar);
    await qtest.writeMemory(EDU_TARGET, NO_MESSAGE);
    // A message is written before the register write that caused it has ended.
    await qtest.poke(this.#bar + EDU_IRQ_RAISE, 4, INTERRUPT);
    const found = await qtest.readMemory(EDU_TARGET, MESSAGE_BYTES);
    return this.#message.every((byte, i) => byte === found[i]);
  }
}
