import { describe, expect, it } from 'vitest';
import { BELOW, eventsOf, functionAt, quietMachine } from '../../../test/support/quiet-machine.js';
import type { Host } from '../../host/port.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import { createMachine, type FunctionDescription, type MachineDescription } from '../index.js';

const NIC = '0000:00:05.0' as Slot;
const OTHER: FunctionDescription = {
  slot: '00:1f.3',
  vendor: 0x8086,
  device: 0x2930,
  classCode: 0x0c0500,
  pin: 3,
  line: 18,
  driver: { name: 'i801_smbus', shutdown: true },
};

/** A network adapter whose line another function shares, which the capture kernel drives. */
function sharing(
  messages: 'msi' | undefined,
  change: Partial<FunctionDescription> = {},
  of: Partial<MachineDescription> = {},
): MachineDescription {
  const nic: FunctionDescription = {
    slot: NIC,
    vendor: 0x8086,
    device: 0x107c,
    classCode: 0x020000,
    workload: 'nic',
    pin: 1,
    line: 18,
    driver: { name: 'e1000', shutdown: true },
    ...(messages === undefined ? {} : { messages }),
    ...change,
  };
  return { name: 'sharing', captureDrivers: ['i801_smbus'], functions: [nic, OTHER], ...of };
}

const setCommand = (value: number) => (host: Host) => host.write(NIC, regs.PCI_COMMAND, 2, value);
const crash = { path: 'crash', reboot: false } as const;

describe('INTx', () => {
  it('is asserted by Status and kept off by INTx-disable', () => {
    const machine = createMachine(sharing(undefined));
    machine.interrupts.attach(null);
    const fn = machine.functions.get(NIC);
    fn?.setCause(true);
    expect(fn?.assertsIntx).toBe(true);
    fn?.write(regs.PCI_COMMAND, 2, regs.PCI_COMMAND_INTX_DISABLE);
    expect(fn?.assertsIntx).toBe(false);
    expect((fn?.read(regs.PCI_STATUS, 2) ?? 0) & regs.PCI_STATUS_INTERRUPT).not.toBe(0);
  });

  it('gives way to MSI while that is enabled, and comes out when it is turned off', () => {
    const machine = createMachine(sharing('msi'));
    machine.interrupts.attach(null);
    const fn = machine.functions.get(NIC);
    const flags = (fn?.layout.msi ?? 0) + regs.PCI_MSI_FLAGS;
    fn?.write(regs.PCI_COMMAND, 2, regs.PCI_COMMAND_MASTER);
    if (fn) machine.interrupts.raise(fn);
    expect(fn?.assertsIntx).toBe(false);
    fn?.write(flags, 2, 0);
    expect(fn?.assertsIntx).toBe(true);
    fn?.write(flags, 2, regs.PCI_MSI_FLAGS_ENABLE);
    expect(fn?.assertsIntx).toBe(false);
  });

  it('does not storm while its driver serves it', () => {
    const machine = createMachine(sharing(undefined));
    machine.run(3000);
    expect(machine.interrupts.unclaimed).toBe(0);
    expect(machine.interrupts.nobodyCared.disabled.size).toBe(0);
    expect(machine.functions.get(NIC)?.device?.busy).toBe(true);
  });

  it('storms where it has no driver and the line is open', async () => {
    const result = await createMachine(sharing(undefined)).jump(crash);
    expect(result.storms.map(({ line, slots }) => [line, slots])).toEqual([[18, [NIC]]]);
    expect(result.interruptsUnclaimed).toBeGreaterThan(99_900);
    const shut = await createMachine(sharing(undefined)).jump({ ...crash, between: setCommand(0x0402) });
    expect([shut.storms, shut.interruptsUnclaimed, shut.verdict]).toEqual([[], 0, 'clean']);
  });

  it('is heard no more once its line was given up', async () => {
    const result = await createMachine(sharing(undefined)).jump({ ...crash, ticks: 4000 });
    expect(result.storms).toHaveLength(1);
    expect(result.interruptsUnclaimed).toBeLessThan(102_000);
  });

  it('that is taken back before anybody looked counts as one', () => {
    const machine = createMachine(sharing(undefined));
    const fn = machine.functions.get(NIC);
    machine.kernel?.unbind(fn as NonNullable<typeof fn>);
    fn?.write(regs.PCI_COMMAND, 2, 0);
    fn?.setCause(true);
    machine.run(0);
    fn?.setCause(false);
    machine.run(100);
    expect(machine.interrupts.unclaimed).toBe(1);
  });

  it('does not storm where the line is not open', async () => {
    const result = await createMachine(sharing(undefined)).jump({ ...crash, drivers: [] });
    expect(result.storms).toEqual([]);
  });

  it('comes out of a chipset on another line while its own pin is masked', async () => {
    const nic = { line: 40 };
    const rerouted = sharing(undefined, nic, { rules: { bootInterruptLine: 18 } });
    const result = await createMachine(rerouted).jump(crash);
    expect(result.storms.map(({ line, slots }) => [line, slots])).toEqual([[18, [NIC]]]);
    expect((await createMachine(sharing(undefined, nic)).jump(crash)).storms).toEqual([]);
    const shut = await createMachine(rerouted).jump({ ...crash, between: setCommand(0x0402) });
    expect(shut.storms).toEqual([]);
  });

  it('of a given-up line reaches nobody who shares it', async () => {
    const disk: FunctionDescription = {
      slot: '00:1f.2',
      vendor: 0x8086,
      device: 0x2922,
      classCode: 0x010601,
      workload: 'ahci',
      pin: 2,
      line: 18,
      driver: { name: 'ahci', shutdown: true },
    };
    const of = (line: number): MachineDescription => {
      const { functions } = sharing(undefined);
      return { name: 'disk', captureDrivers: ['ahci'], functions: [...functions, { ...disk, line }] };
    };
    const shared = await createMachine(of(18)).jump(crash);
    expect(shared.verdicts).toContain('irq-storm');
    expect(shared.lost).toEqual([
      { slot: '0000:00:1f.2', driver: 'ahci', cause: 'line-given-up', why: 'interrupt line 18 was given up' },
    ]);
    const apart = await createMachine(of(19)).jump(crash);
    expect([apart.storms, apart.lost]).toEqual([[], []]);
  });
});

