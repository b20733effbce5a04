import { describe, expect, it } from 'vitest';
import type { Host } from '../host/port.js';
import * as regs from '../pci/regs.js';
import type { Slot } from '../pci/slot.js';
import { createMachine, GateChecker, type JumpResult, jumpProblems, randomMachine } from './index.js';

const LEFT = '0000:00:19.0' as Slot;

/** What a stub does, as short as can be: bus mastering and INTx off, leaf first. */
async function gateEndpoints(host: Host): Promise<void> {
  for (const slot of [...(await host.slots())].reverse()) {
    const header = await host.read(slot, regs.PCI_HEADER_TYPE, 1);
    const command = await host.read(slot, regs.PCI_COMMAND, 2);
    if (command === 0xffff || (header & regs.PCI_HEADER_TYPE_MASK) !== 0) continue;
    const gated = (command & ~regs.PCI_COMMAND_MASTER) | regs.PCI_COMMAND_INTX_DISABLE;
    await host.write(slot, regs.PCI_COMMAND, 2, gated);
  }
}

const writers = (result: JumpResult) => [...new Set(result.writes.map(({ slot }) => slot))].sort();

describe('the normal path', () => {
  it('clears bus mastering where there is a driver and skips what has none', async () => {
    const machine = createMachine('server');
    const result = await machine.jump({ path: 'normal' });
    expect(writers(result)).toEqual([LEFT]);
    expect(result.verdict).toBe('corrupted');
    for (const { writers: who } of result.corrupted) expect(who).toEqual([LEFT]);
    expect(jumpProblems(result)).toEqual([]);
  });

  it('what has no shutdown method is gated with its work: refused, not stopped', async () => {
    const result = await createMachine('server').jump({ path: 'normal' });
    expect(result.refused.map(({ slot, by }) => [slot, by])).toContainEqual(['0000:01:00.0', '0000:01:00.0']);
  });

  it('corrupts in most histories, and in none where nothing was left on', async () => {
    let corrupted = 0;
    for (let seed = 0; seed < 20; seed++) {
      const bare = await createMachine('server', { seed }).jump({ path: 'normal' });
      expect(jumpProblems(bare)).toEqual([]);
      if (bare.verdict === 'corrupted') corrupted++;
      const machine = createMachine('server', { seed });
      await machine.host.write(LEFT, regs.PCI_COMMAND, 2, 0x0402);
      const before = await machine.jump({ path: 'normal' });
      expect([before.verdict, before.reached, before.writes]).toEqual(['clean', 'running', []]);
    }
    expect(corrupted).toBeGreaterThan(15);
  });

  it('gating between the kernels comes too late only for what was hit before it', async () => {
    let clean = 0;
    for (let seed = 0; seed < 20; seed++) {
      const machine = createMachine('server', { seed });
      let gated = Number.POSITIVE_INFINITY;
      const between = async (host: Host) => {
        await gateEndpoints(host);
        gated = machine.now;
      };
      const result = await machine.jump({ path: 'normal', between });
      expect(jumpProblems(result)).toEqual([]);
      expect(result.writes.filter(({ tick }) => tick > gated)).toEqual([]);
      if (result.verdict === 'clean') clean++;
    }
    expect(clean).toBeGreaterThan(15);
  });

  it('a bridge that the next kernel opens again lets a driverless child go on', async () => {
    const port = {
      vendor: 0x8086,
      device: 0x29c1,
      classCode: 0x060400,
      express: 'root-port' as const,
      secondary: 1,
    };
    const nic = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000, express: 'endpoint' as const };
    const machine = createMachine({
      name: 'below a port',
      captureDrivers: [],
      functions: [
        { slot: '00:01.0', ...port, driver: { name: 'pcieport', shutdown: true } },
        { slot: '01:00.0', ...nic, workload: 'nic', leftBy: 'driver' },
      ],
    });
    const result = await machine.jump({ path: 'normal' });
    expect(result.refused[0]).toMatchObject({ slot: '0000:01:00.0', by: '0000:00:01.0' });
    expect(result.writes.length).toBeGreaterThan(10);
    const bound = result.timeline.find(({ text }) => text === 'it binds its drivers')?.tick ?? 0;
    expect(Math.min(...result.writes.map(({ tick }) => tick))).toBeGreaterThanOrEqual(bound);
  });
});

