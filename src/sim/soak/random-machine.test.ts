import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Slot, slotParts } from '../../pci/slot.js';
import { type FunctionDescription, type MachineDescription, PORT_DRIVER } from '../description.js';
import { buildFunctions } from '../functions/build.js';
import { type RandomMachineOptions, randomMachine } from './random-machine.js';

const options = fc.record({
  functions: fc.oneof(fc.integer({ min: 16, max: 256 }), fc.integer({ min: 257, max: 4096 })),
  depth: fc.integer({ min: 1, max: 6 }),
  domains: fc.integer({ min: 1, max: 4 }),
  mixed: fc.boolean(),
});
const seeds = fc.nat(2 ** 32);

function count({ functions }: MachineDescription): number {
  return functions.reduce((sum, { vfs }) => sum + 1 + (vfs ?? 0), 0);
}

const place = ({ slot }: FunctionDescription) => slotParts(slot as Slot);

/** What does not hang together about a machine. */
function problems({ functions }: MachineDescription, depthMax: number): string[] {
  const found: string[] = [];
  const slots = new Set(functions.map(({ slot }) => slot));
  const bridges = new Map<number, FunctionDescription>();
  const depths = new Map<number, number>();
  const busOf = (domain: number, bus: number) => domain * 256 + bus;
  for (const fn of functions) {
    if (fn.secondary === undefined) continue;
    const { domain, bus } = place(fn);
    if (fn.secondary <= bus || fn.secondary > 0xff) found.push(`${fn.slot} leads to ${fn.secondary}`);
    if (bridges.has(busOf(domain, fn.secondary))) found.push(`two bridges lead to ${fn.secondary}`);
    bridges.set(busOf(domain, fn.secondary), fn);
  }
  for (const fn of functions) {
    const { domain, bus, device, function: number } = place(fn);
    const above = bridges.get(busOf(domain, bus));
    const depth = above ? (depths.get(busOf(domain, bus)) ?? 0) : 0;
    if (fn.secondary !== undefined) depths.set(busOf(domain, fn.secondary), depth + 1);
    if (depth > depthMax) found.push(`${fn.slot} has ${depth} bridges above`);
    const host = fn.slot.replace(/..\..$/, '00.0');
    if (!above && !slots.has(host)) found.push(`${fn.slot} is on a bus that nothing leads to`);
    if (number > 0 && !slots.has(fn.slot.replace(/.$/, '0'))) found.push(`${fn.slot} without function 0`);
    const alone = above?.express === 'root-port' || above?.express === 'downstream-port';
    if (alone && device !== 0) found.push(`${fn.slot} is not the one device of its link`);
    if (fn.express === 'upstream-port' && !alone) found.push(`${fn.slot} is not below a port`);
    if (fn.express === 'downstream-port' && above?.express !== 'upstream-port')
      found.push(`${fn.slot} is in no switch`);
    if (fn.vfs && device * 8 + number + fn.vfs > 0xff) found.push(`${fn.slot}: VFs beyond its bus`);
  }
  return found;
}

describe('a random machine', () => {
  it('is the same for one seed and its options, and another for another seed', () => {
    fc.assert(
      fc.property(seeds, options, (seed, drawn) => {
        const machine = randomMachine(seed, drawn);
        expect(randomMachine(seed, drawn)).toEqual(machine);
        const { functions } = randomMachine(seed + 1, drawn).description;
        expect(functions).not.toEqual(machine.description.functions);
      }),
      { numRuns: 12 },
    );
  });

  it('has exactly as many functions as asked for, in a tree that can be built', () => {
    fc.assert(
      fc.property(seeds, options, (seed, drawn) => {
        const { description, busy, absent, faults } = randomMachine(seed, drawn);
        expect(count(description)).toBe(drawn.functions);
        expect(problems(description, Math.max(drawn.depth, 1))).toEqual([]);
        const built = buildFunctions(description);
        expect(built.size).toBe(drawn.functions);
        for (const slot of [...busy, ...absent, ...Object.keys(faults)])
          expect(built.has(slot as Slot)).toBe(true);
        const domains = new Set(description.functions.map((fn) => place(fn).domain));
        expect(domains.size).toBe(drawn.domains);
      }),
      { numRuns: 50 },
    );
  });

  it('of any size needs no segments to be given', () => {
    for (const functions of [1, 2, 16, 64, 255, 256, 1023, 1024, 2048, 4096, 6000]) {
      for (let seed = 0; seed < 5; seed++) {
        const { description } = randomMachine(seed, { functions });
        expect([seed, count(description)]).toEqual([seed, functions]);
        expect(problems(description, 4)).toEqual([]);
      }
    }
  });

  it('is sound unless it is to be mixed', () => {
    fc.assert(
      fc.property(seeds, options, (seed, drawn) => {
        const { description, faults } = randomMachine(seed, { ...drawn, mixed: false });
        expect(faults).toEqual({});
        expect(Object.keys(description).sort()).toEqual(['captureDrivers', 'functions', 'name']);
        const odd: (keyof FunctionDescription)[] = [
          'faults',
          'wanted',
          'repeatsMessages',
          'wedgesWhenCut',
          'errorReporting',
          'vfDriver',
          'commandMs',
          'bootVga',
        ];
        for (const fn of description.functions) {
          for (const key of odd) expect([fn.slot, key, fn[key]]).toEqual([fn.slot, key, undefined]);
          expect(fn.leftBy).not.toBe('firmware');
          expect(['buffering-nic', 'egpu', 'display', 'hotplug-port']).not.toContain(fn.workload);
        }
      }),
      { numRuns: 12 },
    );
  });
});

