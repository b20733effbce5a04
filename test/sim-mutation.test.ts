import { describe, expect, it } from 'vitest';
import { openScenario } from '../src/cli/scenario-files.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import type { FunctionDescription, MachineDescription } from '../src/sim/description.js';
import { runScenario } from '../src/sim/scenario/run.js';
import { drawCase, type SoakCase } from '../src/sim/soak/case.js';
import { playCase, type SoakJumpOutcome } from '../src/sim/soak/play.js';
import { newSoak } from '../src/sim/soak/soak.js';
import { type Breakage, brokenStub } from './support/broken-ours.js';

const SETTINGS = newSoak({ seed: 5, functions: 24, policy: 'ours' });
const CASES = 150;

/** The number of the first case that catches it, with what is said. */
async function caughtBySoak(breakage: Breakage): Promise<{ number: number; what: string } | null> {
  for (let number = 0; number < CASES; number++) {
    const outcome = await playCase(drawCase(SETTINGS, number), { stub: brokenStub(breakage) });
    const what = outcome.jumps.flatMap(({ violations }) => violations);
    if (what.length > 0) return { number, what: what.join('; ') };
  }
  return null;
}

const PORT = { vendor: 0x8086, device: 0x2f02, classCode: 0x060400, express: 'root-port' } as const;
const NIC = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000, workload: 'nic' } as const;

/** A machine on which a root port that closes over a live card stops everything, and a jump that closes it. */
const BRIDGED: MachineDescription = {
  name: 'bridged',
  platform: 'ia64',
  captureDrivers: [],
  functions: [
    { slot: '00:01.0', ...PORT, secondary: 1, busMaster: true },
    ...Array.from({ length: 8 }, (_, fn): FunctionDescription => {
      return { slot: `01:00.${fn}`, ...NIC, express: 'endpoint', messages: 'msix', leftBy: 'driver' };
    }),
  ],
};

describe('ours, broken in one thing', () => {
  it('is not caught where nothing is broken', { timeout: 240_000 }, async () => {
    expect(await caughtBySoak('nothing')).toBeNull();
  });

  it.each([
    ['ordering', /live below it/],
    ['intx-disable', /its INTx is not disabled/],
    ['intx-disable, honestly told', /its INTx can be disabled/],
    ['pending-wait', /of its requests are not answered/],
    ['msi-off', /its MSI(-X)? is on/],
    ['nothing, told as stopped', /its device still has work/],
    ['everything exempt', /there is no reason for it/],
    ['buses from 3 up forgotten', /there is no reason for it/],
    ['nothing, until its time is over', /still writes/],
    ['nothing where its time is over', /there is no reason for it/],
    ['exemptions', /is lost to|its DMA was wanted|a part in a hang/],
  ] as const)('%s: is caught by the soak', { timeout: 240_000 }, async (breakage, words) => {
    expect((await caughtBySoak(breakage))?.what).toMatch(words);
  });

  it.each([
    ['intx-disable', 'intx-after-msi', 'irq-storm'],
    ['intx-disable', 'shared-intx-line', 'irq-storm'],
    ['msi-off', 'stale-messages', 'hung'],
    ['exemptions', 'display-needs-bme', 'device-lost'],
    ['exemptions', 'second-display', 'device-lost'],
    ['exemptions', 'usb-before-handoff', 'hung'],
    ['exemptions', 'wanted-dma', 'wanted-dma-lost'],
  ] as const)('%s: is caught by the scenario %s, which comes to %s', async (breakage, name, verdict) => {
    const scenario = await openScenario(name);
    const whole = await runScenario(scenario, 'ours', { stub: brokenStub('nothing') });
    expect([whole.result.verdict, whole.unmet]).toEqual(['clean', []]);
    const broken = await runScenario(scenario, 'ours', { stub: brokenStub(breakage) });
    expect(broken.result.verdict).toBe(verdict);
  });

  it.each([
    ['integrated-display', 'second-display', 'device-lost'],
    ['usb-without-driver', 'usb-before-handoff', 'hung'],
  ] as const)('without the rule %s: is caught by the scenario %s', async (rule, name, verdict) => {
    expect(defaultPolicy().rules.map(({ id }) => id)).toContain(rule);
    const stub = brokenStub({ withoutRule: rule });
    expect((await runScenario(await openScenario(name), 'ours', { stub })).result.verdict).toBe(verdict);
  });

  it('ordering: hangs a machine on which a refused request is fatal, and the right order does not', async () => {
    const crash = {
      path: 'crash',
      policy: 'between',
      bridges: true,
      rules: [],
      pendingTimeoutMs: 10,
      ticks: 600,
    } as const;
    const at = (seed: number): SoakCase => ({ machine: BRIDGED, seed, faults: {}, jumps: [crash] });
    const wrong: SoakJumpOutcome[] = [];
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const right = await playCase(at(seed), { stub: brokenStub('nothing') });
      expect(right.jumps.map(({ verdict, violations }) => [verdict, violations])).toEqual([['clean', []]]);
      wrong.push(...(await playCase(at(seed), { stub: brokenStub('ordering') })).jumps);
    }
    // Whether something is sent while the port is closed is a matter of the moment; that it was closed is not.
    expect(wrong.map(({ verdict }) => verdict)).toContain('hung');
    for (const { violations } of wrong) expect(violations).not.toEqual([]);
  });
});
