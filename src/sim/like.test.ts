import { describe, expect, it } from 'vitest';
import { readDump } from '../host/dump.js';
import { type Machine, scan } from '../host/scan.js';
import { type FunctionDescription, PORT_DRIVER } from './description.js';
import { machineLike } from './like.js';
import { SimMachine } from './machine.js';

const AT_WORK = { busMaster: true } as const;
const of = (slot: string, classCode: number, more: Partial<FunctionDescription> = AT_WORK) => ({
  ...{ slot, classCode, vendor: 0x8086, device: 0x1234 },
  ...more,
});

const scanned = (functions: readonly FunctionDescription[]): Promise<Machine> =>
  scan(new SimMachine({ name: 'test', captureDrivers: [], functions }, { seed: 1 }).host);

describe('a machine like one that was scanned', () => {
  it('has no more functions than a scenario may', async () => {
    const machine = await scanned([of('00:01.0', 0x020000)]);
    const [node] = machine.topology.nodes.values();
    const nodes = new Map(Array.from({ length: 16_385 }, (_, i) => [`${i}`, node]));
    const large = { ...machine, topology: { ...machine.topology, nodes } } as unknown as Machine;
    expect(() => machineLike(large)).toThrow(/16385 functions are more than the 16384 that can be played$/);
  });

  it('has chipset functions that stand still, and says so', async () => {
    const still = [0x080020, 0x080100, 0x088000, 0x0c0500, 0x0c8000, 0x118000];
    const functions = [...still, 0x080501, 0x040300].map((code, i) => of(`00:0${i}.0`, code));
    const { description, notes } = machineLike(await scanned(functions));
    const working = description.functions.filter(({ workload }) => workload !== undefined);
    expect(working.map(({ classCode }) => classCode)).toEqual([0x080501, 0x040300]);
    expect(description.functions.every(({ slot, busMaster }) => slot > '0000:00:06' || busMaster)).toBe(true);
    expect(notes).toEqual([
      expect.stringMatching(/^0000:00:00\.0 and 5 more: BME is set, and nothing is done/),
    ]);
  });

  it('has what sleeps do nothing, with BME as it is', async () => {
    const machine = await scanned([of('00:01.0', 0x020000, { ...AT_WORK, power: 'D3hot' })]);
    const [fn] = machineLike(machine).description.functions;
    expect(fn).toMatchObject({ power: 'D3hot', busMaster: true });
    expect(fn).not.toHaveProperty('workload');
  });

  it('assumes drivers where none is told, as Linux has them for a whole class', async () => {
    const machine = await scanned([of('00:01.0', 0x010802), of('00:02.0', 0x020000)]);
    const untold = { ...machine, facts: new Map() };
    const { description, notes } = machineLike(untold);
    expect(description.functions.map(({ driver }) => driver?.name)).toEqual(['nvme', undefined]);
    expect(description.captureDrivers).toEqual(['nvme']);
    expect(notes).toEqual([
      expect.stringMatching(
        /^0000:00:01\.0 and 1 more: which driver is bound is not known .*--capture-drivers/,
      ),
    ]);
    expect(machineLike(machine).notes).toEqual([]);
    expect(machineLike(machine).description.captureDrivers).toEqual([]);
  });

  it('has today\u2019s driver at every Express port, which does not disable the port at shutdown', async () => {
    const bridge = { busMaster: true, vendor: 0x8086, device: 0x2940 } as const;
    const machine = await scanned([
      of('00:01.0', 0x060400, { ...bridge, express: 'root-port', secondary: 1 }),
      of('00:02.0', 0x060400, { ...bridge, secondary: 2 }),
    ]);
    const { functions } = machineLike(machine).description;
    expect(functions.map(({ driver }) => driver)).toEqual([{ name: PORT_DRIVER, shutdown: true }, undefined]);
  });

  it('says which driver it has no use for', async () => {
    const machine = await scanned([of('00:01.0', 0x020000)]);
    const { notes } = machineLike(machine, { captureDrivers: ['ixgbe'] });
    expect(notes).toEqual([expect.stringMatching(/^ixgbe: drives no function here/)]);
  });

  it('is not made of nothing', async () => {
    const rows = Array.from({ length: 4 }, (_, i) => `${i}0:${' ff'.repeat(16)}`).join('\n');
    const host = await readDump('gone.txt', [Buffer.from(`00:03.0 Ethernet controller: nobody\n${rows}\n`)]);
    const machine = await scan(host);
    expect(() => machineLike(machine)).toThrow(/gone\.txt: none of its 1 functions could be read/);
  });
});
