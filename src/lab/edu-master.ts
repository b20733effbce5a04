import type { QtestClient } from '../host/qtest-client.js';
import { ShootdownError } from '../pci/error.js';
import type { Guest } from './guest.js';
import type { Master, MasterContext } from './master.js';
import type { StrayCount } from './verdict.js';

/** QEMU's `edu` (docs/specs/edu.txt): registers from BAR 0. */
const EDU_IDENT = 0x00;
const EDU_IDENT_VALUE = 0x010000ed;
const EDU_DMA_SRC = 0x80;
const EDU_DMA_DST = 0x88;
const EDU_DMA_CNT = 0x90;
const EDU_DMA_CMD = 0x98;
const EDU_DMA_START = 0x01;
const EDU_DMA_TO_RAM = 0x02;
/** Its own memory, which holds zeros. */
const EDU_BUFFER = 0x40000;

/** A page that both kernels are told to leave alone (`memmap=`), below edu's 28 bits of address. */
export const EDU_TARGET = 0x0f00_0000;
const BYTES = 64;
const ROUNDS = 5;
/** A transfer takes 100 ms of the guest's time, and on a busy machine longer to be begun. */
const ROUND_MS = 20_000;
const POLL_MS = 20;

/**
 * Tells `edu` again and again to write, through QEMU's qtest socket and not through the guest: a device that somebody
 * else has set to work. It writes zeros over a mark; where BME is clear QEMU drops them.
 */
export class EduMaster implements Master {
  readonly #context: Pick<MasterContext, 'seed' | 'clock'>;
  #guest: Guest | undefined;
  #bar = 0;
  #aliveBefore = false;
  #sent = 0;
  #landed = 0;

  constructor(context: Pick<MasterContext, 'seed' | 'clock'>) {
    this.#context = context;
  }

  async start(guest: Guest): Promise<void> {
    await this.find(guest);
    this.#aliveBefore = await this.writes();
    if (!this.#aliveBefore) throw guest.failure('io', 'edu does not write even before the jump');
  }

  /** Finds its registers in a guest; for one who asks `writes` by itself. */
  async find(guest: Guest): Promise<void> {
    this.#guest = guest;
    this.#bar = await findEdu(guest);
  }

  async pause(): Promise<void> {}
  async jump(): Promise<void> {}
  async after(): Promise<void> {}
  async close(): Promise<void> {}

  async ready(): Promise<void> {
    for (let i = 0; i < ROUNDS; i++) {
      this.#sent++;
      if (await this.writes()) this.#landed++;
    }
  }

  async judge(): Promise<StrayCount> {
    return eduStray(this.#sent, this.#landed, this.#aliveBefore);
  }

  /** True if a write that `edu` is told to make lands. */
  async writes(): Promise<boolean> {
    const { clock, seed } = this.#context;
    const qtest = this.#guest?.qtest;
    if (!qtest) throw new ShootdownError('usage', 'edu is told to write before the guest is there');
    const mark = new Uint8Array(BYTES).fill(0xa5);
    mark.set(seed.subarray(0, BYTES));
    await qtest.writeMemory(EDU_TARGET, mark);
    await expectEdu(qtest, this.#bar);
    await qtest.poke(this.#bar + EDU_DMA_SRC, 4, EDU_BUFFER);
    await qtest.poke(this.#bar + EDU_DMA_DST, 4, EDU_TARGET);
    await qtest.poke(this.#bar + EDU_DMA_CNT, 4, BYTES);
    await qtest.poke(this.#bar + EDU_DMA_CMD, 4, EDU_DMA_START | EDU_DMA_TO_RAM);
    const until = clock.now() + ROUND_MS;
    while (((await qtest.peek(this.#bar + EDU_DMA_CMD, 4)) & EDU_DMA_START) !== 0 && clock.now() < until) {
      await clock.sleep(POLL_MS);
    }
    if (((await qtest.peek(this.#bar + EDU_DMA_CMD, 4)) & EDU_DMA_START) !== 0) {
      throw new ShootdownError(
        'timeout',
        `edu did not come to an end within ${ROUND_MS} ms: the guest may be starved`,
      );
    }
    const found = await qtest.readMemory(EDU_TARGET, BYTES);
    return !mark.every((byte, i) => byte === found[i]);
  }
}

/** Physical address of its registers. */
export async function findEdu(guest: Guest): Promise<number> {
  const script =
    'for d in /sys/bus/pci/devices/*; do [ $(cat $d/device) = 0x11e8 ] && head -n 1 $d/resource; done; :';
  const bar = Number((await guest.must(script)).trim().split(' ')[0]);
  if (!(bar > 0)) throw guest.failure('io', 'the guest has no edu device with an assigned BAR');
  return bar;
}

/** A device whose registers do not answer could not be told anything: that would prove nothing. */
export async function expectEdu(qtest: QtestClient, bar: number): Promise<void> {
  const ident = await qtest.peek(bar + EDU_IDENT, 4);
  if (ident === EDU_IDENT_VALUE) return;
  throw new ShootdownError(
    'io',
    `edu does not answer at ${bar.toString(16)}: it reads ${ident.toString(16)}`,
  );
}

/** The count of a master that is told to write, and is asked each time what came of it. */
export function eduStray(sent: number, landed: number, aliveBefore: boolean): StrayCount {
  const first = landed > 0 ? `0x${EDU_TARGET.toString(16)}` : null;
  const none = { sent: 0, landed: 0 };
  return { of: 'edu', sent, landed, first, during: none, later: none, aliveBefore };
}
