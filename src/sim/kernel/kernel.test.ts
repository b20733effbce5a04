import { describe, expect, it } from 'vitest';
import { eventsOf, functionAt } from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import type { Era } from '../description.js';
import {
  createMachine,
  type FunctionDescription,
  type MachineDescription,
  type SimMachine,
} from '../index.js';
import { enumerate, turnInterruptsOn } from './boot-next.js';

const NIC = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000, workload: 'nic' as const };
const PORT = {
  vendor: 0x8086,
  device: 0x2940,
  classCode: 0x060400,
  express: 'root-port' as const,
  driver: { name: 'pcieport', shutdown: 'disables' as const },
};
const endpoint = { express: 'endpoint' as const, messages: 'msi' as const };
const e1000e = { name: 'e1000e', shutdown: true };

function make(functions: FunctionDescription[], of: Partial<MachineDescription> = {}, seed = 1): SimMachine {
  return createMachine({ name: 'small', captureDrivers: ['e1000e'], functions, ...of }, { seed });
}
const crash = { path: 'crash', reboot: false } as const;
const slot = (text: string) => `0000:${text}` as Slot;

describe('probes', () => {
  it('refuse a device that works for somebody else, where the driver wants it idle', async () => {
    const of = (needsIdle: boolean, shutdown = false) =>
      make([{ slot: '00:05.0', ...NIC, messages: 'msi', driver: { ...e1000e, shutdown, needsIdle } }]);
    const lost = async (machine: SimMachine) => (await machine.jump(crash)).lost.map(({ why }) => why);
    expect(await lost(of(true))).toEqual(['it still works for somebody else']);
    expect(await lost(of(false))).toEqual([]);
    const normal = await of(true, true).jump({ path: 'normal' });
    expect(normal.lost).toEqual([]);
  });

  it('refuse a device that is wedged', async () => {
    const disk = {
      slot: '00:1f.2',
      vendor: 0x8086,
      device: 0x2922,
      classCode: 0x010601,
      messages: 'msi' as const,
    };
    const cut = async (clearsBusMasters: boolean, shutdown: boolean) => {
      const driver = { name: 'ahci', shutdown };
      const results = [];
      for (let seed = 0; seed < 5; seed++) {
        const machine = make([{ ...disk, workload: 'ahci', wedgesWhenCut: true, driver }], {}, seed);
        const { lost } = await machine.jump({ path: 'normal', clearsBusMasters });
        results.push(...lost.map(({ why }) => why));
      }
      return results;
    };
    expect(await cut(true, false)).toContainEqual(expect.stringContaining('disk commands'));
    expect(await cut(true, true)).toEqual([]);
    expect(await cut(false, false)).toEqual([]);
  });

  it('fail once a processor has no interrupt vector left', async () => {
    const functions = [0, 1, 2, 3].map((i) => ({
      slot: `00:05.${i}`,
      ...NIC,
      messages: 'msi' as const,
      driver: e1000e,
    }));
    const lost = async (vectorsPerCpu: number, cpus: number) => {
      const result = await make(functions, { rules: { vectorsPerCpu } }).jump({ ...crash, cpus });
      return result.lost.map(({ slot, why }) => [slot, why]);
    };
    expect(await lost(3, 1)).toEqual([[slot('00:05.3'), 'no interrupt vector is left']]);
    expect(await lost(3, 2)).toEqual([]);
    expect(await lost(4, 1)).toEqual([]);
  });

  it('give INTx back before they let the function master the bus, since kernels do; before, drivers did', async () => {
    const nic = { slot: '00:05.0', ...NIC, pin: 1, line: 17, driver: { ...e1000e, resetAfterMs: 3 } };
    const order = async (era: Era, of: FunctionDescription) => {
      const machine = make([of], { era });
      const changes: string[] = [];
      machine.observe((event) => {
        if (event.kind !== 'config-write' || event.by !== 'next-kernel' || event.offset !== regs.PCI_COMMAND)
          return;
        const { before, after, tick } = event;
        if ((before & ~after & regs.PCI_COMMAND_INTX_DISABLE) !== 0) changes.push(`${tick} INTx on`);
        if ((after & ~before & regs.PCI_COMMAND_INTX_DISABLE) !== 0) changes.push(`${tick} INTx off`);
        if ((after & ~before & regs.PCI_COMMAND_MASTER) !== 0) changes.push(`${tick} BME on`);
      });
      const gate = async () => machine.host.write(slot('00:05.0'), regs.PCI_COMMAND, 2, 0x0402);
      await machine.jump({ ...crash, between: gate });
      const first = Number(changes[0]?.split(' ')[0]);
      return changes.map((change) => change.replace(/^\d+/, (tick) => String(Number(tick) - first)));
    };
    expect(await order('today', nic)).toEqual(['0 INTx on', '0 BME on']);
    expect(await order('3.13', nic)).toEqual(['0 BME on', '30 INTx on']);
    expect(await order('2006', nic)).toEqual(['0 BME on', '30 INTx on']);
    const byMessage = { ...nic, messages: 'msi' as const };
    expect(await order('today', byMessage)).toEqual(['0 INTx on', '0 BME on', '30 INTx off']);
    expect(await order('2006', byMessage)).toEqual(['0 BME on']);
  });

  it('reset the device when they come to it: until then it goes on with what it was told', async () => {
    const nic = { slot: '00:05.0', ...NIC, messages: 'msi' as const };
    const written = async (resetAfterMs: number) => {
      const machine = make([{ ...nic, driver: { ...e1000e, shutdown: false, resetAfterMs } }]);
      const gate = async () => machine.host.write(slot('00:05.0'), regs.PCI_COMMAND, 2, 0x0402);
      let over = Number.POSITIVE_INFINITY;
      const between = async () => {
        await gate();
        over = machine.now;
      };
      const { writes } = await machine.jump({ ...crash, between });
      return writes.filter(({ tick }) => tick > over).length;
    };
    expect(await written(0)).toBeLessThan(3);
    expect(await written(20)).toBeGreaterThan(3);
  });

  it('are never short of vectors in a kernel that has run for long: all its processors are up', async () => {
    const nic = { ...NIC, messages: 'msi' as const, driver: e1000e };
    const machine = make([{ slot: '00:05.0', ...nic }], { rules: { vectorsPerCpu: 0 } });
    await machine.jump({ path: 'normal', ticks: 1 });
    const fn = functionAt(machine, slot('00:05.0'));
    expect(machine.kernel?.bind(fn)).toBe('no interrupt vector is left');
    machine.kernel?.settle();
    expect(machine.kernel?.bind(fn)).toBeNull();
  });

  it('that open a port for a function below leave its INTx off while the port has messages on', () => {
    const machine = make([
      { slot: '00:01.0', ...PORT, secondary: 1, messages: 'msi', pin: 1, line: 17 },
      { slot: '01:00.0', ...NIC, ...endpoint, driver: e1000e },
    ]);
    const port = functionAt(machine, slot('00:01.0'));
    expect(port.messages).toBe('msi');
    expect(port.command & regs.PCI_COMMAND_INTX_DISABLE).not.toBe(0);
  });

  it('take their time only in a next kernel: before the first nobody has set a device to work', async () => {
    const of = (resetAfterMs: number) =>
      make([{ slot: '00:05.0', ...NIC, messages: 'msi', driver: { ...e1000e, resetAfterMs } }]);
    expect(of(20).now).toBe(of(0).now);
    const [slow, quick] = [await of(20).jump(crash), await of(0).jump(crash)];
    expect((slow.runningTick ?? 0) - (quick.runningTick ?? 0)).toBe(200);
  });

  it('do not take a vector for each of those that share a line', async () => {
    const functions = [0, 1, 2].map((i) => ({
      slot: `00:05.${i}`,
      ...NIC,
      pin: 1,
      line: 17,
      driver: e1000e,
    }));
    const result = await make(functions, { rules: { vectorsPerCpu: 1 } }).jump(crash);
    expect(result.lost).toEqual([]);
  });
});

