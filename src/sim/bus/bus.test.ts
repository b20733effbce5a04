import { describe, expect, it } from 'vitest';
import {
  ALONE,
  BELOW,
  DOWN,
  eventsOf,
  freePages,
  functionAt,
  OLD,
  OTHER,
  PCI_BRIDGE,
  PORT,
  quietMachine,
  UP,
} from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import { pageOf } from '../memory/memory.js';

describe('a posted write', () => {
  it('lands one to three ticks later, in the order in which the function sent it', () => {
    const machine = quietMachine();
    const fn = functionAt(machine, BELOW);
    const events = eventsOf(machine, 'dma');
    const addresses = freePages(machine, 200);
    const delays = new Set<number>();
    for (const [i, address] of addresses.entries()) {
      expect(machine.bus.write(fn, address, 64)).toBe(true);
      expect(machine.memory.altered(pageOf(address))).toBe(false);
      if (i % 3 === 0) machine.run(1);
    }
    machine.run(3);
    expect(events.map(({ address }) => address)).toEqual(addresses);
    for (const { tick, sent } of events) delays.add(tick - sent);
    expect([...delays].sort()).toEqual([1, 2, 3]);
    expect(addresses.every((address) => machine.memory.altered(pageOf(address)))).toBe(true);
    const { posted, landed, refused, inFlight } = machine.bus;
    expect([posted, landed, refused, inFlight]).toEqual([200, 200, 0, 0]);
  });

  it('is pushed to memory by the answer to a configuration read of its function, and by no other', async () => {
    const machine = quietMachine();
    const fn = functionAt(machine, BELOW);
    const [address = 0] = freePages(machine, 1);
    machine.bus.write(fn, address, 64);
    await machine.host.read(OTHER, 0, 4);
    await machine.host.read(PORT, 0, 4);
    await machine.host.write(BELOW, regs.PCI_COMMAND, 2, 0);
    expect([machine.bus.inFlight, machine.memory.altered(pageOf(address))]).toEqual([1, false]);
    await machine.host.read(BELOW, regs.PCI_COMMAND, 2);
    expect([machine.bus.inFlight, machine.memory.altered(pageOf(address))]).toEqual([0, true]);
  });

  it('that was sent before bus mastering went off arrives all the same', async () => {
    for (const gate of [BELOW, DOWN, UP, PORT]) {
      const machine = quietMachine();
      const events = eventsOf(machine, 'dma');
      const [address = 0] = freePages(machine, 1);
      machine.bus.write(functionAt(machine, BELOW), address, 64);
      await machine.host.write(gate, regs.PCI_COMMAND, 2, 0);
      machine.run(5);
      expect(events.map(({ refusedBy }) => refusedBy)).toEqual([null]);
    }
  });

  it('hits whoever owns the page when it lands', () => {
    const machine = quietMachine();
    const events = eventsOf(machine, 'dma');
    const [address = 0] = freePages(machine, 1);
    machine.bus.write(functionAt(machine, OLD), address, 64);
    machine.memory.own(pageOf(address), 'next-kernel');
    machine.run(5);
    expect(events.map(({ owner }) => owner)).toEqual(['next-kernel']);
  });

  it('is not sent by a function that may not, and stopped by the first bridge that may not', () => {
    const cases = [
      [BELOW, BELOW],
      [BELOW, DOWN],
      [BELOW, UP],
      [BELOW, PORT],
      [OLD, PCI_BRIDGE],
      [ALONE, ALONE],
    ] as const;
    for (const [slot, gate] of cases) {
      const machine = quietMachine({ rules: { uncorrectableError: 'nothing' } });
      const [fn, at] = [functionAt(machine, slot), functionAt(machine, gate)];
      const events = eventsOf(machine, 'dma', 'message', 'read-refused');
      const [address = 0] = freePages(machine, 1);
      machine.configWrite(at, regs.PCI_COMMAND, 2, 0, 'host');
      expect(machine.bus.write(fn, address, 64)).toBe(slot !== gate);
      expect(machine.bus.message(fn, 1)).toBe(slot !== gate);
      expect(machine.bus.read(fn, address)).toBe(false);
      machine.run(10);
      expect(events.map(({ kind, refusedBy }) => [kind, refusedBy])).toEqual([
        ['dma', gate],
        ['message', gate],
        ['read-refused', gate],
      ]);
      expect(machine.memory.altered(pageOf(address))).toBe(false);
      expect([machine.bus.inFlight, machine.bus.refused]).toEqual([0, slot === gate ? 0 : 2]);
    }
  });

  it('does not come from a function without power, nor through a bridge that sleeps', () => {
    const asleep = quietMachine({}, (of) => (of.slot === DOWN ? { ...of, power: 'D3hot' } : of));
    const cold = quietMachine({}, (of) => (of.slot === BELOW ? { ...of, power: 'D3cold' } : of));
    const drowsy = quietMachine({}, (of) => (of.slot === BELOW ? { ...of, power: 'D3hot' } : of));
    for (const machine of [asleep, cold, drowsy]) {
      const fn = functionAt(machine, BELOW);
      expect(machine.bus.refuses(fn)).toBe(fn);
      expect(machine.bus.write(fn, freePages(machine, 1)[0] ?? 0, 4)).toBe(false);
    }
    expect(functionAt(asleep, BELOW).read(0, 4)).toBe(0xffff_ffff);
    expect(functionAt(cold, BELOW).read(4, 2)).toBe(0xffff);
    expect(functionAt(drowsy, BELOW).read(0, 2)).toBe(0x8086);
    for (const fn of [asleep, cold, drowsy].map((machine) => functionAt(machine, BELOW))) fn.setCause(true);
    expect([asleep, cold, drowsy].map((machine) => functionAt(machine, BELOW).assertsIntx)).toEqual([
      false,
      false,
      false,
    ]);
    const sleeper = functionAt(drowsy, BELOW);
    drowsy.configWrite(sleeper, (sleeper.layout.pm ?? 0) + regs.PCI_PM_CTRL, 2, 0, 'host');
    expect(sleeper.assertsIntx).toBe(true);
    const wakes: string[] = [];
    functionAt(asleep, BELOW).wake = () => wakes.push('woken');
    const port = functionAt(asleep, DOWN);
    asleep.configWrite(port, (port.layout.pm ?? 0) + regs.PCI_PM_CTRL, 2, 0, 'host');
    expect(asleep.bus.refuses(functionAt(asleep, BELOW))).toBeNull();
    expect([functionAt(asleep, BELOW).assertsIntx, wakes]).toEqual([true, ['woken']]);
  });
});

