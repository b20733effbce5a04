import { describe, expect, it } from 'vitest';
import type { Host } from '../../host/port.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import {
  createMachine,
  type FunctionDescription,
  jumpProblems,
  type MachineDescription,
  type SimMachine,
} from '../index.js';
import type { IommuRules } from '../platform.js';

const slot = (text: string) => `0000:${text}` as Slot;
const CHILD = slot('01:00.0');
const PORT = slot('00:01.0');
const NIC = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000, workload: 'nic' as const };
const port = (shutdown: boolean | 'disables' = 'disables'): FunctionDescription => ({
  slot: '00:01.0',
  vendor: 0x8086,
  device: 0x2940,
  classCode: 0x060400,
  express: 'root-port',
  secondary: 1,
  driver: { name: 'pcieport', shutdown },
});
const child = (of: Partial<FunctionDescription> = {}): FunctionDescription => ({
  slot: '01:00.0',
  ...NIC,
  express: 'endpoint',
  messages: 'msi',
  driver: { name: 'hpsa', shutdown: true },
  ...of,
});

function make(functions: FunctionDescription[], of: Partial<MachineDescription> = {}, seed = 1): SimMachine {
  return createMachine({ name: 'small', captureDrivers: [], functions, ...of }, { seed });
}

const gate = (target: Slot) => (host: Host) => host.write(target, regs.PCI_COMMAND, 2, 0x0402);
const crash = { path: 'crash' } as const;

describe('hung: the capture kernel reboots and gates a root port above a live driverless child', () => {
  const hpe = (of: Partial<MachineDescription> = {}, shutdown: boolean | 'disables' = 'disables') =>
    make([port(shutdown), child()], { platform: 'hpe-like', ...of });

  it('saves its dump, and hangs', async () => {
    const result = await hpe().jump(crash);
    expect([result.verdict, result.reached, result.dump?.complete]).toEqual(['hung', 'reboot', true]);
    expect(result.stuckOn?.slots).toEqual([PORT, CHILD]);
    expect(result.stuckOn?.on).toContain('NMI');
    const words = result.timeline.filter(({ tick }) => tick >= result.endTick - 20).map(({ text }) => text);
    expect(words).toContainEqual(expect.stringContaining('the next kernel turns bus mastering off'));
    expect(words).toContainEqual(expect.stringContaining('firmware makes an NMI of it'));
    expect(words).toContainEqual(expect.stringContaining('stuck on'));
    expect(jumpProblems(result)).toEqual([]);
  });

  it('does so, too, after a stub that left it alone: an NMI is fatal again', async () => {
    const result = await hpe().jump({ ...crash, between: async () => {} });
    expect([result.verdict, result.reached]).toEqual(['hung', 'reboot']);
  });

  it('does not with the child gated between the kernels, and is clean then', async () => {
    const result = await hpe().jump({ ...crash, between: gate(CHILD) });
    expect([result.verdict, result.reached]).toEqual(['clean', 'reboot']);
  });

  it('does not where one of its causes is missing', async () => {
    const runs = [
      hpe({ platform: 'x86-server' }),
      hpe({}, true),
      make([port(), child({ driver: { name: 'hpsa', shutdown: true }, errorReporting: false })], {
        platform: 'x86-server',
      }),
      hpe({ captureDrivers: ['hpsa'] }),
    ];
    for (const machine of runs) expect((await machine.jump(crash)).verdicts).not.toContain('hung');
  });

  it('survives an NMI while the stub runs, which has a handler for it', async () => {
    const gatesThePort = async (host: Host) => {
      await host.write(PORT, regs.PCI_COMMAND, 2, 0x0002);
      for (let i = 0; i < 2000; i++) await host.read(PORT, 0, 4);
      await host.write(PORT, regs.PCI_COMMAND, 2, 0x0006);
      await host.write(CHILD, regs.PCI_COMMAND, 2, 0x0402);
    };
    const result = await hpe().jump({ ...crash, between: gatesThePort });
    expect(result.refused.map(({ by }) => by)).toContain(PORT);
    expect([result.verdict, result.reached]).toEqual(['clean', 'reboot']);
  });
});

