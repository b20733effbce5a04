import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../src/host/clock.js';
import type { Host } from '../src/host/port.js';
import { scan } from '../src/host/scan.js';
import { seen } from '../src/pci/function.js';
import * as regs from '../src/pci/regs.js';
import type { Slot } from '../src/pci/slot.js';
import { outcomeOf } from '../src/quiesce/journal.js';
import { deviceShootdown } from '../src/quiesce/shootdown.js';
import { createMachine } from '../src/sim/index.js';
import { connected, haveQemu, withMachine } from './support/machines.js';
import { type Condition, type RandomTopology, randomTopology } from './support/random-topology.js';

// SHOOTDOWN_QTEST_TOPOLOGIES=100 tries more of them, SHOOTDOWN_QTEST_SEED=7 this one only.
const COUNT = Number(process.env['SHOOTDOWN_QTEST_TOPOLOGIES'] ?? 24);
const SEED = process.env['SHOOTDOWN_QTEST_SEED'];
const seeds = SEED === undefined ? Array.from({ length: COUNT }, (_, i) => i + 1) : [Number(SEED)];

const COMMAND_BITS = regs.PCI_COMMAND_MASTER | regs.PCI_COMMAND_INTX_DISABLE;
const MSIX_BITS = regs.PCI_MSIX_FLAGS_ENABLE | regs.PCI_MSIX_FLAGS_MASKALL;

/** Puts every function into the condition that was drawn, whatever firmware has done before. */
async function condition(host: Host, conditions: ReadonlyMap<Slot, Condition>): Promise<void> {
  for (const { function: fn } of (await scan(host)).topology.nodes.values()) {
    const { busMaster, intxDisable, messages } = conditions.get(fn.slot) as Condition;
    const command = fn.command & ~COMMAND_BITS;
    const bits =
      (busMaster ? regs.PCI_COMMAND_MASTER : 0) | (intxDisable ? regs.PCI_COMMAND_INTX_DISABLE : 0);
    await host.write(fn.slot, regs.PCI_COMMAND, 2, command | bits);
    if (!messages || fn.bridge) continue;
    const [msi, msix] = [seen(fn.msi), seen(fn.msix)];
    if (msix) await host.write(fn.slot, msix.offset + regs.PCI_MSIX_FLAGS, 2, regs.PCI_MSIX_FLAGS_ENABLE);
    else if (msi) await host.write(fn.slot, msi.offset + regs.PCI_MSI_FLAGS, 2, regs.PCI_MSI_FLAGS_ENABLE);
  }
}

/** What matters of every function's registers, in the same words for every machine. */
async function registers(host: Host) {
  const { topology } = await scan(host);
  return [...topology.nodes.values()].map(({ function: fn, parent }) => ({
    slot: fn.slot,
    parent,
    id: `${fn.vendor.toString(16)}:${fn.device.toString(16)} class ${fn.classCode.toString(16)}`,
    pin: fn.interruptPin,
    type: seen(fn.express)?.type ?? null,
    buses: fn.bridge && [fn.bridge.primary, fn.bridge.secondary],
    command: fn.command & COMMAND_BITS,
    msi: (seen(fn.msi)?.control ?? 0) & regs.PCI_MSI_FLAGS_ENABLE,
    msix: (seen(fn.msix)?.control ?? 0) & MSIX_BITS,
  }));
}

async function shoot(host: Host, clock: Clock, conditions: ReadonlyMap<Slot, Condition>) {
  await condition(host, conditions);
  const before = await registers(host);
  const { plan, journal, stillLive } = await deviceShootdown(host, { clock });
  const outcomes = outcomeOf(journal);
  const steps = plan.steps.map((step) => ({
    kind: step.kind,
    slot: step.slot,
    register: 'register' in step ? step.register : null,
    outcome: outcomes.get(step.id)?.outcome,
  }));
  const skipped = plan.skipped.map(({ slot, verdict, rule }) => ({ slot, verdict, rule }));
  return { before, steps, skipped, after: await registers(host), stillLive };
}

function shootInQemu({ qemu, conditions }: RandomTopology) {
  return withMachine(qemu, (machine) => connected(machine, (host) => shoot(host, systemClock, conditions)));
}

function shootInSimulator({ sim, conditions }: RandomTopology) {
  const { host, clock } = createMachine(sim);
  return shoot(host, clock, conditions);
}

describe.skipIf(!haveQemu())('QEMU and the simulator agree on a random machine', () => {
  it.each(seeds)('seed %i', async (seed) => {
    const topology = randomTopology(seed);
    const again = `SHOOTDOWN_QTEST_SEED=${seed} npm test -- test/qtest-random`;
    const simulated = await shootInSimulator(topology);
    const real = await shootInQemu(topology);
    expect(real.before, again).toEqual(simulated.before);
    expect(real.steps, again).toEqual(simulated.steps);
    expect(real.skipped, again).toEqual(simulated.skipped);
    expect(real.after, again).toEqual(simulated.after);
    expect(real.stillLive, again).toEqual(simulated.stillLive);
    expect(
      real.stillLive.filter(({ outcome }) => outcome !== 'exempt'),
      again,
    ).toEqual([]);
  });

  it('draws machines worth comparing', () => {
    const drawn = seeds.map((seed) => randomTopology(seed).sim.functions.length);
    expect(Math.max(...drawn)).toBeGreaterThan(8);
  });
});
