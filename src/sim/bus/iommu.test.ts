import { describe, expect, it } from 'vitest';
import {
  ALONE,
  BELOW,
  eventsOf,
  functionAt,
  OLD,
  OLD_TOO,
  OTHER,
  PCI_BRIDGE,
  quietMachine,
} from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import type { SimMachine } from '../machine.js';
import { addressOf } from '../memory/memory.js';
import type { IommuRules } from '../platform.js';
import { COMPLETION_TIMEOUT_TICKS } from './bus.js';
import { groupOf, type Iommu } from './iommu.js';

const RULES: IommuRules = { domains: 'translated', nextKernel: 'resets', aborts: 'dropped' };
const FREE = 0x2000;

const machineWith = (rules: Partial<IommuRules> = {}) =>
  quietMachine({ rules: { iommu: { ...RULES, ...rules }, uncorrectableError: 'nothing' } });

function need(machine: SimMachine): Iommu {
  if (!machine.iommu) throw new Error('no IOMMU');
  return machine.iommu;
}

describe('an IOMMU that translates', () => {
  it('lets through what is mapped, and stops and reports the rest', () => {
    const machine = machineWith();
    const iommu = need(machine);
    const fn = functionAt(machine, BELOW);
    iommu.attach(fn);
    iommu.map(fn, [FREE]);
    const events = eventsOf(machine, 'dma', 'read-refused');
    for (const page of [FREE, FREE + 1]) {
      expect(machine.bus.write(fn, addressOf(page), 64)).toBe(true);
      expect(machine.bus.read(fn, addressOf(page))).toBe(page === FREE);
    }
    machine.run(5);
    iommu.unmap(fn, [FREE]);
    machine.bus.write(fn, addressOf(FREE), 64);
    machine.run(5);
    const seen = events.map(({ kind, faulted, refusedBy }) => [kind, faulted, refusedBy]);
    expect(seen.filter(([kind]) => kind === 'read-refused')).toEqual([['read-refused', true, null]]);
    expect(seen.filter(([kind]) => kind === 'dma')).toEqual([
      ['dma', false, null],
      ['dma', true, null],
      ['dma', true, null],
    ]);
    expect([machine.memory.altered(FREE), machine.memory.altered(FREE + 1)]).toEqual([true, false]);
    expect([machine.bus.landed, machine.bus.refused]).toEqual([1, 2]);
  });

  it('looks when a write arrives, not when it was sent', () => {
    const machine = machineWith();
    const fn = functionAt(machine, BELOW);
    need(machine).attach(fn);
    need(machine).map(fn, [FREE]);
    const events = eventsOf(machine, 'dma');
    machine.bus.write(fn, addressOf(FREE), 64);
    need(machine).reset();
    machine.run(5);
    expect(events).toMatchObject([{ faulted: true }]);
  });

  it('does not translate messages, which are no requests to memory', () => {
    const machine = machineWith();
    const events = eventsOf(machine, 'message');
    machine.bus.message(functionAt(machine, BELOW), 1);
    machine.run(5);
    const seen = events.map(({ refusedBy }) => refusedBy);
    expect([seen, machine.bus.landed, machine.bus.refused]).toEqual([[null], 1, 0]);
  });

  it('answers reads with poisoned data where the platform does, an error that the function reports', () => {
    for (const aborts of ['dropped', 'poisoned'] as const) {
      const machine = machineWith({ aborts });
      const fn = functionAt(machine, BELOW);
      const events = eventsOf(machine, 'error');
      machine.bus.read(fn, addressOf(FREE));
      const expected = aborts === 'dropped' ? [] : [{ slot: BELOW, cause: BELOW, what: 'poisoned' }];
      expect(events).toMatchObject(expected);
      const status = fn.space.read((fn.layout.aer ?? 0) + regs.PCI_ERR_UNCOR_STATUS, 4);
      expect(status).toBe(aborts === 'dropped' ? 0 : 0x1000);
    }
  });

  it('stops everybody whom nobody attached, unless its domains are identity', () => {
    expect(need(machineWith()).allows(functionAt(machineWith(), BELOW), FREE)).toBe(false);
    const machine = machineWith({ domains: 'identity' });
    expect(need(machine).allows(functionAt(machine, BELOW), FREE)).toBe(true);
    need(machine).reset();
    expect(need(machine).allows(functionAt(machine, BELOW), FREE)).toBe(true);
  });

  it('tells functions apart by what their requests carry: below a conventional bridge that is the bridge', () => {
    const machine = machineWith();
    const [old, oldToo, bridge, express, other] = [OLD, OLD_TOO, PCI_BRIDGE, BELOW, OTHER].map((slot) =>
      functionAt(machine, slot),
    );
    if (!old || !oldToo || !bridge || !express || !other) throw new Error('not there');
    expect([groupOf(old), groupOf(oldToo), groupOf(express)]).toEqual([bridge, bridge, express]);
    const iommu = need(machine);
    iommu.attach(old);
    iommu.map(old, [FREE]);
    iommu.attach(oldToo);
    expect([iommu.allows(oldToo, FREE), iommu.allows(other, FREE)]).toEqual([true, false]);
    iommu.detach(old);
    expect(iommu.allows(old, FREE)).toBe(true);
    iommu.detach(oldToo);
    expect([iommu.allows(old, FREE), iommu.allows(oldToo, FREE)]).toEqual([false, false]);
  });
});