describe('corrupted', () => {
  const nic = child({ driver: { name: 'mlxsw', shutdown: false } });

  it('by rings that live on after a driver without a shutdown method', async () => {
    const verdict = async (shutdown: boolean, clearsBusMasters = false) => {
      const machine = make([port(true), { ...nic, driver: { name: 'mlxsw', shutdown } }]);
      const result = await machine.jump({ path: 'normal', clearsBusMasters });
      for (const { writers } of result.corrupted) expect(writers).toEqual([CHILD]);
      return result.verdict;
    };
    expect(await verdict(false)).toBe('corrupted');
    expect(await verdict(true)).toBe('clean');
    expect(await verdict(false, true)).toBe('clean');
  });

  it('before the jump, where the next kernel lies already in memory that a device still has', async () => {
    const left = child({ leftBy: 'driver' });
    const { driver: _, ...driverless } = left;
    const hit = async (load: 'in-place' | 'relocated') => {
      let early = 0;
      for (let seed = 0; seed < 20; seed++) {
        const machine = make([port(true), driverless], {}, seed);
        const result = await machine.jump({ path: 'normal', load });
        expect(jumpProblems(result)).toEqual([]);
        if (result.writes.some(({ tick, broke }) => tick < result.jumpTick && broke !== null)) early++;
      }
      return early;
    };
    expect(await hit('in-place')).toBeGreaterThan(10);
    expect(await hit('relocated')).toBe(0);
    const before = async (m: SimMachine) => m.functions.get(CHILD)?.write(regs.PCI_COMMAND, 2, 0x0002);
    const gated = await make([port(true), driverless]).jump({ path: 'normal', load: 'in-place', before });
    expect(gated.verdict).toBe('clean');
  });

  it('names the stage at which it was noticed', async () => {
    let noticed = 0;
    for (let seed = 0; seed < 40 && noticed < 3; seed++) {
      const result = await make([port(true), nic], {}, seed).jump({ path: 'normal' });
      if (result.stuckOn === null) continue;
      noticed++;
      expect([result.verdict, result.stuckOn.on]).toEqual([
        'corrupted',
        expect.stringMatching(new RegExp(`^${result.reached}: (image|initramfs)`)),
      ]);
    }
    expect(noticed).toBe(3);
  });
});

describe('faulted', () => {
  const rules = (of: Partial<IommuRules>) => ({
    rules: { iommu: { domains: 'translated', nextKernel: 'resets', aborts: 'dropped', ...of } as IommuRules },
  });

  it('by old DMA that meets new tables', async () => {
    const jump = async (of: Partial<IommuRules>, between = {}) =>
      (await make([port(true), child()], rules(of)).jump({ ...crash, ...between })).verdicts;
    expect(await jump({})).toContain('faulted');
    expect(await jump({ nextKernel: 'copies' })).not.toContain('faulted');
    expect(await jump({ domains: 'identity' })).not.toContain('faulted');
    expect(await jump({}, { between: gate(CHILD) })).toEqual(['clean']);
  });

  it('not by the dark before the next kernel: nobody is there to see it', async () => {
    const result = await make([port(true), child()], rules({})).jump(crash);
    const early = result.timeline.find(({ text }) => text === 'its first instructions run')?.tick ?? 0;
    const fault = result.timeline.find(({ text }) => text.startsWith('the IOMMU stops'))?.tick ?? 0;
    expect(fault).toBeGreaterThan(early);
    expect(result.faults.map((entry) => entry.slot)).toEqual([CHILD]);
    const machine = make([port(true), child()], rules({}));
    let dark = 0;
    machine.observe((event) => {
      if (event.kind === 'dma' && event.faulted) dark++;
    });
    const between = async (host: Host) => {
      machine.iommu?.reset();
      machine.run(300);
      await gate(CHILD)(host);
    };
    expect((await machine.jump({ ...crash, between })).verdict).toBe('clean');
    expect(dark).toBeGreaterThan(0);
  });
});

describe('wanted DMA', () => {
  const { driver: _, ...guest } = child({ wanted: true });

  it('goes on across the jump, on both paths, past kernels that know it', async () => {
    for (const path of ['normal', 'crash'] as const) {
      const result = await make([port(), guest]).jump({ path, clearsBusMasters: true });
      expect([path, result.verdict, result.wantedLost]).toEqual([path, 'clean', []]);
    }
  });

  it('is lost where a policy gates it, or a bridge above it', async () => {
    for (const target of [CHILD, PORT]) {
      const result = await make([port(), guest]).jump({ ...crash, between: gate(target) });
      expect(result.verdicts).toEqual(['wanted-dma-lost']);
      expect(result.wantedLost[0]).toMatchObject({ slot: CHILD, by: target });
    }
  });

  it('is lost, too, where the function was reset and writes nothing any more', async () => {
    const reset = async (machine: SimMachine) => machine.functions.get(CHILD)?.reset();
    for (const hooks of [{ before: reset }, { after: reset }]) {
      const result = await make([port(), guest]).jump({ path: 'normal', ...hooks });
      expect(result.verdicts).toContain('wanted-dma-lost');
    }
  });
});

describe('device-lost', () => {
  it('is not said of what has fallen off the bus, nor of what nobody carries a driver for', async () => {
    const drivers = { drivers: ['hpsa'] };
    const gone = async (machine: SimMachine) => machine.functions.get(CHILD)?.vanish();
    const vanished = await make([port(), child()]).jump({ path: 'normal', ...drivers, before: gone });
    expect([vanished.verdict, vanished.lost]).toEqual(['clean', []]);
    const uncarried = await make([port(), child()]).jump({ path: 'normal', drivers: [] });
    expect(uncarried.lost).toEqual([]);
  });

  it('is said of a function that is bound and never served', async () => {
    // Nothing of what it writes arrives, so it has nothing to interrupt for.
    const faults = { [CHILD]: { busMasterReadOnly: true } };
    const gated = make([port(), child()]);
    gated.functions.get(CHILD)?.write(regs.PCI_COMMAND, 2, 0x0002);
    gated.functions.get(CHILD)?.arm(faults[CHILD] ?? {});
    const result = await gated.jump({ path: 'normal' });
    expect(result.lost).toEqual([
      { slot: CHILD, driver: 'hpsa', cause: 'never-served', why: 'no interrupt of it was ever handled' },
    ]);
  });
});