describe('INTx after MSI', () => {
  const lost = { driver: { name: 'e1000', shutdown: false } };
  const normal = { path: 'normal', drivers: ['i801_smbus'] } as const;

  it('storms once enumeration turns MSI off under a device that has no INTx-disable', async () => {
    const result = await createMachine(sharing('msi', { intxDisable: false })).jump(crash);
    expect(result.storms.map(({ line, slots }) => [line, slots])).toEqual([[18, [NIC]]]);
    for (const change of [{}, { intxDisable: false, pin: 0 }]) {
      expect((await createMachine(sharing('msi', change)).jump(crash)).storms).toEqual([]);
    }
  });

  it('storms where 3.13 turned MSI off and INTx on at shutdown, not today', async () => {
    const storms = async (era: '3.13' | 'today', change: Partial<FunctionDescription> = {}) => {
      const lines = new Set<number>();
      const gated = new Set<number>();
      for (let seed = 0; seed < 5; seed++) {
        // Few buffers, so that most runs come far enough for a driver to open the line.
        const of = sharing('msi', { ...lost, workload: 'egpu', ...change }, { era });
        const bare = await createMachine(of, { seed }).jump(normal);
        const shut = await createMachine(of, { seed }).jump({ ...normal, between: setCommand(0x0402) });
        for (const { line } of bare.storms) lines.add(line);
        for (const { line } of shut.storms) gated.add(line);
      }
      return [[...lines], [...gated]];
    };
    expect(await storms('3.13')).toEqual([[18], []]);
    expect(await storms('today')).toEqual([[], []]);
    expect(await storms('3.13', { pin: 0 })).toEqual([[], []]);
  });
});