describe('a driver that is taken off', () => {
  it('leaves a function that neither masters the bus nor interrupts, and nothing to write', () => {
    const machine = make([{ slot: '00:05.0', ...NIC, messages: 'msi', pin: 1, line: 17, driver: e1000e }]);
    const fn = machine.functions.get(slot('00:05.0'));
    if (fn) machine.kernel?.unbind(fn);
    expect([fn?.busMaster, fn?.messages, fn?.device?.busy]).toEqual([false, null, false]);
    expect(machine.kernel?.drives(slot('00:05.0'))).toBe(false);
    const writes: string[] = [];
    machine.observe(({ kind }) => writes.push(kind));
    machine.run(500);
    expect(writes).not.toContain('dma');
    expect(machine.memory.count('dma-buffer')).toBe(0);
  });

  it('masks the line that nobody else uses, and gives its vector back', () => {
    const nic = { slot: '00:05.0', ...NIC, pin: 1, line: 17, driver: e1000e };
    const machine = make([nic, { ...nic, slot: '00:06.0' }]);
    const { controller } = machine.interrupts;
    const masked: boolean[] = [];
    for (const fn of machine.functions.values()) {
      machine.kernel?.unbind(fn);
      masked.push(controller.masked(17));
    }
    expect(masked).toEqual([false, true]);
  });
});

