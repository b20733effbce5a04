import { createSocket } from 'node:dgram';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { haveQemu } from '../../test/support/machines.js';
import { systemClock as clock } from '../host/clock.js';
import { openQtest } from '../host/qtest.js';
import { machineArguments, type QemuMachine } from './machine.js';
import { startMachine } from './machine-start.js';
import { openFrameSource } from './qemu-net.js';

const path = (name: string) => `/private/${name}`;
const devices = (machine: QemuMachine) => {
  const args = machineArguments(machine, path);
  return args.filter((_, at) => args[at - 1] === '-device');
};

describe('a described machine as arguments', () => {
  it('numbers bridges and gives disks to those that need one', () => {
    const machine: QemuMachine = {
      chipset: 'q35',
      devices: [
        { model: 'pcie-root-port', id: 'rp' },
        { model: 'nvme', bus: 'rp', properties: { max_ioqpairs: 2 } },
        { model: 'pci-bridge', id: 'br', device: 0x1e },
        { model: 'e1000', bus: 'br', device: 1, function: 0, multifunction: true, netdev: 'wire' },
        { model: 'edu', bus: 'br', device: 1, function: 1 },
      ],
    };
    expect(devices(machine)).toEqual([
      'pcie-root-port,id=rp,chassis=1',
      'nvme,serial=lab,bus=rp,drive=drive2,max_ioqpairs=2',
      'pci-bridge,id=br,addr=1e.0,chassis_nr=3',
      'e1000,bus=br,addr=1.0,multifunction=on,romfile=,netdev=wire',
      'edu,bus=br,addr=1.1',
    ]);
    expect(machineArguments(machine, path)).toContain('if=none,id=drive2,driver=null-co,size=1G');
  });

  it('lets no value end its property', () => {
    const machine: QemuMachine = {
      chipset: 'i440fx',
      devices: [{ model: 'nvme', properties: { serial: 'a,bus=b', subsys: 's' } }],
    };
    expect(devices(machine)).toEqual(['nvme,serial=a,,bus=b,subsys=s']);
    expect(machineArguments(machine, path)).not.toContain('-drive');
  });

  it('refuses a function without a device', () => {
    const machine: QemuMachine = { chipset: 'q35', devices: [{ model: 'edu', function: 1 }] };
    expect(() => machineArguments(machine, path)).toThrow(/goes with a device number/);
  });
});

describe.skipIf(!haveQemu())('QEMU processes', () => {
  it('do not disturb one another', async () => {
    const wires = await Promise.all([1, 2, 3, 4].map(() => openFrameSource('wire')));
    const machines = await Promise.all(
      wires.map((wire) =>
        startMachine({
          chipset: 'q35',
          netdevs: [wire.options],
          devices: [{ model: 'e1000', netdev: 'wire' }],
        }),
      ),
    );
    try {
      expect(new Set(machines.map(({ qemu }) => qemu.pid)).size).toBe(4);
      for (const [at, { qtest }] of machines.entries()) {
        const host = await openQtest(qtest);
        await host.client.writeMemory(0x100_0000, Uint8Array.of(at + 1));
        await host.close();
      }
      for (const [at, { qemu }] of machines.entries()) {
        expect(await qemu.readMemory(0x100_0000, 2)).toEqual(Uint8Array.of(at + 1, 0));
      }
    } finally {
      await Promise.all([...machines, ...wires].map((each) => ('stop' in each ? each.stop() : each.close())));
    }
  });

  it('keep the port of their cable to themselves, from before they start until it is closed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shootdown-wire-'));
    const wire = await openFrameSource('wire');
    const port = Number(/local\.port=(\d+)/.exec(wire.options)?.[1]);
    const taken = () =>
      new Promise<string>((resolve) => {
        const socket = createSocket('udp4');
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
        socket.bind(port, '127.0.0.1', () => socket.close(() => resolve('free')));
      });
    expect(await taken()).toBe('EADDRINUSE');
    const { stop } = await startMachine({
      chipset: 'q35',
      netdevs: [wire.options],
      devices: [{ model: 'e1000', netdev: 'wire' }],
      // QEMU writes down there what it gets.
      extra: ['-object', `filter-dump,id=seen,netdev=wire,file=${folder}/seen`],
    });
    try {
      expect(await taken()).toBe('EADDRINUSE');
      await wire.send(Buffer.from('a frame with a mark in it, and long enough'));
      const seen = () => readFileSync(join(folder, 'seen'), 'latin1').includes('a frame with a mark');
      for (let i = 0; i < 100 && !seen(); i++) await clock.sleep(50);
      expect(seen()).toBe(true);
    } finally {
      await stop();
      rmSync(folder, { recursive: true });
    }
    expect(await taken()).toBe('EADDRINUSE');
    await wire.close();
    expect(await taken()).toBe('free');
  });

  it('keep their folder to themselves, and to their life', async () => {
    const { qemu, stop } = await startMachine({ chipset: 'i440fx', devices: [] });
    expect(statSync(qemu.folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(qemu.folder).sort()).toEqual(['firmware', 'qmp', 'qtest']);
    expect(qemu.command.join(' ')).toContain(`unix:${qemu.folder}/qtest`);
    await stop();
    await stop();
    expect(() => statSync(qemu.folder)).toThrow(/ENOENT/);
    expect((await qemu.ended).status).toBe(128 + 9);
  });

  it('read and write memory above 4 GiB alike from inside and outside', async () => {
    const { qemu, qtest, stop } = await startMachine({ chipset: 'q35', memoryMiB: 3072, devices: [] });
    try {
      const host = await openQtest(qtest);
      const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7);
      await host.client.writeMemory(0x1_0000_0000n, bytes);
      expect(await host.client.readMemory(0x1_0000_0000n, bytes.length)).toEqual(bytes);
      expect(await qemu.readMemory(0x1_0000_0000n, bytes.length)).toEqual(bytes);
      await host.close();
    } finally {
      await stop();
    }
  });
});