describe('a kernel that turns interrupts on', () => {
  /** A function on a line of its own, whose driver would serve it, and a processor that takes no interrupts now. */
  const masked = () => {
    const machine = createMachine({ name: 'alone', captureDrivers: [], functions: [OTHER] });
    machine.interrupts.attach(null);
    return { machine, fn: functionAt(machine, '0000:00:1f.3' as Slot), interrupts: machine.interrupts };
  };

  it('takes once the message that came meanwhile, however often it came', () => {
    const machine = quietMachine();
    const { interrupts, kernel } = machine;
    interrupts.attach(null);
    machine.bus.message(functionAt(machine, BELOW), 3);
    machine.run(5);
    interrupts.attach(kernel);
    expect(interrupts.unclaimed).toBe(1);
    interrupts.attach(kernel);
    expect(interrupts.unclaimed).toBe(0);
  });

  it('takes the line that the local APIC accepted meanwhile', () => {
    const { machine, fn, interrupts } = masked();
    fn.setCause(true);
    machine.run(5);
    expect([...interrupts.localApic.pending]).toEqual([18]);
    interrupts.attach(machine.kernel);
    machine.run(5);
    expect([[...interrupts.localApic.pending], fn.assertsIntx]).toEqual([[], false]);
  });

  it('counts anew, and gives a line another chance that the one before gave up', () => {
    const { machine, interrupts } = masked();
    interrupts.nobodyCared.note(18, 100_000, false);
    interrupts.nobodyCared.note(19, 99_999, false);
    interrupts.attach(machine.kernel);
    expect(interrupts.nobodyCared.disabled.size).toBe(0);
    expect(interrupts.nobodyCared.note(19, 1, false)).toBe(false);
  });

  it('finds pending what the one before had accepted and not taken', () => {
    const { machine, fn, interrupts } = masked();
    interrupts.attach(machine.kernel);
    fn.setCause(true);
    interrupts.attach(null);
    machine.run(5);
    expect([[...interrupts.localApic.pending], interrupts.localApic.inService]).toEqual([[18], []]);
  });

  it('finds in service, and unended, what nobody had quieted when the one before turned them off', () => {
    const { machine, fn, interrupts } = masked();
    machine.kernel?.irqs.get(18)?.actions.clear();
    interrupts.attach(machine.kernel);
    fn.setCause(true);
    machine.run(2);
    interrupts.attach(null);
    machine.run(100);
    expect([interrupts.localApic.inService, interrupts.controller.unended()]).toEqual([[18], [18]]);
  });
});

describe('messages', () => {
  it('are not sent while Function Mask of MSI-X is set', () => {
    const machine = createMachine(sharing(undefined, { messages: 'msix' }));
    const fn = functionAt(machine, NIC);
    const messages = eventsOf(machine, 'message');
    machine.run(500);
    expect(messages.length).toBeGreaterThan(0);
    const flags = regs.PCI_MSIX_FLAGS_ENABLE | regs.PCI_MSIX_FLAGS_MASKALL;
    fn.write((fn.layout.msix ?? 0) + regs.PCI_MSIX_FLAGS, 2, flags);
    machine.run(5);
    messages.length = 0;
    machine.run(500);
    expect(messages).toEqual([]);
  });

  const repeating = { repeatsMessages: true, driver: { name: 'ixgbe', shutdown: false } };

  it('that repeat themselves never let the next kernel come past turning interrupts on', async () => {
    const result = await createMachine(sharing('msi', repeating)).jump(crash);
    expect([result.verdict, result.reached, result.stuckOn?.slots]).toEqual(['hung', 'early', [NIC]]);
    expect(result.stuckOn?.on).toContain('the instruction after that is never reached');
  });

  it('do not where the device sends one and waits, or its messages or its bus mastering are off', async () => {
    const once = await createMachine(sharing('msi', { driver: repeating.driver })).jump(crash);
    expect(once.reached).toBe('running');
    const machine = createMachine(sharing('msi', repeating));
    const flags = (machine.functions.get(NIC)?.layout.msi ?? 0) + regs.PCI_MSI_FLAGS;
    const early = await machine.jump({
      ...crash,
      early: (m) => m.functions.get(NIC)?.write(flags, 2, 0),
    });
    expect(early.reached).toBe('running');
    const gated = await createMachine(sharing('msi', repeating)).jump({
      ...crash,
      between: setCommand(0x0402),
    });
    expect([gated.verdict, gated.reached]).toEqual(['clean', 'running']);
  });

  it('are noted in memory of the kernel that booted from power-on, where the controller keeps tables', async () => {
    const of = (pendingTables: boolean) =>
      sharing('msi', { driver: { name: 'e1000', shutdown: true } }, { rules: { pendingTables } });
    const result = await createMachine(of(true)).jump({ path: 'normal', clearsBusMasters: true });
    expect(result.verdict).toBe('corrupted');
    for (const { writers } of result.corrupted) expect(writers).toEqual(['platform']);
    const without = await createMachine(of(false)).jump({ path: 'normal', clearsBusMasters: true });
    expect(without.verdict).toBe('clean');
  });
});