describe('buffers that a driver has given back', () => {
  const translated = { domains: 'translated', nextKernel: 'resets', aborts: 'dropped' } as const;
  const atWork = () => {
    const nic = { slot: '00:05.0', ...NIC, messages: 'msi' as const, driver: e1000e };
    const machine = make([nic], { rules: { iommu: translated } });
    return { machine, fn: functionAt(machine, slot('00:05.0')), old: machine.memory.pages(['dma-buffer']) };
  };

  it('are not mapped any more, nor held by the function', () => {
    const { machine, fn, old } = atWork();
    machine.kernel?.program(fn);
    const kept = new Set(machine.memory.pages(['dma-buffer']));
    const given = old.filter((page) => !kept.has(page));
    expect(given.length).toBeGreaterThan(0);
    expect(given.filter((page) => machine.iommu?.allows(fn, page))).toEqual([]);
    expect(given.filter((page) => machine.kernel?.holder(page) !== null)).toEqual([]);
  });

  it('and a remove leave the function without a domain: all that it asks is stopped', () => {
    const { machine, fn } = atWork();
    expect(machine.iommu?.domainOf(fn)).toBe('DMA');
    machine.kernel?.unbind(fn);
    expect(machine.iommu?.domainOf(fn)).toBeNull();
  });
});

describe('an interrupt that was disabled', () => {
  it('calls no handler', () => {
    const machine = make([{ slot: '00:05.0', ...NIC, pin: 1, line: 17, driver: e1000e }]);
    const desc = machine.kernel?.irqs.get(17);
    expect(desc?.actions.size).toBe(1);
    const served = () => {
      const fn = machine.functions.get(slot('00:05.0'));
      fn?.setCause(true);
      return [machine.kernel?.handleLine(17), fn?.assertsIntx];
    };
    expect(served()).toEqual([true, false]);
    if (desc) desc.depth++;
    expect(served()).toEqual([false, true]);
  });

  it('calls no handler where it is a message, which is this kernel\u2019s all the same', () => {
    const machine = make([{ slot: '00:05.0', ...NIC, messages: 'msi', driver: e1000e }]);
    const fn = functionAt(machine, slot('00:05.0'));
    const desc = machine.kernel?.irqs.of(fn);
    const served = () => {
      machine.interrupts.raise(fn);
      return [machine.kernel?.handleMessage(fn), machine.interrupts.waits(fn)];
    };
    expect(served()).toEqual([true, false]);
    if (desc) desc.depth++;
    expect(served()).toEqual([true, true]);
  });
});

describe('interrupts of a kernel that boots', () => {
  it('start without what an earlier one left in the pins, but in 2006', () => {
    for (const [era, stuck] of [
      ['2006', [17]],
      ['today', []],
    ] as const) {
      const machine = make([{ slot: '00:05.0', ...NIC, pin: 1, line: 17, driver: e1000e }], { era });
      const { interrupts, kernel } = machine;
      interrupts.attach(null);
      for (let i = 0; i < 500 && !interrupts.controller.remoteIrr(17); i++) machine.run(1);
      if (kernel) turnInterruptsOn(machine, kernel);
      expect([era, interrupts.controller.unended()]).toEqual([era, stuck]);
    }
  });
});

