import { describe, expect, it } from 'vitest';
import { scan } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import * as regs from '../pci/regs.js';
import { parseSlot, type Slot } from '../pci/slot.js';
import {
  createMachine,
  type FunctionDescription,
  randomMachine,
  type SimEvent,
  type SimMachine,
} from './index.js';

const NIC = '0000:04:00.0' as Slot;
const NVME = '0000:05:00.0' as Slot;

function command(machine: SimMachine, slot: Slot): number {
  return machine.functions.get(slot)?.command ?? -1;
}

describe('determinism', () => {
  const record = async (seed: number): Promise<SimEvent[]> => {
    const machine = createMachine('server', { seed });
    const events: SimEvent[] = [];
    machine.observe((event) => events.push(event));
    await scan(machine.host);
    await machine.jump({ path: 'crash', ticks: 200 });
    return events;
  };

  it('one seed is one history, another seed is another', async () => {
    const first = await record(7);
    expect(first.length).toBeGreaterThan(500);
    expect(await record(7)).toEqual(first);
    expect(await record(8)).not.toEqual(first);
  });

  it('gating one function leaves the workload of the others as it was', async () => {
    const trace = async (gate: boolean): Promise<string[]> => {
      const machine = createMachine('server', { seed: 3 });
      const lines: string[] = [];
      machine.observe((e) => {
        if (e.kind === 'dma' && e.slot !== NIC) lines.push(`${e.tick} ${e.slot} ${e.address} ${e.length}`);
      });
      await machine.host.write(NIC, regs.PCI_COMMAND, 2, gate ? 0x0402 : 0x0406);
      machine.run(300);
      return lines;
    };
    expect(await trace(true)).toEqual(await trace(false));
  });
});

describe('the event loop', () => {
  it('has its turn after so many events, and an aborted signal ends the work then', async () => {
    const stop = new AbortController();
    const machine = createMachine('server', { seed: 1, signal: stop.signal });
    while (!machine.overdue) machine.run(1000);
    stop.abort();
    const { now } = machine;
    await expect(machine.host.read(NIC, regs.PCI_COMMAND, 2)).rejects.toBe(stop.signal.reason);
    expect(machine.now).toBe(now);
    expect(machine.overdue).toBe(false);
  });
});

it('refuses a machine that hangs before anything was done to it', () => {
  const PORT = { vendor: 0x8086, device: 0x2f04, classCode: 0x060400, express: 'root-port' } as const;
  const BUSY = { vendor: 0x103c, device: 0x3239, classCode: 0x010400, workload: 'dma-engine' } as const;
  const functions: FunctionDescription[] = [
    { ...PORT, slot: '00:02.0', secondary: 2 },
    { ...BUSY, slot: '02:00.0', leftBy: 'driver' },
  ];
  expect(() => createMachine({ name: 'mine', platform: 'hpe-like', captureDrivers: [], functions })).toThrow(
    /^mine: the machine stops before any jump, so on platform hpe-like it would not be up: an NMI from firmware/,
  );
});

describe('random machines', () => {
  it('are as described: who works, who is absent', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const { description, busy, absent } = randomMachine(seed, { functions: 10 + seed });
      const machine = createMachine(description, { seed });
      const roots = machine.busy().filter((slot) => !machine.functions.get(slot)?.physfn);
      expect(roots).toEqual([...busy].sort());
      const { topology, notes } = await scan(machine.host);
      expect(notes).toEqual([]);
      for (const [slot, node] of topology.nodes) {
        expect([
          slot,
          node.function.presence !== 'present' && node.function.presence !== 'suspended',
        ]).toEqual([slot, absent.has(slot)]);
        const fn = machine.functions.get(slot);
        expect([slot, node.parent]).toEqual([slot, fn?.parent?.slot ?? null]);
        expect([slot, node.physfn]).toEqual([slot, fn?.physfn?.slot ?? null]);
      }
    }
  });
});

