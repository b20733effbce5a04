import { describe, expect, it } from 'vitest';
import { eventsOf } from '../../../test/support/quiet-machine.js';
import type { FunctionDescription, MachineDescription, SimMachine } from '../index.js';
import { createMachine } from '../index.js';
import { ia642006 } from './ia64-2006.js';
import type { JumpPolicy, PolicyContext } from './policy.js';
import { xen2011 } from './xen-2011.js';

const NIC = { vendor: 0x8086, device: 0x107c, classCode: 0x020000, workload: 'nic' as const };
const PORT = { vendor: 0x8086, device: 0x2940, classCode: 0x060400, express: 'root-port' as const };
const e1000 = { name: 'e1000', shutdown: true };

function machineOf(functions: FunctionDescription[], of: Partial<MachineDescription>, seed = 1) {
  const description = { name: 'of 2006', era: '2006' as const, captureDrivers: ['e1000'], functions, ...of };
  return createMachine(description, { seed });
}

function panic(machine: SimMachine, { routine = true, crashCpu = 0 } = {}) {
  const hooks = ia642006.hooks({ machine, path: 'crash' } as PolicyContext);
  return machine.jump({ path: 'crash', reboot: false, crashCpu, ...(routine ? hooks : {}) });
}

describe('a bridge before its child', () => {
  // Idle functions between the port and the adapters below it: the routine takes its time.
  const functions = (port: Partial<FunctionDescription>): FunctionDescription[] => [
    { slot: '00:01.0', ...PORT, secondary: 1, driver: { name: 'pcieport', shutdown: true }, ...port },
    ...Array.from({ length: 24 }, (_, i) => ({
      slot: `00:${(2 + i).toString(16).padStart(2, '0')}.0`,
      vendor: 0x8086,
      device: 0x2930,
      classCode: 0x0c0500,
      pin: 1,
      line: 48 + i,
      driver: { name: 'i801_smbus', shutdown: true },
    })),
    ...[0, 1, 2, 3].map((fn) => ({
      slot: `01:00.${fn}`,
      ...NIC,
      express: 'endpoint' as const,
      messages: 'msi' as const,
      driver: e1000,
    })),
  ];
  const withServices = { pin: 1, line: 32 };

  /** It is a race: of ten machines, how many stop in the panic. */
  async function stopped(
    port: Partial<FunctionDescription>,
    of: Partial<MachineDescription>,
    routine = true,
  ) {
    const runs = [];
    for (let seed = 0; seed < 10; seed++) {
      runs.push(await panic(machineOf(functions(port), { platform: 'ia64', ...of }, seed), { routine }));
    }
    return runs.filter(({ reached }) => reached === 'panic');
  }

  it('has the child refused, and the platform stops', async () => {
    const runs = await stopped(withServices, {});
    expect(runs.length).toBeGreaterThan(5);
    for (const { verdict, stuckOn } of runs) {
      expect(verdict).toBe('hung');
      expect(stuckOn?.on).toContain('0000:00:01.0 reports Unsupported Request on a request of 0000:01:00.');
      expect(stuckOn?.slots[0]).toBe('0000:00:01.0');
    }
  });

  it('does not without the routine, without port services, or where such an error is ignored', async () => {
    expect(await stopped(withServices, {}, false)).toEqual([]);
    expect(await stopped({}, {})).toEqual([]);
    expect(await stopped(withServices, { rules: { uncorrectableError: 'nothing' } })).toEqual([]);
  });
});

