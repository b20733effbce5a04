import { describe, expect, it } from 'vitest';
import type { Host } from '../../host/port.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import { createMachine, GateChecker, type JumpResult, jumpProblems, randomMachine } from '../index.js';

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

const linux = { path: 'normal', clearsBusMasters: true } as const;
const tickOf = (result: JumpResult, text: string) =>
  result.timeline.find((entry) => entry.text === text)?.tick ?? Number.NaN;

describe('the normal path', () => {
  it('clears bus mastering where there is a driver and skips what has none', async () => {
    const machine = createMachine('server');
    const result = await machine.jump(linux);
    expect(writers(result)).toEqual([LEFT]);
    expect(result.verdict).toBe('corrupted');
    expect(result.corrupted.length).toBeGreaterThan(0);
    for (const { writers: who } of result.corrupted) expect(who).toEqual([LEFT]);
    expect(jumpProblems(result)).toEqual([]);
  });

  it('what has no shutdown method is gated with its work: refused, not stopped', async () => {
    const result = await createMachine('server').jump(linux);
    expect(result.refused.map(({ slot, by }) => [slot, by])).toContainEqual(['0000:01:00.0', '0000:01:00.0']);
  });

  it('corrupts in most histories, and in none where nothing was left on', async () => {
    let corrupted = 0;
    for (let seed = 0; seed < 20; seed++) {
      const bare = await createMachine('server', { seed }).jump(linux);
      expect(jumpProblems(bare)).toEqual([]);
      if (bare.verdict === 'corrupted') corrupted++;
      const machine = createMachine('server', { seed });
      await machine.host.write(LEFT, regs.PCI_COMMAND, 2, 0x0402);
      const before = await machine.jump(linux);
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
      const result = await machine.jump({ ...linux, between });
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
    const result = await machine.jump(linux);
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
      reboot: false,
      between: (host) => host.write(bridge, regs.PCI_COMMAND, 2, 0),
    });
    expect(machine.functions.get(bridge)?.busMaster).toBe(true);
  });

  it('lets go of its initramfs once that is unpacked', async () => {
    const machine = createMachine('laptop');
    const result = await machine.jump({ path: 'crash', reboot: false });
    expect(result.reached).toBe('running');
    expect(machine.memory.count('next-kernel-image')).toBeGreaterThan(0);
    expect(machine.memory.count('next-kernel-initramfs')).toBe(0);
  });
});

describe('the crash path', () => {
  const stay = { path: 'crash', reboot: false } as const;

  it('tells nobody: whoever was at work goes on', async () => {
    const machine = createMachine('server');
    const busy = machine.busy();
    const result = await machine.jump(stay);
    expect(writers(result)).toEqual(busy);
    expect(result.refused).toEqual([]);
    expect(jumpProblems(result)).toEqual([]);
  });

  it('the capture kernel itself is not hit, its dump is, and an interrupt line is lost', async () => {
    const result = await createMachine('server').jump(stay);
    expect(result.verdicts).toEqual(['corrupted', 'irq-storm']);
    expect(result.storms.map(({ line, slots }) => [line, slots])).toEqual([[18, ['0000:07:01.0']]]);
    expect(result.interruptsUnclaimed).toBeGreaterThan(99_900);
    expect(result.corrupted).toEqual([]);
    expect(result.dump?.complete).toBe(true);
    expect(result.dump?.torn.length).toBeGreaterThan(5);
    for (const { writers: who } of result.dump?.torn ?? []) expect(who.length).toBeGreaterThan(0);
  });

  it('the line is lost only because the capture kernel shares it', async () => {
    const result = await createMachine('server').jump({ ...stay, drivers: ['nvme'] });
    expect(result.storms).toEqual([]);
    expect(result.verdicts).toEqual(['corrupted']);
  });

  it('with all endpoints gated between the kernels nothing is written any more', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const result = await createMachine('server', { seed }).jump({ path: 'crash', between: gateEndpoints });
      expect([result.verdict, result.reached, result.storms]).toEqual(['clean', 'reboot', []]);
      expect(result.dump?.torn).toEqual([]);
      const decompress = tickOf(result, 'the next kernel unpacks itself');
      expect(result.writes.filter(({ tick }) => tick > decompress)).toEqual([]);
    }
  });

  it('firmware writes into memory that is nobody else\u2019s', async () => {
    const result = await createMachine('laptop').jump(stay);
    const usb = result.writes.filter(({ slot }) => slot === '0000:00:14.0');
    expect(usb.length).toBeGreaterThan(3);
    expect(new Set(usb.map(({ owner }) => owner))).toEqual(new Set(['firmware']));
  });

  it('loads a capture kernel only where it runs', async () => {
    const jump = createMachine('laptop').jump({ path: 'crash', load: 'relocated' });
    await expect(jump).rejects.toMatchObject({ code: 'bad-input' });
  });
});

