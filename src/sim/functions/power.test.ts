import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { scan } from '../../host/scan.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import { Hang } from '../hang.js';
import {
  createMachine,
  type FunctionDescription,
  type MachineDescription,
  profile,
  randomMachine,
  type SimEvent,
  type SimMachine,
} from '../index.js';

const NIC = '0000:04:00.0' as Slot;

function history(machine: SimMachine, ticks: number): SimEvent[] {
  const events: SimEvent[] = [];
  const stop = machine.observe((event) => events.push(event));
  machine.run(ticks);
  stop();
  return events;
}

describe('a power cycle', () => {
  it('brings everything back that was gated, reset, hung or gone', async () => {
    const machine = createMachine('server', { seed: 3 });
    const before = machine.snapshot();
    const busy = machine.busy();
    for (const slot of machine.functions.keys()) await machine.host.write(slot, regs.PCI_COMMAND, 2, 0);
    machine.functions.get(NIC)?.vanish();
    machine.cpu.hang('timer', 'a test', []);
    expect(() => machine.run(1)).toThrow(Hang);
    machine.powerCycle();
    expect(machine.busy()).toEqual(busy);
    for (const [slot, bytes] of machine.snapshot()) {
      expect([slot, bytes.slice(0, 6)]).toEqual([slot, before.get(slot)?.slice(0, 6)]);
    }
    expect(machine.bus.inFlight).toBe(machine.bus.posted - machine.bus.landed - machine.bus.refused);
    expect(history(machine, 300).length).toBeGreaterThan(50);
  });

  it('draws another history, and the same one again for the same seed', () => {
    const cycled = () => {
      const machine = createMachine('server', { seed: 5 });
      const first = history(machine, 300);
      machine.powerCycle();
      return { first, second: history(machine, 300) };
    };
    const [one, other] = [cycled(), cycled()];
    expect(one).toEqual(other);
    const addresses = (events: SimEvent[]) =>
      events.map((event) => (event.kind === 'dma' ? event.address : 0)).filter(Boolean);
    expect(addresses(one.first)).not.toEqual(addresses(one.second));
  });

  it('arms the same faults again', async () => {
    const machine = createMachine('server', { faults: { [NIC]: { vanishOnWrite: true } } });
    for (let i = 0; i < 2; i++) {
      expect(await machine.host.read(NIC, 0, 2)).toBe(0x8086);
      await machine.host.write(NIC, regs.PCI_INTERRUPT_LINE, 1, 1);
      expect(await machine.host.read(NIC, 0, 2)).toBe(0xffff);
      machine.powerCycle();
    }
  });

  it('leaves nothing behind: two hundred jumps of one machine take no more memory than a hundred', async () => {
    const { description } = randomMachine(11, { functions: 24 });
    const machine = createMachine(description, { seed: 11 });
    const pages = machine.memory.banks.reduce((sum, { count }) => sum + count, 0);
    let halfway = 0;
    for (let i = 0; i < 200; i++) {
      const { stuckOn } = await machine.jump({ path: i % 3 === 0 ? 'crash' : 'normal', ticks: 200 });
      if (stuckOn || i % 7 === 0) machine.powerCycle();
      expect(machine.memory.alteredPages().length).toBeLessThan(pages);
      expect(machine.bus.inFlight).toBeLessThan(3 * 32 * machine.functions.size);
      if (i === 99) halfway = heapUsed();
    }
    expect(machine.boots).toBeGreaterThan(28);
    expect(heapUsed() - halfway).toBeLessThan(4e6);
  }, 120_000);
});