describe('below a bridge to a conventional bus', () => {
  it('requests carry the ID of the uppermost one, whatever conventional bridges are below it', () => {
    const bridge = { vendor: 0x10b5, device: 0x8114, classCode: 0x060400, busMaster: true };
    const machine = quietMachine({}, (of) => {
      if (of.slot === OTHER) return { ...bridge, slot: OTHER, express: 'pcie-to-pci-bridge', secondary: 6 };
      if (of.slot === OLD) return { ...bridge, slot: '06:00.0', secondary: 7 };
      return of.slot === OLD_TOO ? { ...of, slot: '07:00.0' } : of;
    });
    expect(groupOf(functionAt(machine, '0000:07:00.0' as Slot))).toBe(functionAt(machine, OTHER));
  });
});

describe('a read that is never answered', () => {
  it('is reported after 50 ms and asked again, for as long as the tables stay as they are', () => {
    const machine = machineWith({ aborts: 'completion-timeout' });
    const fn = functionAt(machine, BELOW);
    need(machine).attach(fn);
    const errors = eventsOf(machine, 'error');
    expect(machine.bus.read(fn, addressOf(FREE))).toBe(true);
    const aer = (fn.layout.aer ?? 0) + regs.PCI_ERR_UNCOR_STATUS;
    expect([fn.outstanding, fn.space.read(aer, 4)]).toEqual([1, 0]);
    machine.run(COMPLETION_TIMEOUT_TICKS);
    expect([fn.outstanding, fn.space.read(aer, 4)]).toEqual([1, 0x4000]);
    expect(errors).toMatchObject([{ slot: BELOW, what: 'completion-timeout', reaction: 'nothing' }]);
    need(machine).map(fn, [FREE]);
    machine.run(COMPLETION_TIMEOUT_TICKS + 10);
    expect([fn.outstanding, errors.length]).toEqual([0, 2]);
  });

  it('is not asked again by a function that was reset, fell off the bus, or may not master it', () => {
    for (const end of ['reset', 'vanish', 'gate'] as const) {
      const machine = machineWith({ aborts: 'completion-timeout' });
      const fn = functionAt(machine, BELOW);
      need(machine).attach(fn);
      const errors = eventsOf(machine, 'error');
      machine.bus.read(fn, addressOf(FREE));
      if (end !== 'gate') fn[end]();
      else machine.configWrite(fn, regs.PCI_COMMAND, 2, 0, 'host');
      machine.run(3 * COMPLETION_TIMEOUT_TICKS);
      expect([end, fn.outstanding, errors.length]).toEqual([end, 0, end === 'gate' ? 1 : 0]);
    }
  });
});