describe('enumeration', () => {
  it('finds nothing below a bridge that sleeps', async () => {
    const functions = (power: 'D0' | 'D3hot'): FunctionDescription[] => [
      { slot: '00:01.0', ...PORT, secondary: 1, power },
      { slot: '01:00.0', ...NIC, ...endpoint, driver: e1000e },
    ];
    const result = await make(functions('D3hot')).jump(crash);
    expect(result.lost).toEqual([
      { slot: slot('01:00.0'), driver: 'e1000e', cause: 'not-found', why: 'it was not found' },
    ]);
    expect((await make(functions('D0')).jump(crash)).lost).toEqual([]);
    // Since 2012 the old kernel wakes it first, where it is asked.
    expect((await make(functions('D3hot'), { era: 'today' }).jump({ path: 'normal' })).lost).toEqual([]);
    expect((await make(functions('D3hot'), { era: '2006' }).jump({ path: 'normal' })).lost).toHaveLength(1);
  });

  it('turns virtual functions off, which then are gone with their work', async () => {
    const functions: FunctionDescription[] = [
      { slot: '00:01.0', ...PORT, secondary: 1 },
      { slot: '01:00.0', ...NIC, ...endpoint, driver: e1000e, vfs: 2, vfDriver: null },
    ];
    const machine = make(functions);
    expect(machine.functions.get(slot('01:00.1'))?.alive).toBe(true);
    const result = await machine.jump(crash);
    expect(machine.functions.get(slot('01:00.1'))?.alive).toBe(false);
    const found = result.timeline.find(({ text }) => text === 'it looks for devices')?.tick ?? 0;
    const late = result.writes.filter((write) => write.slot === slot('01:00.1') && write.tick > found + 3);
    expect(late).toEqual([]);
    expect(result.lost).toEqual([]);
  });

  it('does not find virtual functions, which have no vendor ID, though they are there and at work', () => {
    const machine = make([
      { slot: '00:01.0', ...PORT, secondary: 1 },
      { slot: '01:00.0', ...NIC, ...endpoint, vfs: 2, wanted: true },
    ]);
    const { kernel } = machine;
    if (kernel) enumerate(machine, kernel);
    expect(functionAt(machine, slot('01:00.1')).alive).toBe(true);
    expect([...(kernel?.found ?? [])].map((fn) => fn.slot)).toEqual([slot('00:01.0'), slot('01:00.0')]);
  });

  it('leaves alone what is wanted, messages included', async () => {
    const guest: FunctionDescription = { slot: '00:05.0', ...NIC, messages: 'msi', wanted: true };
    const machine = make([guest]);
    const fn = machine.functions.get(slot('00:05.0'));
    fn?.write((fn.layout.msi ?? 0) + regs.PCI_MSI_FLAGS, 2, regs.PCI_MSI_FLAGS_ENABLE);
    await machine.jump(crash);
    expect(fn?.messages).toBe('msi');
  });

  it('takes USB controllers over from firmware, which waits for their DMA', async () => {
    const usb: FunctionDescription = {
      slot: '00:14.0',
      vendor: 0x8086,
      device: 0xa0ed,
      classCode: 0x0c0330,
      workload: 'xhci',
      leftBy: 'firmware',
    };
    const gate = (machine: SimMachine) => {
      const fn = machine.functions.get(slot('00:14.0'));
      fn?.write(regs.PCI_COMMAND, 2, 0);
    };
    const gated = await make([usb]).jump({ ...crash, lastAct: gate });
    expect([gated.verdict, gated.reached, gated.stuckOn?.slots]).toEqual([
      'hung',
      'enumerate',
      [slot('00:14.0')],
    ]);
    const machine = make([usb]);
    expect((await machine.jump(crash)).verdict).toBe('clean');
    expect(machine.functions.get(slot('00:14.0'))?.device?.busy).toBe(false);
  });
});