describe('Remote IRR', () => {
  const driven = (era: '2006' | 'today') =>
    sharing(undefined, {}, { era, captureDrivers: ['e1000', 'i801_smbus'], rules: { timerLine: 2 } });

  /** A machine with a level interrupt in service, whose end will never come if it panics now. */
  function inService(era: '2006' | 'today') {
    const machine = createMachine(driven(era));
    for (let i = 0; i < 500 && machine.interrupts.localApic.inService.length === 0; i++) machine.run(1);
    expect(machine.interrupts.localApic.inService).toEqual([18]);
    return machine;
  }

  it('stays set where a panic takes the end of an interrupt, and the next kernel of 2006 hears no more', async () => {
    const machine = inService('2006');
    const result = await machine.jump(crash);
    expect(result.lost).toEqual([
      { slot: NIC, driver: 'e1000', cause: 'never-served', why: 'no interrupt of it was ever handled' },
    ]);
    expect(machine.interrupts.controller.unended()).toEqual([18]);
  });

  it('is cleared by today\u2019s, which end every pin on both sides', async () => {
    const machine = inService('today');
    const left: (readonly number[])[] = [];
    const between = async () => {
      left.push(machine.interrupts.controller.unended());
    };
    const result = await machine.jump({ ...crash, between });
    expect([result.lost, left]).toEqual([[], [[]]]);
  });
});

describe('a write to the EOI register', () => {
  it('reaches an IO-APIC, and no IOSAPIC, and only from the processor that took the interrupt', () => {
    const left = (platform: 'x86-server' | 'ia64', cpu: number) => {
      const machine = createMachine(sharing(undefined, {}, { platform }));
      const { interrupts } = machine;
      for (let i = 0; i < 500 && interrupts.localApic.inService.length === 0; i++) machine.run(1);
      interrupts.attach(null);
      interrupts.controller.maskAll();
      const ended = interrupts.endOfInterrupt(cpu);
      return [ended, interrupts.controller.unended()];
    };
    expect(left('x86-server', 0)).toEqual([18, []]);
    expect(left('x86-server', 1)).toEqual([null, [18]]);
    expect(left('ia64', 0)).toEqual([18, [18]]);
  });
});

describe('the timer', () => {
  const jump = (toBootCpuOnly: boolean, crashCpu: number) => {
    const rules = { legacyInterruptsToBootCpuOnly: toBootCpuOnly };
    return createMachine(sharing(undefined, {}, { rules })).jump({ ...crash, crashCpu });
  };

  it('hangs calibrate_delay where its interrupt reaches the boot processor only and another one panicked', async () => {
    const result = await jump(true, 3);
    expect([result.verdict, result.reached]).toEqual(['hung', 'early']);
    expect(result.stuckOn?.on).toContain('calibrate_delay');
  });

  it('does not on the boot processor, nor where it reaches all', async () => {
    expect((await jump(true, 0)).reached).toBe('running');
    expect((await jump(false, 3)).reached).toBe('running');
  });
});