describe('a next kernel', () => {
  it('resets the tables, copies them until a driver comes, or keeps them', () => {
    for (const nextKernel of ['resets', 'copies', 'takes-over'] as const) {
      const machine = machineWith({ nextKernel });
      const iommu = need(machine);
      const fn = functionAt(machine, BELOW);
      iommu.attach(fn);
      iommu.map(fn, [FREE]);
      iommu.nextKernel('crash');
      expect([nextKernel, iommu.allows(fn, FREE)]).toEqual([nextKernel, nextKernel !== 'resets']);
      iommu.attach(fn);
      iommu.map(fn, [FREE + 1]);
      expect([nextKernel, iommu.allows(fn, FREE)]).toEqual([nextKernel, nextKernel === 'takes-over']);
      expect(iommu.allows(fn, FREE + 1)).toBe(true);
    }
  });

  it('copies them for a dump only: one on the normal path resets them', () => {
    for (const nextKernel of ['copies', 'takes-over'] as const) {
      const machine = machineWith({ nextKernel });
      const iommu = need(machine);
      const fn = functionAt(machine, BELOW);
      iommu.attach(fn);
      iommu.map(fn, [FREE]);
      iommu.nextKernel('normal');
      expect([nextKernel, iommu.allows(fn, FREE)]).toEqual([nextKernel, nextKernel === 'takes-over']);
    }
  });

  it('keeps what is preserved in any case', () => {
    for (const nextKernel of ['resets', 'copies', 'takes-over'] as const) {
      const machine = machineWith({ nextKernel });
      const iommu = need(machine);
      const fn = functionAt(machine, ALONE);
      iommu.preserve(fn, [FREE]);
      iommu.preserve(fn, [FREE + 1]);
      iommu.nextKernel('crash');
      iommu.attach(fn);
      iommu.detach(fn);
      expect([FREE, FREE + 1, FREE + 2].map((page) => iommu.allows(fn, page))).toEqual([true, true, false]);
    }
  });

  it('keeps identity for a whole group where domains are, whatever firmware had preserved for one in it', () => {
    for (const nextKernel of ['resets', 'copies', 'takes-over'] as const) {
      const machine = machineWith({ domains: 'identity', nextKernel });
      const iommu = need(machine);
      const [old, oldToo] = [functionAt(machine, OLD), functionAt(machine, OLD_TOO)];
      const identity = () => [iommu.domainOf(old), iommu.allows(old, FREE), iommu.allows(oldToo, FREE + 1)];
      iommu.preserve(old, [FREE]);
      expect([nextKernel, ...identity()]).toEqual([nextKernel, 'identity', true, true]);
      iommu.attach(oldToo);
      iommu.nextKernel('crash');
      expect([nextKernel, ...identity()]).toEqual([nextKernel, 'identity', true, true]);
    }
  });

  it('keeps apart what is preserved for one function and what another of its group has mapped', () => {
    const machine = machineWith();
    const iommu = need(machine);
    const [old, oldToo] = [functionAt(machine, OLD), functionAt(machine, OLD_TOO)];
    iommu.attach(old);
    iommu.map(old, [FREE]);
    iommu.preserve(oldToo, [FREE + 1]);
    expect([FREE, FREE + 1, FREE + 2].map((page) => iommu.allows(old, page))).toEqual([true, true, false]);
    iommu.detach(old);
    expect([FREE, FREE + 1].map((page) => iommu.allows(old, page))).toEqual([false, true]);
  });

  it('that keeps the tables forgets whom the one before had attached: its last remove blocks the group', () => {
    const machine = machineWith({ nextKernel: 'takes-over' });
    const iommu = need(machine);
    const [old, oldToo] = [functionAt(machine, OLD), functionAt(machine, OLD_TOO)];
    iommu.attach(old);
    iommu.attach(oldToo);
    iommu.map(old, [FREE]);
    iommu.nextKernel('crash');
    iommu.attach(old);
    expect(iommu.allows(oldToo, FREE)).toBe(true);
    iommu.detach(old);
    expect(iommu.allows(oldToo, FREE)).toBe(false);
  });

  it('finds facts about it', async () => {
    const machine = machineWith();
    need(machine).attach(functionAt(machine, BELOW));
    expect(await machine.host.machineFacts?.()).toMatchObject({ iommu: true });
    const [below, old, oldToo] = await Promise.all(
      [BELOW, OLD, OLD_TOO].map((slot) => machine.host.facts?.(slot)),
    );
    expect(below).toMatchObject({ iommuGroup: 0x300, iommuDomain: 'DMA' });
    expect(old?.iommuGroup).toBe(oldToo?.iommuGroup);
    expect(old?.iommuDomain).toBeUndefined();
    expect(await quietMachine().host.machineFacts?.()).toMatchObject({ iommu: false });
  });
});