describe('an IRQ that is not the function\u2019s own', () => {
  const nic = { slot: '00:05.0', ...NIC, messages: 'msi' as const, driver: e1000 };
  const bridge = { slot: '00:00.0', vendor: 0x8086, device: 0x29c0, classCode: 0x060000 };

  it('is the timer\u2019s for any function without a pin on x86, and the wait by tick never ends', async () => {
    const result = await panic(machineOf([bridge, nic], {}));
    expect([result.verdict, result.reached]).toEqual(['hung', 'panic']);
    expect(result.stuckOn?.on).toContain('a timer whose line 0 is disabled');
  });

  it('does no harm where every function has one, on ia64, or in a kernel that does not wait by tick', async () => {
    expect((await panic(machineOf([nic], {}))).reached).toBe('running');
    expect((await panic(machineOf([bridge, nic], { platform: 'ia64' }))).reached).toBe('running');
    expect((await panic(machineOf([bridge, nic], { era: 'today' }))).reached).toBe('running');
  });

  it('can be the timer\u2019s by wire on x86, while nobody waits for a tick on ia64', async () => {
    const shares = (line: number) => ({ slot: '00:05.0', ...NIC, driver: e1000, pin: 1, line });
    const rules = { timerLine: 20 };
    const of = (platform: 'x86-server' | 'ia64', line: number) =>
      machineOf([shares(line)], { platform, rules });
    const result = await panic(of('x86-server', 20));
    expect([result.verdict, result.stuckOn?.slots]).toEqual(['hung', ['0000:00:05.0']]);
    expect((await panic(of('x86-server', 21))).reached).toBe('running');
    expect((await panic(of('ia64', 20))).reached).toBe('running');
  });
});

it('comes before the other processors are stopped, where Xen stops them first', async () => {
  const nic = { slot: '00:05.0', ...NIC, messages: 'msi' as const, driver: e1000 };
  const firstWrite = async (policy: JumpPolicy, platform: 'x86-server' | 'ia64') => {
    const machine = machineOf([nic], { platform });
    const events = eventsOf(machine, 'stage', 'config-write');
    const hooks = policy.hooks({ machine, path: 'crash' } as PolicyContext);
    await machine.jump({ path: 'crash', reboot: false, ...hooks });
    const panicked = events.find(({ kind }) => kind === 'stage')?.tick ?? 0;
    return (events.find(({ kind }) => kind === 'config-write')?.tick ?? 0) - panicked;
  };
  for (const platform of ['x86-server', 'ia64'] as const) {
    expect(await firstWrite(ia642006, platform)).toBeLessThan(2);
    expect(await firstWrite(xen2011, platform)).toBeGreaterThan(5);
  }
});

describe('end on a line that is not in progress', () => {
  const idle = {
    slot: '00:04.0',
    vendor: 0x8086,
    device: 0x2930,
    classCode: 0x0c0500,
    pin: 1,
    line: 16,
    driver: { name: 'i801_smbus', shutdown: true },
  };
  const nic = { slot: '00:05.0', ...NIC, pin: 1, line: 17, driver: e1000 };
  /** So that no function's IRQ is the timer's. */
  const rules = { timerLine: 2 };

  function inService(functions: FunctionDescription[], of: Partial<MachineDescription> = {}) {
    const machine = machineOf(functions, { rules, ...of });
    for (let i = 0; i < 500 && machine.interrupts.localApic.inService.length === 0; i++) machine.run(1);
    expect(machine.interrupts.localApic.inService).toEqual([17]);
    return machine;
  }

  it('ends another one, which comes again into the dark and is never ended', async () => {
    const machine = inService([idle, nic]);
    const result = await panic(machine);
    expect(result.lost.map(({ slot }) => slot)).toEqual(['0000:00:05.0']);
    expect(machine.interrupts.controller.unended()).toEqual([17]);
  });

  it('does not where nothing else comes first: the line\u2019s own end finds it', async () => {
    const result = await panic(inService([nic]));
    expect([result.verdict, result.lost]).toEqual(['clean', []]);
  });

  it('does not on an IOSAPIC, whose end names the line', async () => {
    const result = await panic(inService([idle, nic], { platform: 'ia64' }));
    expect([result.verdict, result.lost]).toEqual(['clean', []]);
  });

  it('does not matter to a kernel that ends every pin', async () => {
    const result = await panic(inService([idle, nic], { era: 'today' }));
    expect(result.lost).toEqual([]);
  });
});

it('leaves alone what has no action on its IRQ, driverless masters among them', async () => {
  const left = { slot: '00:05.0', ...NIC, pin: 1, line: 17, leftBy: 'driver' as const };
  const machine = machineOf([left], { era: 'today' });
  const result = await panic(machine);
  expect(result.writes.length).toBeGreaterThan(10);
});