describe('mixed machines', () => {
  const many = (more: RandomMachineOptions = {}) =>
    Array.from({ length: 150 }, (_, seed) => randomMachine(seed, { functions: 64, mixed: true, ...more }));

  it('have everything among them', () => {
    const machines = many();
    const all = machines.flatMap(({ description }) => description.functions);
    const seen = (value: (fn: FunctionDescription) => unknown) => new Set(all.map(value));
    expect([...seen((fn) => fn.workload)].filter(Boolean).sort()).toEqual([
      'ahci',
      'buffering-nic',
      'display',
      'dma-engine',
      'egpu',
      'gpu',
      'hotplug-port',
      'nic',
      'nvme',
      'xhci',
    ]);
    expect(seen((fn) => fn.leftBy)).toEqual(new Set([undefined, 'driver', 'firmware']));
    expect(seen((fn) => fn.driver?.shutdown)).toEqual(new Set([undefined, true, false, 'disables']));
    for (const key of ['wanted', 'repeatsMessages', 'wedgesWhenCut', 'vfs', 'commandMs'] as const) {
      expect([key, all.some((fn) => fn[key] !== undefined)]).toEqual([key, true]);
    }
    expect(all.some((fn) => fn.vfDriver === null)).toBe(true);
    const faults = machines.flatMap((machine) => Object.values(machine.faults).flatMap(Object.keys));
    expect([...new Set(faults)].sort()).toEqual([
      'allOnesAfterReads',
      'busMasterReadOnly',
      'hangsAtJump',
      'ignoreBme',
      'ignoreWrites',
      'lateCompletionTicks',
      'pendingForever',
      'vanishOnWrite',
    ]);
    const hung = machines.flatMap(({ description, faults: wrong }) =>
      description.functions.filter(({ slot }) => wrong[slot as Slot]?.hangsAtJump),
    );
    expect(hung.filter((fn) => fn.secondary || fn.wanted || fn.classCode === 0x060000)).toEqual([]);
    const of = (value: (machine: MachineDescription) => unknown) =>
      new Set(machines.map(({ description }) => value(description)));
    expect(of(({ platform }) => platform).size).toBe(5);
    expect(of(({ era }) => era)).toEqual(new Set([undefined, '3.13', '2006']));
    const disabling = machines.filter(({ description }) =>
      description.functions.some(
        ({ driver }) => driver?.name === PORT_DRIVER && driver.shutdown === 'disables',
      ),
    );
    // portdrv did so from 2018 to 2023.
    expect(new Set(disabling.map(({ description }) => description.era))).toEqual(new Set([undefined]));
    expect(of(({ rules }) => rules?.iommu?.nextKernel).size).toBe(4);
    expect(of(({ rules }) => rules?.iommu?.aborts).size).toBe(4);
    expect(all.some((fn) => fn.driver?.resetAfterMs !== undefined)).toBe(true);
    const roots = (machine: MachineDescription) =>
      machine.functions.filter(({ classCode }) => classCode === 0x060000).length;
    expect(of(roots)).toEqual(new Set([1, 2, 3]));
  });

  it('have faults and wanted functions, but not too many and not in one', () => {
    const machines = many();
    const all = machines.flatMap(({ description }) => description.functions);
    const faulty = machines.flatMap(({ faults }) => Object.keys(faults)).length;
    expect(faulty / all.length).toBeGreaterThan(0.005);
    expect(faulty / all.length).toBeLessThan(0.1);
    for (const { description, faults } of machines) {
      for (const fn of description.functions) {
        if (!fn.wanted) continue;
        expect([fn.leftBy, fn.driver, faults[fn.slot as Slot]]).toEqual(['driver', undefined, undefined]);
        expect(fn.express).toBeDefined();
      }
    }
  });

  it('share lines', () => {
    for (const { description } of many()) {
      const wired = description.functions.flatMap(({ line }) => (line === undefined ? [] : [line]));
      expect(new Set(wired).size).toBeLessThanOrEqual(4);
    }
  });

  it('leave displays on root buses and driverless USB to firmware, as the default policy takes them to be', () => {
    for (const { description } of many()) {
      const below = new Set(
        description.functions.flatMap((fn) => (fn.secondary ? [place(fn).domain * 256 + fn.secondary] : [])),
      );
      for (const fn of description.functions) {
        const { domain, bus } = place(fn);
        const exempt =
          (fn.classCode >> 16 === 3 && !below.has(domain * 256 + bus)) ||
          (fn.classCode >> 8 === 0x0c03 && fn.driver === undefined && !fn.wanted);
        if (exempt && fn.leftBy) expect([fn.slot, fn.leftBy]).toEqual([fn.slot, 'firmware']);
      }
    }
  });
});
