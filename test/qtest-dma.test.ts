import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { QtestHost } from '../src/host/qtest.js';
import type { DeviceModel, QemuMachine } from '../src/lab/machine.js';
import { type FrameSource, openFrameSource } from '../src/lab/qemu-net.js';
import * as regs from '../src/pci/regs.js';
import type { Slot } from '../src/pci/slot.js';
import { shootdown } from './support/cli.js';
import { armE1000, armRtl8139, eduLoad, eduWrite, markedFrame, type Receiver, sleep } from './support/dma.js';
import { connected, find, haveQemu, withMachine } from './support/machines.js';

/** Far above what the firmware uses; edu reaches 256 MiB. */
const SCRATCH = 0x0100_0000;
const TARGET = 0x0200_0000;
const RING = 0x0300_0000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-qtest-dma-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function setBme(host: QtestHost, slot: Slot): Promise<void> {
  const command = await host.read(slot, regs.PCI_COMMAND, 2);
  await host.write(slot, regs.PCI_COMMAND, 2, command | regs.PCI_COMMAND_MASTER);
}

describe.skipIf(!haveQemu())('DMA of device models, seen from outside', () => {
  for (const behind of ['a root port’s bridge', 'the root bus'] as const) {
    it(`edu on ${behind}: seen, then not, then again`, async () => {
      const below = behind === 'the root bus' ? {} : { bus: 'conv', device: 1 };
      const machine: QemuMachine = {
        chipset: 'q35',
        devices: [
          { model: 'pcie-root-port', id: 'rp' },
          { model: 'pcie-pci-bridge', id: 'conv', bus: 'rp' },
          { model: 'edu', ...below },
        ],
      };
      await withMachine(machine, async (running) => {
        const { qemu, qtest } = running;
        const journal = join(folder, `edu-${Object.keys(below).length}`);
        const mark = Buffer.from(`written by edu on ${behind}`);
        const slot = await connected(running, async (host) => {
          const edu = await find(host, 0x1234, 0x11e8);
          await setBme(host, edu);
          await host.client.writeMemory(SCRATCH, mark);
          await eduLoad(host, edu, SCRATCH, mark.length);
          return edu;
        });
        /** Tells edu to write to a fresh place; what the place then holds. */
        let next = TARGET;
        const written = async () => {
          next += 0x1000;
          await connected(running, (host) => eduWrite(host, slot, next, mark.length));
          return Buffer.from(await qemu.readMemory(next, mark.length));
        };
        expect(await written()).toEqual(mark);
        expect(shootdown(['apply', '--host', `qtest:${qtest}`, '--journal', journal]).status).toBe(0);
        expect(await written()).toEqual(Buffer.alloc(mark.length));
        expect(shootdown(['restore', '--host', `qtest:${qtest}`, journal]).status).toBe(0);
        expect(await written()).toEqual(mark);
      });
    });
  }

  const NICS: readonly {
    readonly model: DeviceModel;
    readonly ids: readonly [number, number];
    /** Frames that came while it was gated and land once it is not. */
    readonly held: number;
    arm(host: QtestHost, slot: Slot, at: number): Promise<Receiver>;
  }[] = [
    { model: 'e1000', ids: [0x8086, 0x100e], held: 5, arm: armE1000 },
    { model: 'e1000e', ids: [0x8086, 0x10d3], held: 5, arm: armE1000 },
    { model: 'rtl8139', ids: [0x10ec, 0x8139], held: 0, arm: armRtl8139 },
  ];
  for (const { model, ids, held, arm } of NICS) {
    it(`${model}: frames land, then do not, then do again`, async () => {
      const wire = await openFrameSource('wire');
      const machine: QemuMachine = {
        chipset: 'q35',
        netdevs: [wire.options],
        devices: [
          { model: 'pcie-root-port', id: 'rp' },
          { model, netdev: 'wire', ...(model === 'e1000e' ? { bus: 'rp' } : {}) },
        ],
      };
      try {
        await withMachine(machine, async (running) => {
          const journal = join(folder, model);
          const receiver = await connected(running, async (host) => {
            const slot = await find(host, ...ids);
            await setBme(host, slot);
            return arm(host, slot, RING);
          });
          const look = async () =>
            Buffer.from(await running.qemu.readMemory(receiver.address, receiver.length)).toString('latin1');
          expect(await marksIn(wire, look, 'ONE', FRAMES)).toBe(FRAMES);
          expect(shootdown(['apply', '--host', `qtest:${running.qtest}`, '--journal', journal]).status).toBe(
            0,
          );
          expect(await marksIn(wire, look, 'TWO', 0)).toBe(0);
          expect(shootdown(['restore', '--host', `qtest:${running.qtest}`, journal]).status).toBe(0);
          expect(await marksIn(wire, look, 'THREE', FRAMES)).toBe(FRAMES);
          // What is gated may hold work, and does it when BME returns: journals say gated, not stopped.
          expect((await look()).match(/<shootdown TWO \d>/g) ?? []).toHaveLength(held);
        });
      } finally {
        await wire.close();
      }
    });
  }
});

const FRAMES = 5;
/** Time enough for frames to land; what lands later would be missed here and counted the next time. */
const SETTLE_MS = 200;
/** e1000 takes nothing in the first second after its receiver was enabled. */
const PATIENCE_MS = 5000;

/** Sends frames and counts how many of their marks are in memory, waiting for as many as are expected. */
async function marksIn(
  wire: FrameSource,
  look: () => Promise<string>,
  word: string,
  expected: number,
): Promise<number> {
  const marks = Array.from({ length: FRAMES }, (_, i) => `<shootdown ${word} ${i}>`);
  for (const mark of marks) await wire.send(markedFrame(mark));
  for (let waited = 0; ; waited += SETTLE_MS) {
    await sleep(SETTLE_MS);
    const memory = await look();
    const count = marks.filter((mark) => memory.includes(mark)).length;
    if (count === expected || waited >= PATIENCE_MS) return count;
  }
}
