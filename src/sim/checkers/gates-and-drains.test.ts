import { describe, expect, it } from 'vitest';
import {
  ALONE,
  BELOW,
  DOWN,
  freePages,
  functionAt,
  PORT,
  quietMachine,
} from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import type { SimMachine } from '../machine.js';
import { DrainChecker, GateChecker } from './gates-and-drains.js';

const machineOf = () => quietMachine({ rules: { uncorrectableError: 'nothing' } });
const setCommand = (machine: SimMachine, slot: Slot, value: number) =>
  machine.configWrite(functionAt(machine, slot), regs.PCI_COMMAND, 2, value, 'host');

/** The machine goes on as if this function could master the bus, whatever its registers say. */
function forget(machine: SimMachine, slot: Slot): void {
  Object.defineProperty(functionAt(machine, slot), 'busMaster', { get: () => true });
}

describe('the gate checker', () => {
  it.each([BELOW, DOWN, PORT])('sees what gets past %s', (gate) => {
    const machine = machineOf();
    const checker = new GateChecker(machine);
    forget(machine, gate);
    setCommand(machine, gate, 0);
    machine.run(2);
    machine.bus.write(functionAt(machine, BELOW), freePages(machine, 1)[0] ?? 0, 4);
    machine.run(5);
    expect(checker.violations).toHaveLength(1);
    expect(checker.violations[0]).toContain(gate);
    machine.bus.message(functionAt(machine, BELOW), 1);
    machine.run(5);
    expect(checker.violations).toHaveLength(2);
    machine.bus.read(functionAt(machine, BELOW), freePages(machine, 1)[0] ?? 0);
    expect(checker.violations).toHaveLength(3);
    expect(checker.violations[2]).toContain(' reads ');
  });

  it('sees it although bus mastering is back by the time that the write lands', () => {
    const machine = machineOf();
    const checker = new GateChecker(machine);
    forget(machine, DOWN);
    setCommand(machine, DOWN, 0);
    machine.run(5);
    machine.bus.write(functionAt(machine, BELOW), freePages(machine, 1)[0] ?? 0, 4);
    machine.schedule.at(machine.now + 1, () => setCommand(machine, DOWN, 4));
    machine.run(5);
    expect(checker.passed).toBe(1);
    expect(checker.violations.length).toBeLessThanOrEqual(1);
  });

  it('sees a function that a reset has gated', () => {
    const machine = machineOf();
    const checker = new GateChecker(machine);
    forget(machine, BELOW);
    machine.configWrite(functionAt(machine, DOWN), regs.PCI_BRIDGE_CONTROL, 2, 0x40, 'host');
    machine.run(2);
    machine.bus.write(functionAt(machine, BELOW), freePages(machine, 1)[0] ?? 0, 4);
    machine.run(5);
    expect(checker.violations).toHaveLength(1);
  });

  it('has nothing against what was on its way, a device known to ignore its own, or another power-on', () => {
    const machine = machineOf();
    const checker = new GateChecker(machine);
    const [address = 0] = freePages(machine, 1);
    machine.run(2);
    machine.bus.write(functionAt(machine, BELOW), address, 4);
    setCommand(machine, DOWN, 0);
    machine.run(5);
    functionAt(machine, ALONE).arm({ ignoreBme: true });
    setCommand(machine, ALONE, 0);
    machine.run(2);
    machine.bus.write(functionAt(machine, ALONE), address, 4);
    machine.run(5);
    setCommand(machine, DOWN, 4);
    machine.run(2);
    machine.bus.write(functionAt(machine, BELOW), address, 4);
    machine.run(5);
    expect(checker.passed).toBe(3);
    machine.powerCycle();
    machine.run(2);
    machine.bus.write(functionAt(machine, BELOW), address, 4);
    machine.run(5);
    expect([checker.passed, checker.violations]).toEqual([4, []]);
  });
});

describe('the gate checker, over a power cycle', () => {
  it('goes by what the boot leaves, and not by what it finds half way', () => {
    // The first to be bound tells of itself; bus mastering of the others comes later, and without a write.
    const driver = { name: 'e1000e', shutdown: true };
    const machine = quietMachine({}, (of) =>
      of.slot === ALONE ? { ...of, driver } : of.slot === BELOW ? { ...of, vfs: 1, vfDriver: null } : of,
    );
    const checker = new GateChecker(machine);
    machine.powerCycle();
    machine.run(10);
    machine.bus.message(functionAt(machine, BELOW), 1);
    // A write to something above, for which all below is looked at again while the message is on its way.
    machine.configWrite(functionAt(machine, DOWN), regs.PCI_INTERRUPT_LINE, 1, 5, 'host');
    machine.run(5);
    expect([checker.passed, checker.violations]).toEqual([1, []]);
    // What is gated after it is seen all the same.
    forget(machine, DOWN);
    setCommand(machine, DOWN, 0);
    machine.run(2);
    machine.bus.message(functionAt(machine, BELOW), 1);
    machine.run(5);
    expect(checker.violations).toHaveLength(1);
  });
});

describe('the drain checker', () => {
  const send = (machine: SimMachine, count: number) => {
    for (const address of freePages(machine, count)) {
      machine.bus.write(functionAt(machine, BELOW), address, 4);
      machine.run(1);
    }
  };

  it('has nothing against writes that land, are refused, or go with the power', () => {
    const machine = machineOf();
    const checker = new DrainChecker(machine);
    send(machine, 200);
    setCommand(machine, PORT, 0);
    send(machine, 200);
    setCommand(machine, PORT, 4);
    send(machine, 2);
    machine.powerCycle();
    send(machine, 200);
    checker.check();
    expect(checker.violations).toEqual([]);
  });

  it('sees a write that gets lost', () => {
    const machine = machineOf();
    const checker = new DrainChecker(machine);
    send(machine, 3);
    functionAt(machine, BELOW).posted.pop();
    send(machine, 100);
    expect(checker.violations.length).toBeGreaterThan(0);
  });

  it('sees a write that lands late, or not at all', () => {
    const machine = machineOf();
    const checker = new DrainChecker(machine);
    const fn = functionAt(machine, BELOW);
    const [address = 0] = freePages(machine, 1);
    machine.bus.posted++;
    machine.bus.waiting.add(fn);
    fn.posted.push({ due: machine.now + 50, sent: machine.now, address, length: 4, messages: 0 });
    machine.run(20);
    checker.check();
    expect(checker.violations).toHaveLength(1);
    machine.configRead(fn, 0, 4);
    expect(checker.violations.at(-1)).toMatch(/lands late/);
  });

  it('sees one that nobody was told of', () => {
    const machine = machineOf();
    const checker = new DrainChecker(machine);
    machine.bus.posted++;
    machine.bus.landed++;
    send(machine, 3);
    expect(checker.violations.length).toBeGreaterThan(0);
  });
});