describe('what the next kernel does by itself', () => {
  const nic = { vendor: 0x8086, device: 0x107c, classCode: 0x020000, workload: 'nic' as const };

  it('opens every bridge above a function that it binds', async () => {
    const machine = createMachine({
      name: 'conventional',
      captureDrivers: ['e1000'],
      functions: [
        {
          slot: '00:1e.0',
          vendor: 0x8086,
          device: 0x244e,
          classCode: 0x060401,
          secondary: 1,
          busMaster: true,
        },
        { slot: '01:01.0', ...nic, driver: { name: 'e1000', shutdown: true } },
      ],
    });
    const bridge = '0000:00:1e.0' as Slot;
    await machine.jump({
      path: 'crash',
      between: (host) => host.write(bridge, regs.PCI_COMMAND, 2, 0),
    });
    expect(machine.functions.get(bridge)?.busMaster).toBe(true);
  });

  it('lets go of its initramfs once that is unpacked', async () => {
    const machine = createMachine('laptop');
    const result = await machine.jump({ path: 'crash' });
    expect(result.reached).toBe('running');
    const owners = new Set([...machine.memory.owned()].map(([, owner]) => owner));
    expect(owners).toContain('next-kernel-image');
    expect(owners).not.toContain('next-kernel-initramfs');
  });
});

describe('the crash path', () => {
  it('tells nobody: whoever was at work goes on', async () => {
    const machine = createMachine('server');
    const busy = machine.busy();
    const result = await machine.jump({ path: 'crash' });
    expect(writers(result)).toEqual(busy);
    expect(result.refused).toEqual([]);
    expect(jumpProblems(result)).toEqual([]);
  });

  it('the capture kernel itself is not hit, its dump is, and an interrupt line is lost', async () => {
    const result = await createMachine('server').jump({ path: 'crash' });
    expect(result.verdict).toBe('irq-storm');
    expect(result.storms.map(({ line, slots }) => [line, slots])).toEqual([[18, ['0000:07:01.0']]]);
    expect(result.interruptsUnclaimed).toBeGreaterThan(99_900);
    expect(result.corrupted).toEqual([]);
    expect(result.checksumOk).toBe(true);
    expect(result.dump?.complete).toBe(true);
    expect(result.dump?.torn.length).toBeGreaterThan(50);
  });

  it('the line is lost only because the capture kernel shares it', async () => {
    const result = await createMachine('server').jump({ path: 'crash', drivers: ['nvme'] });
    expect(result.storms).toEqual([]);
    expect(result.verdict).toBe('dump-torn');
  });

  it('with all endpoints gated between the kernels nothing is written any more', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const result = await createMachine('server', { seed }).jump({ path: 'crash', between: gateEndpoints });
      expect([result.verdict, result.reached, result.storms]).toEqual(['clean', 'running', []]);
      expect(result.dump?.torn).toEqual([]);
      const decompress = result.timeline.find(({ text }) => text.includes('unpacks itself'))?.tick ?? 0;
      expect(result.writes.filter(({ tick }) => tick > decompress)).toEqual([]);
    }
  });

  it('firmware writes into memory that is nobody else\u2019s', async () => {
    const result = await createMachine('laptop').jump({ path: 'crash' });
    const usb = result.writes.filter(({ slot }) => slot === '0000:00:14.0');
    expect(usb.length).toBeGreaterThan(10);
    expect(new Set(usb.map(({ owner }) => owner))).toEqual(new Set(['firmware']));
  });
});

describe('between the kernels', () => {
  it('sees segment 0 and 256 bytes, knows nothing and can do nothing but write', async () => {
    const { description } = randomMachine(5, { domains: 2 });
    const machine = createMachine(description);
    expect((await machine.host.slots()).some((slot) => slot.startsWith('0001:'))).toBe(true);
    await machine.jump({
      path: 'crash',
      ticks: 10,
      between: async (host) => {
        const slots = await host.slots();
        expect(slots.every((slot) => slot.startsWith('0000:'))).toBe(true);
        for (const slot of slots) expect(await host.visibleBytes(slot)).toBe(256);
        expect([host.facts, host.machineFacts, host.actions]).toEqual([undefined, undefined, undefined]);
      },
    });
  });
});

describe('any machine', () => {
  it('ends, keeps the gates and accounts for every page, on both paths', async () => {
    const verdicts = new Set<string>();
    for (let seed = 0; seed < 30; seed++) {
      const { description } = randomMachine(seed);
      for (const path of ['normal', 'crash'] as const) {
        const machine = createMachine(description, { seed });
        const checker = new GateChecker(machine);
        const result = await machine.jump({ path, ...(seed % 2 ? { between: gateEndpoints } : {}) });
        expect([seed, path, jumpProblems(result), checker.violations]).toEqual([seed, path, [], []]);
        verdicts.add(`${path} ${result.verdict}`);
      }
    }
    expect(verdicts).toContain('normal corrupted');
    expect(verdicts).toContain('normal clean');
    expect(verdicts).toContain('crash dump-torn');
  });

  it('jumps once', async () => {
    const machine = createMachine('laptop');
    await machine.jump({ path: 'normal', ticks: 1 });
    await expect(machine.jump({ path: 'normal' })).rejects.toMatchObject({ code: 'unsupported' });
  });
});
