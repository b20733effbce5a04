import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scan } from '../src/host/scan.js';
import { runOnHost } from '../src/image/config-ports.js';
import * as regs from '../src/pci/regs.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { makePlan } from '../src/quiesce/plan.js';
import type { Policy } from '../src/quiesce/policy.js';
import { performPlan } from '../src/quiesce/shootdown.js';
import { simHost } from '../src/sim/host.js';
import { createMachine, randomMachine, type SimMachine } from '../src/sim/index.js';
import { policies } from './support/policies.js';
import { CRASH, StubRun } from './support/stub-run.js';

const RUNS = Number(process.env['SHOOTDOWN_STUB_MACHINES'] ?? 1000);

const withoutBridgeRules: Policy = {
  ...defaultPolicy(),
  rules: defaultPolicy().rules.filter(({ match }) => match.headerType === undefined),
};
const anyPolicy = fc.oneof(
  fc.constant(defaultPolicy()),
  { weight: 2, arbitrary: fc.constant(withoutBridgeRules) },
  { weight: 2, arbitrary: policies },
);

/** What a shootdown may change; Device Status and the interrupt in Status go their own way. */
function registers(machine: SimMachine): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [slot, fn] of machine.functions) {
    if (!slot.startsWith('0000:')) continue;
    const words: string[] = [];
    for (let at = 0; at < 256; at += 2) {
      const word =
        at === regs.PCI_STATUS ? fn.space.read(at, 2) & ~regs.PCI_STATUS_INTERRUPT : fn.space.read(at, 2);
      words.push((fn.layout.express === at - regs.PCI_EXP_DEVSTA ? 0 : word).toString(16));
    }
    all[slot] = words.join(' ');
  }
  return all;
}

/** No kernel serves interrupts any more: what asserts INTx goes on, and no longer now and then. */
function goDark(machine: SimMachine): void {
  machine.kernel = null;
  machine.interrupts.attach(null);
  machine.run(3000);
}

describe('the stub and perform()', () => {
  it('leave the same machine behind', { timeout: 240_000 }, async () => {
    let writes = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(1e6), anyPolicy, async (seed, drawn) => {
        const policy: Policy = { ...drawn, between: { ...drawn.between, walkTimeoutMs: 60_000 } };
        const { description } = randomMachine(seed);
        const [performed, stubbed] = [createMachine(description), createMachine(description)];
        // What is known is from a kernel that is gone by then: its drivers, and that it ran.
        const machine = { ...(await scan(simHost(performed, 'kernel'))), machineFacts: {} };
        for (const each of [performed, stubbed]) goDark(each);
        const plan = makePlan(machine, policy, { at: 'between' });
        await performPlan(
          simHost(performed, 'stub'),
          plan,
          { ...machine, facts: new Map() },
          { clock: performed.clock },
        );

        const stub = new StubRun({ policy, machine, entry: { commandLine: CRASH } });
        const exit = await runOnHost(stub.image.run(), simHost(stubbed, 'stub'));
        expect(stub.problems(exit)).toEqual([]);
        // One that fails last of all has stopped nothing for the one, and the walk for the other.
        expect(policy.onFailure === 'stop' ? ['complete', 'stopped'] : ['complete']).toContain(
          stub.record?.end,
        );
        expect(registers(stubbed)).toEqual(registers(performed));
        writes += stub.image.ports.writes;
      }),
      { numRuns: RUNS },
    );
    expect(writes).toBeGreaterThan(RUNS);
  });
});
