import { describe, expect, it } from 'vitest';
import {
  ALONE,
  BELOW,
  DOWN,
  eventsOf,
  functionAt,
  PORT,
  quietMachine,
} from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import type { FunctionDescription } from '../description.js';
import * as hw from '../functions/regs.js';
import { simHost } from '../host.js';
import { WriteChecker } from './writes.js';

const BAR_0 = hw.PCI_BASE_ADDRESS_0;
const gate = (command: number) => (command & ~regs.PCI_COMMAND_MASTER) | regs.PCI_COMMAND_INTX_DISABLE;

function watched(change?: (of: FunctionDescription) => FunctionDescription) {
  const machine = quietMachine({}, change);
  const checker = new WriteChecker(machine);
  const stub = simHost(machine, 'stub');
  const command = (slot: Slot, of: (command: number) => number) =>
    stub.write(slot, regs.PCI_COMMAND, 2, of(functionAt(machine, slot).command));
  return { machine, checker, stub, command };
}

describe('the write checker', () => {
  it('sees a stub that writes 0 to a base address register, in a jump', async () => {
    const { machine, checker } = watched();
    const { space } = functionAt(machine, BELOW);
    space.set(BAR_0, 4, 0xc010_0000);
    space.allowWrites(BAR_0, 4, 0xfff0_0000);
    await machine.jump({ path: 'normal', between: (host) => host.write(BELOW, BAR_0, 4, 0) });
    expect(checker.violations).toHaveLength(1);
    expect(checker.violations[0]).toContain(`the stub changes ${BELOW} register 10: c0100000 → 00000000`);
  });

  it.each([
    ['the rest of Command', regs.PCI_COMMAND, 2, 0],
    ['Command and Status as one', regs.PCI_COMMAND, 4, 0],
    ['the low byte of Command', regs.PCI_COMMAND, 1, 0],
    ['the interrupt line', regs.PCI_INTERRUPT_LINE, 1, 0xff],
    ['the cache line size', hw.PCI_CACHE_LINE_SIZE, 1, 0x10],
  ] as const)('sees a change to %s', async (_, offset, width, value) => {
    const { machine, checker, command, stub } = watched();
    await command(ALONE, (was) => was | regs.PCI_COMMAND_MEMORY | regs.PCI_COMMAND_MASTER);
    checker.violations.length = 0;
    functionAt(machine, ALONE).space.set(hw.PCI_CACHE_LINE_SIZE, 1, 0);
    await stub.write(ALONE, offset, width, value);
    expect(checker.violations).toHaveLength(1);
  });

  it.each(['msi', 'msix'] as const)('allows the enable bits of %s and nothing beside them', async (kind) => {
    const { machine, checker, stub } = watched((of) => (of.slot === ALONE ? { ...of, messages: kind } : of));
    const { layout } = functionAt(machine, ALONE);
    const at = (layout[kind] ?? 0) + regs.PCI_MSI_FLAGS;
    const bits =
      kind === 'msi' ? regs.PCI_MSI_FLAGS_ENABLE : regs.PCI_MSIX_FLAGS_ENABLE | regs.PCI_MSIX_FLAGS_MASKALL;
    const was = await stub.read(ALONE, at, 2);
    await stub.write(ALONE, at, 2, was | bits);
    await stub.write(ALONE, at, 2, was & ~bits);
    expect([checker.changed, checker.violations]).toEqual([2, []]);
    // Where the other kind would have its flags there is nothing of this function to change.
    functionAt(machine, ALONE).space.allowWrites(at, 2, 0xffff);
    await stub.write(ALONE, at, 2, was ^ 0x0010);
    expect(checker.violations).toHaveLength(1);
  });

  it('has nothing against gating from below, which is all that changes', async () => {
    const { checker, command } = watched();
    for (const slot of [BELOW, DOWN, '0000:01:00.0' as Slot, PORT]) await command(slot, gate);
    expect([checker.changed, checker.closed, checker.violations]).toEqual([4, 3, []]);
  });

  it.each([DOWN, PORT])('sees %s gated above a live function', async (bridge) => {
    const { checker, command } = watched();
    await command(bridge, gate);
    expect(checker.violations).toHaveLength(1);
    expect(checker.violations[0]).toContain(bridge);
    expect(checker.violations[0]).toMatch(/live below it$/);
  });

  it('counts a function that cannot be gated as live, and one that is not there or ignores its own BME as not', async () => {
    for (const faults of [{ ignoreWrites: true }, { busMasterReadOnly: true }]) {
      const { machine, checker, command } = watched();
      functionAt(machine, BELOW).arm(faults);
      await command(BELOW, gate);
      await command(DOWN, gate);
      expect(checker.violations).toHaveLength(1);
    }
    const gone = watched();
    functionAt(gone.machine, BELOW).vanish();
    await gone.command(DOWN, gate);
    const ignoring = watched();
    functionAt(ignoring.machine, BELOW).arm({ ignoreBme: true });
    await ignoring.command(BELOW, gate);
    await ignoring.command(DOWN, gate);
    expect([...gone.checker.violations, ...ignoring.checker.violations]).toEqual([]);
  });

  it('knows what a kernel writes when it is asked to unbind, bind or reset', async () => {
    const driver = { name: 'e1000e', shutdown: true };
    const { machine, checker } = watched((of) => (of.slot === BELOW ? { ...of, driver } : of));
    const writes = eventsOf(machine, 'config-write');
    const { actions } = machine.host;
    await actions?.reset(BELOW);
    await actions?.unbind(BELOW, driver.name);
    await actions?.bind(BELOW, driver.name);
    expect(writes.length).toBeGreaterThan(4);
    expect(new Set(writes.map(({ by }) => by))).toEqual(new Set(['old-kernel']));
    expect([checker.changed, checker.violations]).toEqual([0, []]);
  });
});
