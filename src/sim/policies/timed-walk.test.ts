import { describe, expect, it } from 'vitest';
import { functionAt } from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import type { Policy } from '../../quiesce/policy.js';
import { simHost } from '../host.js';
import { createMachine, type FunctionDescription } from '../index.js';
import { performBetween } from './between.js';

const PORT = {
  vendor: 0x8086,
  device: 0x2940,
  classCode: 0x060400,
  express: 'root-port' as const,
  busMaster: true,
};
const NIC = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000, express: 'endpoint' as const };
const AHEAD = '0000:01:00.0' as Slot;
const BEHIND = '0000:03:00.0' as Slot;

const GATES_BRIDGES: Policy = {
  ...defaultPolicy(),
  rules: [{ id: 'all', match: {}, action: 'gate', reason: 'a test' }],
};

/** An adapter between two others, of whose eight functions so many hang. */
async function walk(hanging: number, policy: Policy = defaultPolicy()) {
  const adapter = Array.from({ length: 8 }, (_, i): FunctionDescription => {
    return { ...NIC, slot: `02:00.${i}`, busMaster: true };
  });
  const functions: FunctionDescription[] = [
    ...[1, 2, 3].map((bus) => ({ ...PORT, slot: `00:0${bus}.0`, secondary: bus })),
    { ...NIC, slot: AHEAD, busMaster: true },
    ...adapter,
    { ...NIC, slot: BEHIND, busMaster: true },
  ];
  const machine = createMachine({ name: 'hung', captureDrivers: [], functions });
  for (const { slot } of adapter.slice(0, hanging)) functionAt(machine, `0000:${slot}` as Slot).hang();
  const start = machine.now;
  const claims = await performBetween({
    host: simHost(machine, 'stub'),
    clock: machine.clock,
    policy,
    known: null,
  });
  const masters = [...machine.functions.values()].filter((fn) => fn.alive && fn.busMaster);
  return {
    end: claims.end,
    told: claims.functions.map(({ slot }) => slot),
    masters: masters.map(({ slot }) => slot),
    ms: (machine.now - start) / 10,
  };
}

const bridges = ['0000:00:01.0', '0000:00:02.0', '0000:00:03.0'];

describe('the time to look for functions', () => {
  it('is enough where four functions hang', async () => {
    const { end, masters, ms } = await walk(4);
    expect([end, masters]).toEqual(['complete', bridges]);
    expect(ms).toBeGreaterThanOrEqual(200);
    expect(ms).toBeLessThan(210);
  });

  it('is over after five: what was found is gated, what comes behind is not looked at, nor told of', async () => {
    const { end, masters, told } = await walk(5);
    expect([end, masters]).toEqual([
      'time',
      [...bridges, '0000:02:00.5', '0000:02:00.6', '0000:02:00.7', BEHIND],
    ]);
    expect(told).toContain(AHEAD);
    expect(told).not.toContain(BEHIND);
  });

  it.each([5, 8])('is not exceeded where %d hang', async (hanging) => {
    expect((await walk(hanging)).ms).toBeLessThan(260);
  });

  it('leaves bridges open that a rule would gate, once it is over', async () => {
    // What does not answer may be at work: the bridge above it stays open in any case.
    expect((await walk(4, GATES_BRIDGES)).masters).toEqual(['0000:00:02.0']);
    expect((await walk(5, GATES_BRIDGES)).masters).toEqual(expect.arrayContaining(bridges));
  });

  it('is a bound of the policy', async () => {
    const patient = { ...defaultPolicy(), between: { ...defaultPolicy().between, walkTimeoutMs: 500 } };
    expect((await walk(8, patient)).end).toBe('complete');
  });
});

describe('a function that hangs', () => {
  const card = { ...NIC, busMaster: true };
  const build = () =>
    createMachine({
      name: 'hung',
      captureDrivers: [],
      functions: [
        { ...PORT, slot: '00:01.0', secondary: 1 },
        { ...PORT, slot: '01:00.0', express: 'upstream-port', secondary: 2 },
        { ...PORT, slot: '02:00.0', express: 'downstream-port', secondary: 3 },
        { ...card, slot: '03:00.0', vfs: 1 },
        { ...PORT, slot: '00:02.0', secondary: 4 },
      ],
    });
  const read = (machine: ReturnType<typeof build>, slot: string) => {
    const start = machine.now;
    const value = machine.configRead(functionAt(machine, slot as Slot), regs.PCI_COMMAND, 2);
    return [value === 0xffff, machine.now - start];
  };

  it('costs each access the completion timeout, with its virtual functions and what is below it', () => {
    const machine = build();
    functionAt(machine, '0000:03:00.0' as Slot).hang();
    expect([read(machine, '0000:03:00.0'), read(machine, '0000:03:00.1')]).toEqual([
      [true, 500],
      [true, 500],
    ]);
    expect(read(machine, '0000:02:00.0')).toEqual([false, 0]);
    const start = machine.now;
    machine.configWrite(functionAt(machine, '0000:03:00.0' as Slot), regs.PCI_COMMAND, 2, 0, 'host');
    expect(machine.now - start).toBe(500);
    const other = build();
    functionAt(other, '0000:01:00.0' as Slot).hang();
    expect([read(other, '0000:02:00.0'), read(other, '0000:03:00.0')]).toEqual([
      [true, 500],
      [true, 500],
    ]);
  });

  it('costs nothing where a bridge above answers for it, or what fell off the bus', () => {
    const machine = build();
    functionAt(machine, '0000:03:00.0' as Slot).hang();
    functionAt(machine, '0000:01:00.0' as Slot).vanish();
    functionAt(machine, '0000:00:02.0' as Slot).vanish();
    expect([read(machine, '0000:03:00.0'), read(machine, '0000:00:02.0')]).toEqual([
      [true, 0],
      [true, 0],
    ]);
  });

  it('costs nothing that was found out long before', async () => {
    const machine = build();
    functionAt(machine, '0000:03:00.0' as Slot).hang();
    const { now } = machine;
    await machine.beforehand(() => machine.host.read('0000:03:00.0' as Slot, 0, 2));
    expect(machine.now).toBe(now);
  });
});
