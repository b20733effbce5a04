import { afterAll, describe, expect, it } from 'vitest';
import { openQtest } from '../src/host/qtest.js';
import type { QemuMachine } from '../src/lab/machine.js';
import { type StartedMachine, startMachine } from '../src/lab/machine-start.js';
import * as regs from '../src/pci/regs.js';
import { describeHostContract } from './host-contract.js';
import { connected, haveQemu, SERVER, withMachine } from './support/machines.js';
import { slotOf } from './support/memory-host.js';

const Q35: QemuMachine = {
  chipset: 'q35',
  devices: [
    { model: 'pcie-root-port', id: 'rp1', device: 1 },
    { model: 'e1000e', bus: 'rp1' },
    { model: 'pcie-root-port', id: 'rp2', device: 2 },
    { model: 'nvme', bus: 'rp2' },
    { model: 'pcie-pci-bridge', id: 'conv', device: 3 },
    { model: 'e1000', bus: 'conv', device: 1 },
  ],
};
const Q35_SLOTS = ['00:00.0', '00:01.0', '00:02.0', '00:03.0', '00:1f.0', '00:1f.2', '00:1f.3'];
const I440FX: QemuMachine = {
  chipset: 'i440fx',
  devices: [
    { model: 'pci-bridge', id: 'br', device: 2 },
    { model: 'e1000', bus: 'br', device: 1 },
    { model: 'pci-bridge', id: 'br2', device: 3 },
    { model: 'edu', bus: 'br2', device: 1 },
  ],
};
const I440FX_SLOTS = ['00:00.0', '00:01.0', '00:01.1', '00:01.3', '00:02.0', '00:03.0'];

const started = new Map<QemuMachine, Promise<StartedMachine>>();
const machineOf = (machine: QemuMachine) => {
  const running = started.get(machine) ?? startMachine(machine);
  started.set(machine, running);
  return running;
};
afterAll(async () => {
  for (const machine of started.values()) await (await machine).stop();
});

const full = (slots: readonly string[]) => slots.map((slot) => slotOf(slot)).sort();

const SUBJECTS = [
  {
    name: 'qtest, q35 through ECAM',
    machine: Q35,
    access: 'auto',
    slots: full([...Q35_SLOTS, '01:00.0', '02:00.0', '03:01.0']),
    present: '0000:01:00.0',
    bridge: '0000:00:02.0',
    absent: '0000:02:00.0',
    visible: 4096,
  },
  {
    name: 'qtest, q35 through ports',
    machine: Q35,
    access: 'ports',
    slots: full([...Q35_SLOTS, '01:00.0', '02:00.0', '03:01.0']),
    present: '0000:01:00.0',
    bridge: '0000:00:02.0',
    absent: '0000:02:00.0',
    visible: 256,
  },
  {
    name: 'qtest, i440fx',
    machine: I440FX,
    access: 'auto',
    slots: full([...I440FX_SLOTS, '01:01.0', '02:01.0']),
    present: '0000:01:01.0',
    bridge: '0000:00:03.0',
    absent: '0000:02:01.0',
    visible: 256,
  },
] as const;

describe.skipIf(!haveQemu())('the qtest host', () => {
  for (const { name, machine, access, bridge, ...subject } of SUBJECTS) {
    describeHostContract(name, async () => {
      const { qtest } = await machineOf(machine);
      const host = await openQtest(qtest, { access });
      await host.slots();
      // The bridge leads nowhere from now on: what is below it does not answer any more.
      const at = regs.PCI_SECONDARY_BUS;
      const secondary = await host.read(slotOf(bridge), at, 1);
      await host.write(slotOf(bridge), at, 1, 0xff);
      const cleanUp = async () => {
        const again = await openQtest(qtest, { access });
        await again.write(slotOf(bridge), at, 1, secondary);
        await again.close();
      };
      return { ...subject, host, cleanUp };
    });
  }

  it('sees a conventional function as one of 256 bytes', async () => {
    await connected(await machineOf(Q35), async (host) => {
      expect(host.access).toBe('ecam');
      expect(await host.visibleBytes(slotOf('03:01.0'))).toBe(256);
      expect(await host.visibleBytes(slotOf('02:00.0'))).toBe(4096);
    });
  });

  it('reads the same through ports and through ECAM', async () => {
    const { qtest } = await machineOf(Q35);
    const read = async (access: 'auto' | 'ports') => {
      const host = await openQtest(qtest, { access });
      const all = [];
      for (const slot of await host.slots()) all.push(await host.readRange?.(slot, 0, 256));
      await host.close();
      return all;
    };
    expect(await read('ports')).toEqual(await read('auto'));
  });

  it('finds switches, nested bridges and functions that share a slot', async () => {
    await withMachine(SERVER, (machine) =>
      connected(machine, async (host) => {
        const slots = await host.slots();
        expect(slots.filter((slot) => slot.startsWith('0000:00:10.'))).toHaveLength(3);
        // The chipset's four, and one function for each device that was described.
        expect(slots).toHaveLength(4 + SERVER.devices.length);
      }),
    );
  });

  it('finds a second root bus', async () => {
    const machine: QemuMachine = {
      chipset: 'q35',
      devices: [
        { model: 'pxb-pcie', id: 'far', properties: { bus_nr: 0x80 } },
        { model: 'pcie-root-port', id: 'rp', bus: 'far' },
        { model: 'e1000e', bus: 'rp' },
      ],
    };
    await withMachine(machine, (running) =>
      connected(running, async (host) => {
        const far = (await host.slots()).filter((slot) => !slot.startsWith('0000:00:'));
        expect(far).toEqual(['0000:80:00.0', '0000:81:00.0']);
      }),
    );
  });
});