describe('what lives on without a driver', () => {
  const guest = (of: Partial<FunctionDescription>): FunctionDescription[] => {
    const { driver: _, ...bridge } = PORT;
    return [
      { slot: '00:01.0', ...bridge, secondary: 1 },
      { slot: '01:00.0', ...NIC, ...endpoint, ...of },
    ];
  };

  it('has the bridges above it opened if it is wanted, and not if it was only left', () => {
    for (const [of, gate] of [
      [{ wanted: true }, null],
      [{ leftBy: 'driver' }, slot('00:01.0')],
    ] as const) {
      const machine = make(guest(of));
      expect(machine.bus.refuses(functionAt(machine, slot('01:00.0')))?.slot ?? null).toBe(gate);
    }
  });
});

describe('device_shutdown', () => {
  it('goes from the last found to the first', async () => {
    const functions: FunctionDescription[] = [
      { slot: '00:01.0', ...PORT, secondary: 1 },
      { slot: '01:00.0', ...NIC, ...endpoint, driver: e1000e },
    ];
    const machine = make(functions);
    const cleared: string[] = [];
    machine.observe((event) => {
      if (event.kind === 'config-write' && event.by === 'old-kernel') cleared.push(event.slot);
    });
    await machine.jump({ path: 'normal', clearsBusMasters: true, ticks: 1 });
    expect(cleared).toEqual([slot('01:00.0'), slot('00:01.0')]);
  });

  it('waits for a hot-plug command', async () => {
    const of = (commandMs: number) =>
      make([{ slot: '00:01.0', ...PORT, secondary: 1, workload: 'hotplug-port', commandMs }]);
    const took = async (ms: number) => {
      const result = await of(ms).jump({ path: 'normal', ticks: 1 });
      return (result.jumpTick - result.startTick) / 10;
    };
    expect(await took(65_000)).toBeGreaterThanOrEqual(65_000);
    expect(await took(10)).toBeLessThan(100);
  });

  it('never returns where a driver waits for an answer by DMA that cannot come', async () => {
    const asks = { name: 'mlx5_core', shutdown: true, shutdownNeedsDma: true };
    const of = () => make([{ slot: '00:05.0', ...NIC, messages: 'msi', driver: asks }]);
    const before = async (machine: SimMachine) => {
      machine.functions.get(slot('00:05.0'))?.write(regs.PCI_COMMAND, 2, 0);
    };
    const gated = await of().jump({ path: 'normal', before });
    expect([gated.verdict, gated.reached]).toEqual(['hung', 'shutdown']);
    expect((await of().jump({ path: 'normal' })).stuckOn).toBeNull();
  });

  it('hangs where the console is below a root port whose bus mastering gates what the processor asks', async () => {
    const functions: FunctionDescription[] = [
      { slot: '00:01.0', ...PORT, secondary: 1 },
      {
        slot: '01:00.0',
        vendor: 0x1a03,
        device: 0x2000,
        classCode: 0x030000,
        workload: 'display',
        holds: ['console'],
        ...endpoint,
        driver: { name: 'ast', shutdown: true },
      },
    ];
    const of = (rootPortGatesMmio: boolean) => make(functions, { rules: { rootPortGatesMmio } });
    const result = await of(true).jump({ path: 'normal' });
    expect([result.verdict, result.reached]).toEqual(['hung', 'shutdown']);
    expect(result.stuckOn?.slots).toEqual([slot('00:01.0'), slot('01:00.0')]);
    expect((await of(false).jump({ path: 'normal' })).stuckOn).toBeNull();
    const leaves = functions.map((one, i) =>
      i === 0 ? { ...one, driver: { name: 'pcieport', shutdown: true } } : one,
    );
    expect(
      (await make(leaves, { rules: { rootPortGatesMmio: true } }).jump({ path: 'normal' })).stuckOn,
    ).toBeNull();
  });

  it('clears bus mastering of what has a driver, on the way to kexec only, and skips the rest', async () => {
    const functions: FunctionDescription[] = [
      { slot: '00:05.0', ...NIC, messages: 'msi', driver: { ...e1000e, shutdown: false } },
      { slot: '00:06.0', ...NIC, leftBy: 'driver' },
    ];
    const masters: boolean[][] = [];
    const lastAct = (machine: SimMachine) =>
      masters.push([...machine.functions.values()].map((fn) => fn.busMaster));
    for (const clearsBusMasters of [true, false]) {
      await make(functions).jump({ path: 'normal', clearsBusMasters, lastAct, ticks: 1 });
    }
    expect(masters).toEqual([
      [false, true],
      [true, true],
    ]);
  });
});