describe('what a kernel can do', () => {
  it('unbinding stops the device and clears BME; binding starts it with other rings', async () => {
    const machine = createMachine('server');
    const pages = (ticks: number) => {
      const hit = new Set<number>();
      const stop = machine.observe((event) => {
        if (event.kind === 'dma' && event.slot === NIC && event.refusedBy === null)
          hit.add(event.address >> 12);
      });
      machine.run(ticks);
      stop();
      return hit;
    };
    const before = pages(400);
    await machine.host.actions?.unbind(NIC, 'e1000e');
    expect(command(machine, NIC) & regs.PCI_COMMAND_MASTER).toBe(0);
    expect((await machine.host.facts?.(NIC))?.driver).toBeNull();
    expect(pages(400).size).toBe(0);
    await machine.host.actions?.bind(NIC, 'e1000e');
    const after = pages(400);
    expect(after.size).toBeGreaterThan(5);
    expect([...after].filter((page) => before.has(page)).length).toBeLessThan(after.size / 2);
  });

  it('a reset forgets the work and leaves the registers as they were', async () => {
    const machine = createMachine('server');
    const before = machine.snapshot().get(NVME);
    await machine.host.actions?.unbind(NVME, 'nvme');
    await machine.host.write(NVME, regs.PCI_COMMAND, 2, 0x0006);
    await machine.host.actions?.reset(NVME);
    expect(command(machine, NVME)).toBe(0x0006);
    expect(machine.busy()).not.toContain(NVME);
    await machine.host.actions?.bind(NVME, 'nvme');
    machine.run(200);
    expect(machine.busy()).toContain(NVME);
    expect(machine.snapshot().get(NVME)?.slice(8, 64)).toEqual(before?.slice(8, 64));
  });

  it('refuses what the function or its driver cannot do', async () => {
    const { host } = createMachine('server');
    const code = async (act: Promise<void> | undefined) => {
      const error: unknown = await act?.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return error instanceof ShootdownError ? error.code : error;
    };
    expect(await code(host.actions?.unbind(NIC, 'nvme'))).toBe('refused');
    expect(await code(host.actions?.bind(NIC, 'e1000e'))).toBe('refused');
    expect(await code(host.actions?.reset(NIC))).toBe('refused');
    expect(await code(host.actions?.reset('0000:00:09.0' as Slot))).toBe('usage');
  });

  it('writing FLR resets the function and nothing else', async () => {
    const machine = createMachine('server');
    const express = machine.functions.get(NVME)?.layout.express ?? 0;
    await machine.host.write(NVME, express + regs.PCI_EXP_DEVCTL, 2, 0x8000);
    expect(command(machine, NVME) & 7).toBe(0);
    expect(command(machine, NIC) & 7).toBe(6);
    expect(machine.busy()).not.toContain(NVME);
  });

  it('a bus reset reaches everything below the bridge', async () => {
    const machine = createMachine('server');
    await machine.host.write('0000:02:00.0' as Slot, regs.PCI_BRIDGE_CONTROL, 2, 0x40);
    expect([command(machine, NIC) & 4, command(machine, NVME) & 4]).toEqual([0, 0]);
    expect(command(machine, '0000:03:01.0' as Slot) & 4).toBe(0);
    expect(command(machine, '0000:02:00.0' as Slot) & 4).toBe(4);
    expect(command(machine, '0000:06:00.0' as Slot) & 4).toBe(4);
  });

  it('virtual functions master the bus by themselves and go with VF Enable', async () => {
    const machine = createMachine({
      name: 'sriov',
      captureDrivers: [],
      functions: [
        {
          slot: '00:01.0',
          vendor: 0x8086,
          device: 0x29c1,
          classCode: 0x060400,
          express: 'root-port',
          secondary: 1,
          busMaster: true,
        },
        {
          slot: '01:00.0',
          vendor: 0x15b3,
          device: 0x1017,
          classCode: 0x020000,
          express: 'endpoint',
          workload: 'nic',
          messages: 'msix',
          driver: { name: 'mlx5_core', shutdown: true },
          vfs: 9,
        },
      ],
    });
    const vf = '0000:01:01.1' as Slot;
    const [pf, last] = [machine.functions.get('0000:01:00.0' as Slot), machine.functions.get(vf)];
    expect(last?.physfn).toBe(pf);
    expect(await machine.host.read(vf, 0, 4)).toBe(0xffff_ffff);
    expect((await machine.host.read(vf, 4, 2)) & 4).toBe(4);
    await machine.host.write('0000:01:00.0' as Slot, regs.PCI_COMMAND, 2, 0);
    expect(last && machine.bus.refuses(last)).toBeNull();
    const control = (pf?.layout.sriov ?? 0) + regs.PCI_SRIOV_CTRL;
    await machine.host.write('0000:01:00.0' as Slot, control, 2, 0);
    expect(await machine.host.read(vf, 4, 4)).toBe(0xffff_ffff);
    expect(last && machine.bus.refuses(last)).toBe(last);
    await machine.host.write('0000:01:00.0' as Slot, control, 2, regs.PCI_SRIOV_CTRL_VFE);
    expect([await machine.host.read(vf, 4, 2), last?.device?.busy]).toEqual([0, false]);
  });
});

describe('faults', () => {
  const faulty = (fault: object) => createMachine('server', { faults: { [NIC]: fault } });

  it('a write that does not take', async () => {
    for (const fault of [{ ignoreWrites: true }, { busMasterReadOnly: true }]) {
      const { host } = faulty(fault);
      const before = await host.read(NIC, regs.PCI_COMMAND, 2);
      expect(before & regs.PCI_COMMAND_MASTER).not.toBe(0);
      await host.write(NIC, regs.PCI_COMMAND, 2, before & ~regs.PCI_COMMAND_MASTER);
      expect(await host.read(NIC, regs.PCI_COMMAND, 2)).toBe(before);
    }
  });

  it('all ones, between two reads or at a write', async () => {
    const reads = faulty({ allOnesAfterReads: 20 }).host;
    for (let i = 0; i < 20; i++) expect(await reads.read(NIC, 4, 4)).not.toBe(0xffff_ffff);
    expect(await reads.read(NIC, 4, 4)).toBe(0xffff_ffff);
    expect(await reads.read(NIC, 0, 1)).toBe(0xff);
    const writes = faulty({ vanishOnWrite: true });
    expect(await writes.host.read(NIC, 4, 4)).not.toBe(0xffff_ffff);
    await writes.host.write(NIC, regs.PCI_COMMAND, 2, 0);
    expect(await writes.host.read(NIC, 4, 4)).toBe(0xffff_ffff);
  });

  it('errors of the host', async () => {
    await expect(faulty({ writeError: 'io' }).host.write(NIC, 4, 2, 0)).rejects.toMatchObject({ code: 'io' });
    await expect(faulty({ readError: 'vanished' }).host.read(NIC, 4, 2)).rejects.toMatchObject({
      code: 'vanished',
    });
  });

  it('name a function that is there', () => {
    expect(() => createMachine('server', { faults: { '1f:00.0': {} } })).toThrow(ShootdownError);
    expect(parseSlot('1f:00.0')).toBeDefined();
  });
});
