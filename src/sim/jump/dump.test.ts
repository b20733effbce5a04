import { describe, expect, it } from 'vitest';
import { ALONE, functionAt, quietMachine } from '../../../test/support/quiet-machine.js';
import {
  createMachine,
  type FunctionDescription,
  type JumpResult,
  runScenario,
  shippedScenario,
} from '../index.js';
import { Memory } from '../memory/memory.js';
import { DumpSaver } from './dump.js';
import type { LostProblem } from './lost.js';

const crash = { path: 'crash' } as const;

async function play(name: string, seed = 1): Promise<JumpResult> {
  const scenario = shippedScenario(name);
  if (!scenario) throw new Error(`no scenario ${name}`);
  return (await runScenario(scenario, 'none', { seed })).result;
}

const of = (result: JumpResult, part: string) => result.timeline.filter(({ text }) => text.includes(part));

describe('the dump', () => {
  it('is not saved where what holds the root file system cannot be used, and that is said', async () => {
    for (const [name, why] of [
      ['sleeping-bridge', '0000:01:00.0 (nvme): it was not found'],
      ['vectors-exhausted', '0000:08:00.0 (nvme): no interrupt vector is left'],
      ['remote-irr-stuck', '0000:02:04.0 (mptspi): no interrupt of it was ever handled'],
      ['shared-intx-line', '0000:00:1f.2 (ahci): interrupt line 31 was given up'],
    ] as const) {
      const result = await play(name);
      expect([name, result.dump?.complete, result.dump?.problem]).toEqual([name, false, why]);
      expect(result.dump?.torn).toEqual([]);
      expect(of(result, 'dump is saved')).toEqual([]);
      expect(of(result, `no dump: ${why}`).length).toBe(1);
      // The machine reboots all the same.
      expect(result.reached).toBe('reboot');
    }
  });

  it('does not go on while interrupts come without pause', async () => {
    const result = await play('shared-intx-line');
    const [given] = of(result, 'nobody cared');
    const [none] = of(result, 'no dump');
    expect(none?.tick).toBeGreaterThan(given?.tick ?? Number.NaN);
  });

  it('is saved to what holds the root file system, once that has answered', async () => {
    const result = await play('bridge-before-child');
    expect(result.dump).toMatchObject({ complete: true, target: '0000:01:00.0', problem: null });
    const served = of(result, 'it works: the dump is saved there');
    expect(served.map(({ slot }) => slot)).toEqual(['0000:01:00.0']);
    expect(served[0]?.tick).toBeGreaterThan(result.runningTick ?? Number.NaN);
  });

  it('has of each page that changed whose it was, who wrote there and when', async () => {
    const result = await play('crash-busy-nic');
    const torn = result.dump?.torn ?? [];
    expect(torn.length).toBeGreaterThan(3);
    for (const page of torn) {
      expect(page).toMatchObject({ region: 'dump', owner: 'dma-buffer', writers: ['0000:02:00.0'] });
      expect(page.firstTick).toBeGreaterThan(result.runningTick ?? Number.NaN);
    }
  });
});

describe('a busy adapter', () => {
  it('tears a dump whatever chance does', async () => {
    for (const seed of [0, 75, 2147483647, 4294967295])
      expect([seed, (await play('crash-busy-nic', seed)).verdict]).toEqual([seed, 'corrupted']);
  });
});

describe('how long it is waited for', () => {
  const saver = (problem: LostProblem | null) => {
    const memory = new Memory([{ first: 0, count: 64 }]);
    memory.ownRange({ first: 0, count: 8 }, 'old-kernel');
    const target = functionAt(quietMachine(), ALONE);
    return {
      target,
      dump: new DumpSaver({ memory, targets: [target], problem: () => problem, say: () => {} }),
    };
  };
  const why = (dump: DumpSaver) => dump.result(() => ({}) as never).problem;

  it('is 0.2 s where the disk says nothing, and 1 s where interrupts leave no time to write', () => {
    const { dump: silent } = saver({ cause: 'never-served', why: 'it is silent' });
    silent.passed(1999, false);
    expect(silent.over).toBe(false);
    silent.passed(1, false);
    expect([silent.over, why(silent)]).toEqual([true, `${ALONE}: it is silent`]);
    const { dump: busy } = saver(null);
    busy.passed(9999, true);
    expect(busy.over).toBe(false);
    busy.passed(1, true);
    expect([busy.over, why(busy)]).toEqual([true, `${ALONE}: interrupts left no time for it`]);
  });

  it('is no longer at all where the disk falls off the bus that it was written to', () => {
    const { dump, target } = saver(null);
    dump.passed(1, false);
    dump.passed(1, false);
    target.vanish();
    dump.passed(1, false);
    expect(why(dump)).toBe(`${ALONE}: it does not answer`);
  });
});

describe('where it is saved to', () => {
  const disk: FunctionDescription = {
    slot: '00:05.0',
    vendor: 0x144d,
    device: 0xa80a,
    classCode: 0x010802,
    express: 'endpoint',
    messages: 'msix',
    workload: 'nvme',
    driver: { name: 'nvme', shutdown: true },
  };
  const nic: FunctionDescription = {
    slot: '00:06.0',
    vendor: 0x8086,
    device: 0x10d3,
    classCode: 0x020000,
    express: 'endpoint',
    messages: 'msi',
    workload: 'nic',
    driver: { name: 'e1000e', shutdown: true },
  };
  const dumpOf = async (functions: FunctionDescription[], captureDrivers: string[]) => {
    const result = await createMachine({ name: 'small', captureDrivers, functions }).jump(crash);
    return { ...result.dump, said: result.timeline.map(({ text }) => text) };
  };

  it('is the root disk, else storage, else a network adapter that there is a driver for', async () => {
    const root = { ...disk, slot: '00:07.0', holds: ['root' as const] };
    expect(await dumpOf([nic, disk, root], ['nvme', 'e1000e'])).toMatchObject({ target: '0000:00:07.0' });
    expect(await dumpOf([nic, disk], ['nvme', 'e1000e'])).toMatchObject({ target: '0000:00:05.0' });
    expect(await dumpOf([nic, root], ['e1000e'])).toMatchObject({ target: '0000:00:06.0', complete: true });
  });

  it('is another disk where one of two does not answer', async () => {
    const gone = { ...disk, slot: '00:04.0', gone: true };
    expect(await dumpOf([gone, disk], ['nvme'])).toMatchObject({ target: '0000:00:05.0', complete: true });
  });

  it('is nowhere where its driver is not carried', async () => {
    const problem = '0000:00:05.0 (nvme): no driver was tried';
    const none = await dumpOf([{ ...disk, holds: ['root'] }], []);
    expect(none).toMatchObject({ complete: false, problem });
  });

  it('is not known where nothing says: the memory is read', async () => {
    const { said, ...dump } = await dumpOf([nic], []);
    expect(dump).toMatchObject({ complete: true, target: null, problem: null });
    expect(said).toContain(`the memory was read: ${dump.pages} pages; nothing says where to`);
  });
});