describe('a function-level reset', () => {
  const functions = (lateCompletionTicks: number): FunctionDescription[] => [
    { slot: '00:01.0', ...PORT, secondary: 1 },
    { slot: '01:00.0', ...NIC, ...endpoint, flr: true, driver: e1000e, faults: { lateCompletionTicks } },
  ];

  it('waits for what the function has asked for, and sets it going again', () => {
    const machine = make(functions(3000), { platform: 'hpe-like' });
    const fn = machine.functions.get(slot('01:00.0'));
    for (let i = 0; i < 2000 && fn?.outstanding === 0; i++) machine.run(1);
    expect(fn?.outstanding).toBeGreaterThan(0);
    const command = fn?.command;
    const before = machine.now;
    if (fn) machine.kernel?.reset(fn);
    expect(machine.now - before).toBeGreaterThanOrEqual(1000);
    machine.run(5000);
    expect([machine.cpu.stuck, fn?.command, fn?.device?.busy]).toEqual([null, command, true]);
    expect(machine.kernel?.drives(slot('01:00.0'))).toBe(true);
  });

  it('keeps the function from asking and writing for more while it waits', () => {
    const machine = make(functions(0));
    const fn = functionAt(machine, slot('01:00.0'));
    fn.arm({ pendingForever: true });
    const sent = eventsOf(machine, 'dma', 'read', 'message');
    const from = machine.now;
    machine.kernel?.reset(fn);
    const passed = sent.filter((event) => (event.kind === 'read' ? event.tick : event.sent) > from);
    expect(passed.filter((event) => event.kind === 'read' || event.refusedBy === null)).toEqual([]);
  });

  it('does not wait where nothing is pending, nor for ever', () => {
    const machine = make(functions(0));
    const fn = machine.functions.get(slot('01:00.0'));
    for (let i = 0; i < 2000 && fn?.outstanding !== 0; i++) machine.run(1);
    const before = machine.now;
    if (fn) machine.kernel?.reset(fn);
    expect(machine.now).toBe(before);
    fn?.arm({ pendingForever: true });
    if (fn) machine.kernel?.reset(fn);
    expect(machine.now - before).toBe(15_000);
  });
});

describe('what firmware holds back', () => {
  it('is written once the next driver lets the device master the bus again, and not if it was reset', async () => {
    const of = (workload: 'buffering-nic' | 'nic') =>
      make([
        {
          slot: '00:05.0',
          ...NIC,
          ...endpoint,
          flr: true,
          workload,
          driver: { name: 'ena', shutdown: 'disables' },
        },
      ]);
    const late = async (machine: SimMachine, before?: (m: SimMachine) => Promise<void>) => {
      const result = await machine.jump({ path: 'normal', ...(before ? { before } : {}) });
      const bound = result.timeline.find(({ text }) => text === 'it binds its drivers')?.tick ?? 0;
      return result.writes.filter(({ tick }) => tick >= bound).length;
    };
    expect(await late(of('buffering-nic'))).toBeGreaterThan(5);
    expect(await late(of('nic'))).toBe(0);
    const unbind = async (machine: SimMachine) => {
      const fn = machine.functions.get(slot('00:05.0'));
      if (fn) machine.kernel?.unbind(fn);
    };
    expect(await late(of('buffering-nic'), unbind)).toBe(0);
  });
});

describe('the processor', () => {
  it('gets nowhere where errors come faster than they are logged', () => {
    const machine = make([]);
    const { kernel } = machine;
    for (let i = 0; i < 20; i++) kernel?.burden(5, 'errors', []);
    expect(machine.cpu.stuck).toBeNull();
    kernel?.burden(5, 'errors', [slot('00:01.0')]);
    expect(machine.cpu.stuck?.on).toContain('faster than they can be logged');
  });

  it('does where they come now and then', () => {
    const machine = make([]);
    for (let i = 0; i < 100; i++) {
      machine.kernel?.burden(5, 'errors', []);
      machine.run(10);
    }
    expect(machine.cpu.stuck).toBeNull();
  });
});
