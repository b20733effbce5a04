import type { QtestHost } from '../../src/host/qtest.js';
import type { Slot } from '../../src/pci/slot.js';
import { barOf } from './machines.js';

// Just enough of a driver for a device to write to memory: told in the test, seen from outside.

/** QEMU's educational device (docs/specs/edu.txt in QEMU). */
const EDU = { source: 0x80, destination: 0x88, count: 0x90, command: 0x98, buffer: 0x4_0000 } as const;
const EDU_RUN = 1;
const EDU_TO_MEMORY = 2;
/** A transfer takes edu 100 ms; on a busy machine QEMU comes to it later. */
const EDU_MS = 20_000;
const EDU_POLL_MS = 10;

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Moves `length` bytes between edu's buffer and memory, and waits until edu says that it is done, gated or not. */
async function eduTransfer(
  host: QtestHost,
  slot: Slot,
  [source, destination, length, command]: readonly [number, number, number, number],
): Promise<void> {
  const bar = await barOf(host, slot, 0);
  await host.client.poke(bar + EDU.source, 4, source);
  await host.client.poke(bar + EDU.destination, 4, destination);
  await host.client.poke(bar + EDU.count, 4, length);
  await host.client.poke(bar + EDU.command, 4, EDU_RUN | command);
  for (
    let waited = 0;
    ((await host.client.peek(bar + EDU.command, 4)) & EDU_RUN) !== 0;
    waited += EDU_POLL_MS
  ) {
    if (waited >= EDU_MS) throw new Error(`edu is not done within ${EDU_MS} ms`);
    await sleep(EDU_POLL_MS);
  }
}

export const eduLoad = (host: QtestHost, slot: Slot, address: number, length: number) =>
  eduTransfer(host, slot, [address, EDU.buffer, length, 0]);

export const eduWrite = (host: QtestHost, slot: Slot, address: number, length: number) =>
  eduTransfer(host, slot, [EDU.buffer, address, length, EDU_TO_MEMORY]);

/** A NIC that was told where to put frames. */
export interface Receiver {
  /** Where frames land. */
  readonly address: number;
  readonly length: number;
}

const FRAME_BYTES = 2048;
const DESCRIPTORS = 32;
const DESCRIPTOR_BYTES = 16;

/** The registers of a receive ring in Intel's 8254x and 82574 (8254x manual, 13.4 and 13.5). */
const E1000 = { rctl: 0x100, rdbal: 0x2800, rdbah: 0x2804, rdlen: 0x2808, rdh: 0x2810, rdt: 0x2818 } as const;
/** Enable; unicast and multicast promiscuous; accept broadcast; buffers of 2048 bytes. */
const E1000_RCTL = 0x0000_801a;

/** Gives an e1000 or e1000e a ring of legacy descriptors at `at`, with its buffers behind it. */
export async function armE1000(host: QtestHost, slot: Slot, at: number): Promise<Receiver> {
  const bar = await barOf(host, slot, 0);
  const address = at + 0x1000;
  const ring = new Uint8Array(DESCRIPTORS * DESCRIPTOR_BYTES);
  const view = new DataView(ring.buffer);
  for (let i = 0; i < DESCRIPTORS; i++) {
    view.setBigUint64(i * DESCRIPTOR_BYTES, BigInt(address + i * FRAME_BYTES), true);
  }
  await host.client.writeMemory(at, ring);
  const registers: readonly (readonly [number, number])[] = [
    [E1000.rdbal, at],
    [E1000.rdbah, 0],
    [E1000.rdlen, ring.length],
    [E1000.rdh, 0],
    [E1000.rdt, DESCRIPTORS - 1],
    [E1000.rctl, E1000_RCTL],
  ];
  for (const [register, value] of registers) await host.client.poke(bar + register, 4, value);
  return { address, length: DESCRIPTORS * FRAME_BYTES };
}

/** Realtek RTL8139 programming guide: one ring buffer of 64 KiB. */
const RTL = { rxBuffer: 0x30, command: 0x37, rxConfig: 0x44 } as const;
const RTL_RX_ENABLE = 0x08;
/** Accept all physical addresses, ours, multicast and broadcast; a buffer of 64 KiB. */
const RTL_RX_CONFIG = 0x0000_180f;

export async function armRtl8139(host: QtestHost, slot: Slot, at: number): Promise<Receiver> {
  const bar = await barOf(host, slot, 1);
  await host.client.poke(bar + RTL.command, 1, RTL_RX_ENABLE);
  await host.client.poke(bar + RTL.rxBuffer, 4, at);
  await host.client.poke(bar + RTL.rxConfig, 4, RTL_RX_CONFIG);
  return { address: at, length: 0x1_0000 };
}

/** A broadcast frame of an experimental Ethernet type that carries `mark`. */
export function markedFrame(mark: string): Uint8Array {
  const frame = new Uint8Array(128);
  frame.fill(0xff, 0, 6);
  frame.set([0x02, 0, 0, 0, 0, 0x01, 0x88, 0xb5], 6);
  frame.set(Buffer.from(mark, 'latin1'), 14);
  return frame;
}
