import { describe, expect, it } from 'vitest';
import { scan } from '../../host/scan.js';
import * as regs from '../../pci/regs.js';
import { parseSlot, type Slot } from '../../pci/slot.js';
import { ancestors } from '../../pci/topology.js';
import {
  createMachine,
  DrainChecker,
  GateChecker,
  type MachineDescription,
  profile,
  randomMachine,
  type SimMachine,
} from '../index.js';

const slot = (text: string): Slot => {
  const parsed = parseSlot(text);
  if (!parsed) throw new Error(text);
  return parsed;
};

const NIC = slot('04:00.0');
const ABOVE = ['03:01.0', '02:00.0', '00:1c.0'].map(slot);

/** Where a refused request has no consequences beyond itself. */
const patient = (description: MachineDescription): MachineDescription => ({
  ...description,
  rules: { ...description.rules, uncorrectableError: 'nothing' },
});
const server = () => patient(profile('server'));

async function setMaster(machine: SimMachine, of: Slot, on: boolean): Promise<void> {
  const command = await machine.host.read(of, regs.PCI_COMMAND, 2);
  const { PCI_COMMAND_MASTER: bit } = regs;
  await machine.host.write(of, regs.PCI_COMMAND, 2, on ? command | bit : command & ~bit);
}

/** Writes by a function that get through in so many ticks, and who refused the others. */
function watch(machine: SimMachine, of: Slot, ticks: number): { passed: number; refusedBy: Set<Slot> } {
  const seen = { passed: 0, refusedBy: new Set<Slot>() };
  const stop = machine.observe((event) => {
    if (event.kind !== 'dma' || event.slot !== of) return;
    if (event.refusedBy === null) seen.passed++;
    else seen.refusedBy.add(event.refusedBy);
  });
  machine.run(ticks);
  stop();
  return seen;
}

describe('bus mastering', () => {
  it.each([NIC, ...ABOVE])('a write needs that of %s', async (gate) => {
    const machine = createMachine(server());
    expect(watch(machine, NIC, 300).passed).toBeGreaterThan(5);
    await setMaster(machine, gate, false);
    machine.run(5);
    const gated = watch(machine, NIC, 300);
    expect(gated.passed).toBe(0);
    expect([...gated.refusedBy]).toEqual([gate]);
    await setMaster(machine, gate, true);
    expect(watch(machine, NIC, 300).passed).toBeGreaterThan(5);
  });

  it('that of a bridge elsewhere does not matter', async () => {
    const machine = createMachine(server());
    await setMaster(machine, slot('03:02.0'), false);
    await setMaster(machine, slot('00:01.0'), false);
    expect(watch(machine, NIC, 300).passed).toBeGreaterThan(5);
    expect(watch(machine, slot('05:00.0'), 300).passed).toBe(0);
    expect(watch(machine, slot('01:00.0'), 300).passed).toBe(0);
  });

  it('a device that ignores its own still needs that of the bridges', async () => {
    const machine = createMachine(server(), { faults: { '04:00.0': { ignoreBme: true } } });
    await setMaster(machine, NIC, false);
    expect(watch(machine, NIC, 300).passed).toBeGreaterThan(5);
    await setMaster(machine, slot('02:00.0'), false);
    expect(watch(machine, NIC, 300).passed).toBe(0);
  });

  it('what is gated holds its work and goes on when bus mastering comes back', async () => {
    const machine = createMachine(server(), { faults: {} });
    await setMaster(machine, slot('00:19.0'), false);
    machine.run(100);
    expect(machine.busy()).toContain('0000:00:19.0');
    await setMaster(machine, slot('00:19.0'), true);
    expect(watch(machine, slot('00:19.0'), 300).passed).toBeGreaterThan(5);
  });

  it('holds at every tick of any machine, whoever turns bits at whatever time', async () => {
    let passed = 0;
    for (let seed = 0; seed < 25; seed++) {
      const { description } = randomMachine(seed, { domains: 1 + (seed % 2) });
      const machine = createMachine(patient(description), { seed });
      const checker = new GateChecker(machine);
      const drains = new DrainChecker(machine);
      const slots = [...machine.functions.keys()];
      for (let i = 0; i < 60; i++) {
        const of = slots[(i * 7 + seed) % slots.length];
        if (of) await setMaster(machine, of, i % 3 === 0);
        machine.run(15);
      }
      drains.check();
      expect([checker.violations, drains.violations]).toEqual([[], []]);
      passed += checker.passed;
    }
    expect(passed).toBeGreaterThan(1000);
  });
});

describe('transactions pending', () => {
  const pending = (machine: SimMachine, of: Slot) => {
    const express = machine.functions.get(of)?.layout.express ?? 0;
    const status = machine.functions.get(of)?.space.read(express + regs.PCI_EXP_DEVSTA, 2) ?? 0;
    return (status & regs.PCI_EXP_DEVSTA_TRPND) !== 0;
  };

  it('comes and goes with work, and drains once bus mastering is off', async () => {
    const machine = createMachine(server());
    const gpu = slot('01:00.0');
    let ticks = 0;
    while (!pending(machine, gpu) && ticks++ < 100) machine.run(1);
    expect(pending(machine, gpu)).toBe(true);
    await setMaster(machine, gpu, false);
    machine.run(10);
    for (let i = 0; i < 200; i++) {
      machine.run(1);
      expect(pending(machine, gpu)).toBe(false);
    }
  });

  it('never drains where no answer comes', async () => {
    const machine = createMachine(server(), { faults: { '01:00.0': { pendingForever: true } } });
    await setMaster(machine, slot('01:00.0'), false);
    machine.run(10_000);
    expect(pending(machine, slot('01:00.0'))).toBe(true);
  });
});

describe('the machine as the product reads it', () => {
  it('hangs together as it was described', async () => {
    const machine = createMachine(server());
    const { topology, notes } = await scan(machine.host);
    expect(notes).toEqual([]);
    expect([...ancestors(topology, NIC)]).toEqual(ABOVE);
    expect(topology.roots).toHaveLength(1);
    for (const fn of machine.functions.values()) {
      expect(topology.nodes.get(fn.slot)?.parent ?? undefined).toBe(fn.parent?.slot);
    }
  });
});