describe('a message interrupt', () => {
  it('stays behind the writes that were sent before it', () => {
    const machine = quietMachine();
    const fn = functionAt(machine, BELOW);
    const events = eventsOf(machine, 'dma', 'message');
    const arrived: unknown[] = [];
    machine.interrupts.arrived = (...what: unknown[]) => arrived.push(what);
    for (const address of freePages(machine, 20)) {
      machine.bus.write(fn, address, 64);
      machine.bus.message(fn, 1);
    }
    expect(arrived).toEqual([]);
    machine.run(5);
    expect(arrived).toEqual(Array.from({ length: 20 }, () => [fn, 1]));
    expect(events.map(({ kind }) => kind)).toEqual(
      Array.from({ length: 20 }, () => ['dma', 'message']).flat(),
    );
  });
});

describe('an answer to a read', () => {
  const pending = (machine: ReturnType<typeof quietMachine>) => {
    const fn = functionAt(machine, BELOW);
    const status = machine.configRead(fn, (fn.layout.express ?? 0) + regs.PCI_EXP_DEVSTA, 2);
    return (status & regs.PCI_EXP_DEVSTA_TRPND) !== 0;
  };

  it('comes within six ticks, whoever is gated meanwhile', () => {
    const machine = quietMachine();
    const fn = functionAt(machine, BELOW);
    expect(machine.bus.read(fn, 0x1000)).toBe(true);
    expect([fn.outstanding, pending(machine)]).toEqual([1, true]);
    for (const slot of [BELOW, DOWN, UP, PORT])
      machine.configWrite(functionAt(machine, slot), regs.PCI_COMMAND, 2, 0, 'host');
    machine.run(6);
    expect([fn.outstanding, pending(machine)]).toEqual([0, false]);
  });

  it('is waited for by 32 reads of a function at a time: a Tag has five bits', () => {
    const machine = quietMachine();
    const fn = functionAt(machine, BELOW);
    const asked = Array.from({ length: 40 }, () => machine.bus.read(fn, 0x1000));
    expect([asked.filter(Boolean).length, fn.outstanding]).toEqual([32, 32]);
    machine.run(6);
    expect([fn.outstanding, machine.bus.read(fn, 0x1000)]).toEqual([0, true]);
  });

  it('comes late, or never, where that is the fault', () => {
    const late = quietMachine({}, (of) =>
      of.slot === BELOW ? { ...of, faults: { lateCompletionTicks: 400 } } : of,
    );
    late.bus.read(functionAt(late, BELOW), 0x1000);
    late.run(400);
    expect(pending(late)).toBe(true);
    late.run(6);
    expect(pending(late)).toBe(false);
    const never = quietMachine({}, (of) =>
      of.slot === BELOW ? { ...of, faults: { pendingForever: true } } : of,
    );
    never.run(10_000);
    expect(pending(never)).toBe(true);
  });

  it('is not expected by a function that was reset since it asked', () => {
    const machine = quietMachine({ rules: { uncorrectableError: 'nothing' } });
    const fn = functionAt(machine, BELOW);
    const events = eventsOf(machine, 'error');
    const express = fn.layout.express ?? 0;
    for (let i = 0; i < 3; i++) machine.bus.read(fn, 0x1000);
    machine.configWrite(fn, express + regs.PCI_EXP_DEVCTL, 2, 0x8000, 'host');
    expect([fn.outstanding, pending(machine)]).toEqual([0, false]);
    machine.configWrite(fn, regs.PCI_COMMAND, 2, 6, 'host');
    expect(machine.bus.read(fn, 0x1000)).toBe(true);
    machine.run(10);
    expect(fn.outstanding).toBe(0);
    expect(events.map(({ slot, cause, what }) => [slot, cause, what])).toEqual(
      Array.from({ length: 3 }, () => [BELOW, BELOW, 'unexpected-completion']),
    );
    expect(fn.space.read((fn.layout.aer ?? 0) + regs.PCI_ERR_UNCOR_STATUS, 4)).toBe(0x1_0000);
  });
});