/** In bytes, of what is still referred to. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
}

describe('root complexes', () => {
  const endpoint = (slot: string, more: Partial<FunctionDescription> = {}): FunctionDescription => ({
    slot,
    vendor: 0x8086,
    device: 0x10d3,
    classCode: 0x020000,
    express: 'endpoint',
    workload: 'dma-engine',
    messages: 'msi',
    leftBy: 'driver',
    ...more,
  });
  const port = (slot: string, secondary: number): FunctionDescription => ({
    slot,
    vendor: 0x8086,
    device: 0x2940,
    classCode: 0x060400,
    express: 'root-port',
    secondary,
    busMaster: true,
  });
  const SOCKETS: MachineDescription = {
    name: 'sockets',
    captureDrivers: [],
    functions: [
      port('0000:00:01.0', 1),
      endpoint('0000:01:00.0'),
      endpoint('0000:00:1f.0', { express: 'rc-endpoint' }),
      port('0000:40:01.0', 0x41),
      endpoint('0000:41:00.0', { vfs: 20 }),
      endpoint('0000:40:1f.0', { express: 'rc-endpoint' }),
      port('0000:c0:01.0', 0xc8),
      endpoint('0000:c8:00.0'),
      port('0001:00:01.0', 1),
      endpoint('0001:01:00.0'),
      endpoint('10000:e0:06.0', { express: 'rc-endpoint' }),
    ],
  };

  it('may be several in a segment, and in several segments, each with its own bridges', async () => {
    const machine = createMachine(SOCKETS);
    const { topology, notes } = await scan(machine.host);
    expect(notes).toEqual([]);
    expect(topology.roots.map(({ domain, bus }) => [domain, bus])).toEqual([
      [0, 0],
      [0, 0x40],
      [0, 0xc0],
      [1, 0],
      [0x10000, 0xe0],
    ]);
    for (const [slot, node] of topology.nodes) {
      const fn = machine.functions.get(slot);
      expect([slot, node.parent, node.physfn]).toEqual([
        slot,
        fn?.parent?.slot ?? null,
        fn?.physfn?.slot ?? null,
      ]);
      expect([slot, node.orphan]).toEqual([slot, false]);
    }
    expect(machine.functions.get('0000:41:02.4' as Slot)?.rootPort?.slot).toBe('0000:40:01.0');
  });

  it('a port of one gates what is below it, and no more', async () => {
    const machine = createMachine({ ...SOCKETS, rules: { uncorrectableError: 'nothing' } });
    await machine.host.write('0000:40:01.0' as Slot, regs.PCI_COMMAND, 2, 0);
    machine.run(5);
    const [through, refused] = [new Set<string>(), new Set<string>()];
    for (const event of history(machine, 1000)) {
      if (event.kind === 'dma') (event.refusedBy === null ? through : refused).add(event.slot);
    }
    expect([...through].filter((slot) => slot.startsWith('0000:41'))).toEqual([]);
    expect(through.size).toBeGreaterThanOrEqual(5);
    expect(refused.size).toBe(21);
  });

  it('may have virtual functions on a bus of their own, which the port of their physical function gates', async () => {
    const functions = [port('00:02.0', 0x41), endpoint('41:00.0', { vfs: 260 })];
    const machine = createMachine({ name: 'many', captureDrivers: [], functions });
    const { topology } = await scan(machine.host);
    const last = '0000:42:00.4' as Slot;
    expect(machine.functions.get(last)?.parent?.slot).toBe('0000:00:02.0');
    expect(topology.nodes.get(last)).toMatchObject({ parent: '0000:00:02.0', physfn: '0000:41:00.0' });
    expect(machine.functions.get('0000:00:02.0' as Slot)?.read(regs.PCI_SUBORDINATE_BUS, 1)).toBe(0x42);
  });

  it('that share a bus number or a slot are refused with a clear word', () => {
    const twice = [...SOCKETS.functions, port('0000:40:02.0', 0x41)];
    expect(() => createMachine({ ...SOCKETS, functions: twice })).toThrow(/two bridges lead to bus 41/);
    const same = [...SOCKETS.functions, endpoint('40:1f.0')];
    expect(() => createMachine({ ...SOCKETS, functions: same })).toThrow(/two functions have the slot/);
    const up = [...SOCKETS.functions, port('0000:c0:02.0', 0x20)];
    expect(() => createMachine({ ...SOCKETS, functions: up })).toThrow(/not below its own/);
  });
});

describe('virtual functions', () => {
  const physical: FunctionDescription = {
    slot: '00:01.0',
    vendor: 0x15b3,
    device: 0x1017,
    classCode: 0x020000,
    express: 'rc-endpoint',
    workload: 'nic',
    messages: 'msix',
    driver: { name: 'mlx5_core', shutdown: true },
    vfs: 2,
  };
  const machineOf = (more: Partial<FunctionDescription>) =>
    createMachine({ name: 'vfs', captureDrivers: [], functions: [{ ...physical, ...more }] });
  const VF = '0000:00:01.1' as Slot;

  it('have the driver of their physical function, one of their own, or none and work all the same', () => {
    const drivers = [{}, { vfDriver: { name: 'mlx5_vf', shutdown: false } }, { vfDriver: null }].map(
      (more) => {
        const machine = machineOf(more);
        const fn = machine.functions.get(VF);
        expect([fn?.device?.busy, fn?.busMaster]).toEqual([true, true]);
        return fn && machine.kernel?.driverOf(fn);
      },
    );
    expect(drivers).toEqual(['mlx5_core', 'mlx5_vf', null]);
  });

  it('are wanted where their physical function says so, with memory that is preserved', () => {
    const machine = machineOf({ wanted: true, vfDriver: null });
    expect(machine.functions.get(VF)?.description).toMatchObject({ wanted: true });
    expect(machine.functions.get(VF)?.description.leftBy).toBeUndefined();
    expect(machine.memory.count('preserved')).toBeGreaterThan(0);
  });

  it('that would have no bus are refused', () => {
    const many = { ...physical, slot: 'ff:1f.0', vfs: 20 };
    expect(() => createMachine({ name: 'far', captureDrivers: [], functions: [many] })).toThrow(
      /beyond bus ff/,
    );
  });
});

describe('a machine', () => {
  it('has no two ticks for one event: what a device does is not lost when somebody else looks', async () => {
    const quiet = createMachine(profile('server'), { seed: 9 });
    const watched = createMachine(profile('server'), { seed: 9 });
    for (let i = 0; i < 200; i++) {
      quiet.run(5);
      for (let t = 0; t < 5; t++) watched.run(1);
    }
    expect(watched.now).toBe(quiet.now);
    expect(watched.schedule.happened).toBe(quiet.schedule.happened);
    expect(watched.snapshot()).toEqual(quiet.snapshot());
  });
});
