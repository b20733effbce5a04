import { describe, expect, it } from 'vitest';
import type { Host } from '../host/port.js';
import * as regs from '../pci/regs.js';
import type { Slot } from '../pci/slot.js';
import { createMachine, type FunctionDescription, type MachineDescription } from './index.js';

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
function sharing(messages: 'msi' | undefined): MachineDescription {
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
  };
  return { name: 'sharing', captureDrivers: ['i801_smbus'], functions: [nic, OTHER] };
}

const setCommand = (value: number) => (host: Host) => host.write(NIC, regs.PCI_COMMAND, 2, value);

describe('INTx', () => {
  it('is asserted by Status and kept off by INTx-disable', () => {
    const machine = createMachine(sharing(undefined));
    const fn = machine.functions.get(NIC);
    fn?.setCause(true);
    expect(fn?.assertsIntx).toBe(true);
    fn?.write(regs.PCI_COMMAND, 2, regs.PCI_COMMAND_INTX_DISABLE);
    expect(fn?.assertsIntx).toBe(false);
    expect((fn?.read(regs.PCI_STATUS, 2) ?? 0) & regs.PCI_STATUS_INTERRUPT).not.toBe(0);
  });

  it('gives way to MSI while that is enabled', () => {
    const machine = createMachine(sharing('msi'));
    const fn = machine.functions.get(NIC);
    const flags = (fn?.layout.msi ?? 0) + regs.PCI_MSI_FLAGS;
    fn?.write(flags, 2, 0);
    fn?.write(regs.PCI_COMMAND, 2, 0);
    fn?.setCause(true);
    expect(fn?.assertsIntx).toBe(true);
    fn?.write(flags, 2, regs.PCI_MSI_FLAGS_ENABLE);
    expect(fn?.assertsIntx).toBe(false);
  });

  it('does not storm while its driver serves it', () => {
    const machine = createMachine(sharing(undefined));
    machine.run(3000);
    expect(machine.interrupts.unclaimed).toBe(0);
    expect(machine.interrupts.disabledLines.size).toBe(0);
  });

  it('storms where it has no driver and the line is open', async () => {
    const result = await createMachine(sharing(undefined)).jump({ path: 'crash' });
    expect(result.storms.map(({ line }) => line)).toEqual([18]);
    const shut = await createMachine(sharing(undefined)).jump({ path: 'crash', between: setCommand(0x0402) });
    expect([shut.storms, shut.interruptsUnclaimed, shut.verdict]).toEqual([[], 0, 'clean']);
  });

  it('is what a function falls back to when the next kernel turns MSI off', async () => {
    const kept = await createMachine(sharing('msi')).jump({ path: 'crash' });
    expect(kept.storms).toEqual([]);
    const free = await createMachine(sharing('msi')).jump({ path: 'crash', between: setCommand(0x0006) });
    expect(free.storms.map(({ line, slots }) => [line, slots])).toEqual([[18, [NIC]]]);
  });
});

describe('messages', () => {
  it('wait while nobody listens, one for each function, and find no handler then', async () => {
    const result = await createMachine(sharing('msi')).jump({ path: 'crash', between: setCommand(0x0402) });
    expect(result.interruptsUnclaimed).toBe(1);
  });

  it('need bus mastering like any write', async () => {
    const machine = createMachine(sharing('msi'));
    const fn = machine.functions.get(NIC);
    expect(fn && machine.bus.message(0, fn)).toBe(true);
    await setCommand(0x0402)(machine.host);
    expect(fn && machine.bus.message(0, fn)).toBe(false);
  });
});