describe('between the kernels', () => {
  it('sees segment 0 and 256 bytes, knows nothing and can do nothing but write', async () => {
    const { description } = randomMachine(5, { domains: 2 });
    const machine = createMachine(description);
    expect((await machine.host.slots()).some((slot) => slot.startsWith('0001:'))).toBe(true);
    await machine.jump({
      path: 'crash',
      reboot: false,
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

describe('interrupts that nobody claimed', () => {
  it('are those of the next kernel, and none where it never came to turn them on', async () => {
    const machine = createMachine('laptop');
    machine.interrupts.unclaimed = 7;
    const result = await machine.jump({ ...linux, lastAct: (m) => m.cpu.hang('timer', 'a test', []) });
    expect([result.verdict, result.reached, result.interruptsUnclaimed]).toEqual(['hung', 'shutdown', 0]);
  });
});

describe('one jump after another', () => {
  it('hands the machine from kernel to kernel', async () => {
    const machine = createMachine('server');
    await machine.host.write(LEFT, regs.PCI_COMMAND, 2, 0x0402);
    for (let i = 0; i < 6; i++) {
      const before = machine.kernel;
      const result = await machine.jump({ ...linux, ticks: 200 });
      expect([i, result.verdict, jumpProblems(result)]).toEqual([i, 'clean', []]);
      expect(machine.kernel).not.toBe(before);
      expect(machine.boots).toBe(1);
    }
    expect(machine.busy()).toContain('0000:04:00.0');
  });

  it('takes no more memory with each', async () => {
    const machine = createMachine('server');
    await machine.host.write(LEFT, regs.PCI_COMMAND, 2, 0x0402);
    const free: number[] = [];
    for (let i = 0; i < 8; i++) {
      await machine.jump(linux);
      free.push(machine.memory.count('free'));
    }
    const [first = 0, ...later] = free;
    for (const count of later) expect(Math.abs(count - first) / first).toBeLessThan(0.1);
  });

  it('a capture kernel that has rebooted leaves a machine fresh from its power-on', async () => {
    const machine = createMachine('server');
    for (let i = 0; i < 3; i++) {
      const result = await machine.jump({ path: 'crash', between: gateEndpoints });
      expect([result.verdict, result.reached, machine.boots]).toEqual(['clean', 'reboot', i + 2]);
      expect(machine.busy()).toContain(LEFT);
      expect(machine.memory.count('next-kernel')).toBe(0);
    }
  });

  it('needs a kernel that can jump', async () => {
    const machine = createMachine('laptop');
    await machine.jump({ path: 'crash', reboot: false, ticks: 1 });
    await expect(machine.jump(linux)).rejects.toMatchObject({ code: 'unsupported' });
    machine.powerCycle();
    expect((await machine.jump({ ...linux, ticks: 1 })).reached).toBe('running');
    machine.cpu.hang('timer', 'a test', []);
    await expect(machine.jump(linux)).rejects.toMatchObject({ code: 'unsupported' });
    machine.powerCycle();
    expect((await machine.jump({ ...linux, ticks: 1 })).reached).toBe('running');
  });
});

describe('any machine', () => {
  it('ends, keeps the gates and accounts for every page, on both paths', async () => {
    const verdicts = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const { description, faults } = randomMachine(seed, { mixed: seed % 2 === 1 });
      for (const path of ['normal', 'crash'] as const) {
        const machine = createMachine(description, { seed, faults });
        const checker = new GateChecker(machine);
        const between = seed % 4 > 1 ? { between: gateEndpoints } : {};
        const clearsBusMasters = seed % 3 > 0;
        const result = await machine.jump({ path, reboot: false, clearsBusMasters, ...between });
        expect([seed, path, jumpProblems(result), checker.violations]).toEqual([seed, path, [], []]);
        verdicts.add(`${path} ${result.verdict}`);
      }
    }
    expect(verdicts).toContain('normal corrupted');
    expect(verdicts).toContain('normal clean');
    expect(verdicts).toContain('crash corrupted');
  });

  it('jumps the same way twice', async () => {
    const { description, faults } = randomMachine(77, { mixed: true });
    const results: JumpResult[] = [];
    for (let i = 0; i < 2; i++)
      results.push(await createMachine(description, { seed: 9, faults }).jump(linux));
    expect(results[0]).toEqual(results[1]);
  });
});
