import { describe, expect, it } from 'vitest';
import { ALONE, BELOW, DOWN, functionAt, PORT, quietMachine } from '../../test/support/quiet-machine.js';
import * as regs from '../pci/regs.js';
import { Hang } from './hang.js';

describe('an access of the processor', () => {
  it('hangs below a root port that may not master the bus, where that port gates it, too', () => {
    const port = quietMachine({ rules: { rootPortGatesMmio: true } });
    port.configWrite(functionAt(port, PORT), regs.PCI_COMMAND, 2, 0, 'host');
    expect(port.cpu.mmio(functionAt(port, PORT))).toBe(true);
    for (const [rootPortGatesMmio, gate] of [
      [true, PORT],
      [true, DOWN],
      [false, PORT],
    ] as const) {
      const machine = quietMachine({ rules: { rootPortGatesMmio } });
      const fn = functionAt(machine, BELOW);
      expect(machine.cpu.mmio(fn)).toBe(true);
      machine.configWrite(functionAt(machine, gate), regs.PCI_COMMAND, 2, 0, 'host');
      const access = () => machine.cpu.mmio(fn);
      if (rootPortGatesMmio && gate === PORT) expect(access).toThrow(Hang);
      else expect(access()).toBe(true);
      // Configuration accesses are not affected, and neither is what is elsewhere.
      expect(machine.configRead(fn, 0, 2)).toBe(0x8086);
      if (machine.cpu.stuck === null) expect(machine.cpu.mmio(functionAt(machine, ALONE))).toBe(true);
      else expect(machine.cpu.stuck.slots).toEqual([PORT, BELOW]);
    }
  });

  it('reads ones where nothing answers', () => {
    const machine = quietMachine();
    functionAt(machine, BELOW).vanish();
    expect(machine.cpu.mmio(functionAt(machine, BELOW))).toBe(false);
  });
});

describe('what stops it', () => {
  it('counts once, is told once, and ends with the power', () => {
    const machine = quietMachine();
    const told: string[] = [];
    machine.observe((event) => event.kind === 'hung' && told.push(event.on));
    machine.cpu.hang('timer', 'this', ['a']);
    machine.cpu.hang('timer', 'that', ['b']);
    expect(machine.cpu.stuck).toEqual({ on: 'this', slots: ['a'], cause: 'timer' });
    expect(told).toEqual(['this']);
    machine.powerCycle();
    expect(machine.cpu.stuck).toBeNull();
    machine.run(10);
  });
});
