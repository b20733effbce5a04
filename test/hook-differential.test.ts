import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { FunctionFacts } from '../src/host/facts.js';
import type { Machine } from '../src/host/scan.js';
import { slotParts } from '../src/pci/slot.js';
import { buildTopology } from '../src/pci/topology.js';
import { decider } from '../src/quiesce/decide.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { makePlan } from '../src/quiesce/plan.js';
import type { Policy, PolicyRule } from '../src/quiesce/policy.js';
import { compileGateTable } from '../src/system/gate-table.js';
import { machines } from './support/arbitrary.js';
import { buildGateTree, runGate, scanTree, type TreeFunction } from './support/gate-tree.js';
import { slotOf } from './support/memory-host.js';
import { policies } from './support/policies.js';
import { SHELLS, withFolder } from './support/shell-run.js';

/** What was so under the kernel that crashed, and is not to be seen any more. */
const former: fc.Arbitrary<FunctionFacts> = fc.record({
  driver: fc.constantFrom(null, null, 'e1000e', 'nvme', 'xhci_hcd'),
  holds: fc.constantFrom<NonNullable<FunctionFacts['holds']>>([], [], ['root'], ['swap', 'console']),
});

/** What is so under the kernel that saves the dump. */
const now = fc.record({
  driver: fc.constantFrom(undefined, undefined, undefined, 'ahci'),
  powerState: fc.constantFrom('unknown', 'unknown', 'unknown', 'D0', 'D3cold'),
  vf: fc.constantFrom(false, false, true),
});

interface Case {
  readonly functions: Record<string, TreeFunction>;
  readonly former: ReadonlyMap<string, FunctionFacts>;
}

/** Two segments of random topology, some functions with a virtual one beside them. */
const cases: fc.Arbitrary<Case> = fc
  .tuple(
    machines,
    machines,
    fc.array(now, { minLength: 60, maxLength: 60 }),
    fc.array(former, { minLength: 60, maxLength: 60 }),
  )
  .map(([first, second, states, formers]) => {
    const functions: Record<string, TreeFunction> = {};
    const before = new Map<string, FunctionFacts>();
    const add = (slot: string, fn: TreeFunction) => {
      const state = states[before.size % states.length];
      const isBridge = fn.bridge !== undefined;
      const driver = isBridge ? 'pcieport' : state?.driver;
      const { facts: _, ...plain } = fn;
      functions[slot] = {
        ...plain,
        ...(driver === undefined ? {} : { driver }),
        powerState: driver !== undefined ? 'D0' : powerStateOf(plain, state?.powerState),
      };
      before.set(slot, formers[before.size % formers.length] ?? {});
      if (isBridge || !state?.vf || fn.size === 64) return;
      const vf = slot.replace(/\.0$/, '.1');
      const ids = { vendor: '0x15b3', device: '0x1018' };
      functions[vf] = {
        ...plain,
        vendor: 0xffff,
        device: 0xffff,
        capabilities: [],
        physfn: slot,
        attributes: ids,
      };
      before.set(vf, formers[before.size % formers.length] ?? {});
    };
    for (const [slot, fn] of Object.entries(first)) add(slot, fn);
    for (const [slot, fn] of Object.entries(second)) add(slot.replace(/^0000/, '0001'), fn);
    return { functions, former: before };
  });

/** What the kernel knows is so: it is not D0 where the registers say that it sleeps. */
function powerStateOf({ capabilities = [] }: TreeFunction, drawn = 'unknown'): string {
  const sleeps = capabilities.some((one) => one.kind === 'pm' && (one.state ?? 0) !== 0);
  return drawn === 'D0' && sleeps ? 'D3hot' : drawn;
}

/** What chance seldom draws: rules that a virtual function or a fact of before decides. */
const telling = fc.tuple(policies, fc.subarray([0, 1, 2, 3])).map(([policy, chosen]): Policy => {
  const rules: PolicyRule[] = [
    { id: 'vf', match: { vf: true }, action: 'preserve', reason: 'drawn' },
    { id: 'undriven', match: { class: '02', driver: null }, action: 'exempt', reason: 'drawn' },
    { id: 'nvme', match: { driver: 'nv*' }, action: 'exempt', reason: 'drawn' },
    { id: 'root', match: { holds: ['root'] }, action: 'preserve', reason: 'drawn' },
  ];
  return { ...policy, rules: [...policy.rules, ...rules.filter((_, n) => chosen.includes(n))] };
});

/** A machine as it was before some of its functions were put in. */
function without(machine: Machine, late: ReadonlySet<string>): Machine {
  const functions = [...machine.topology.nodes.values()].map((node) => node.function);
  const physfns = new Map(
    [...machine.topology.nodes].flatMap(([slot, { physfn }]) => (physfn ? [[slot, physfn]] : [])),
  );
  const topology = buildTopology(
    functions.filter(({ slot }) => !late.has(slot)),
    { physfns },
  );
  return { ...machine, topology };
}

/** Each fifth function that is not a physical one or a bridge. */
function latecomers({ topology }: Machine): Set<string> {
  const ends = [...topology.nodes].filter(
    ([, node]) => node.function.bridge === null && node.vfs.length === 0,
  );
  return new Set(ends.filter((_, n) => n % 5 === 0).map(([slot]) => slot));
}

const GATE_ALL: Policy = { ...defaultPolicy(), rules: [] };

/** Functions whose Command a plan writes. */
function planned(machine: Machine, policy: Policy): Set<string> {
  const { steps } = makePlan(machine, policy, { at: 'after' });
  return new Set(steps.filter((step) => step.kind === 'write' && step.offset === 4).map(({ slot }) => slot));
}

/** The plan's ladder goes by what is so now, and rules by what was so under the kernel that crashed. */
function expected(machine: Machine, remembered: Machine, policy: Policy): string[] {
  const decide = decider(policy, remembered, 'after');
  return [...planned(machine, GATE_ALL)]
    .filter((slot) => !['exempt', 'preserve'].includes(decide(slotOf(slot)).action))
    .sort();
}

/** With what was known before, and nothing known of those that were not there. */
function withFacts(
  machine: Machine,
  before: ReadonlyMap<string, FunctionFacts>,
  late: ReadonlySet<string>,
): Machine {
  const slots = [...machine.topology.nodes.keys()];
  const facts = slots.map(
    (slot) => [slot, { bootVga: false, ...(late.has(slot) ? {} : before.get(slot)) }] as const,
  );
  return { ...machine, facts: new Map(facts) };
}

const deepestFirst = (machine: Machine, slots: readonly string[]): boolean => {
  const depth = slots.map((slot) => machine.topology.nodes.get(slotOf(slot))?.depth ?? -1);
  return depth.every((one, n) => n === 0 || one <= (depth[n - 1] ?? 0));
};

it('gates what the plan for after the jump gates, whatever the machine and the policy', {
  timeout: 300_000,
}, async () => {
  let gated = 0;
  let left = 0;
  let turn = 0;
  const property = fc.asyncProperty(cases, telling, fc.boolean(), async (one, policy, crashedOnes) => {
    await withFolder(async (folder) => {
      const tree = buildGateTree(folder, one.functions);
      if (Object.keys(one.functions).length === 0) return;
      const machine = await scanTree(tree);
      const late = crashedOnes ? latecomers(machine) : new Set<string>();
      const remembered = crashedOnes ? withFacts(machine, one.former, late) : machine;
      const options = { machine: without(remembered, late), when: 'crash', tool: 'test' } as const;
      const table = compileGateTable(policy, crashedOnes ? options : { ...options, machine });
      const run = runGate(tree, table.text, { shell: SHELLS[turn++ % SHELLS.length] ?? [] });
      expect(run).toMatchObject({ status: 0, stdout: '', stderr: '' });
      expect(run.log, table.text).toMatch(/after the jump: \d+ gated, 0 failed/);
      const wanted = expected(machine, remembered, policy);
      expect([...run.gated].sort(), table.text).toEqual(wanted);
      if (!crashedOnes) expect(wanted).toEqual([...planned(machine, policy)].sort());
      expect(deepestFirst(machine, run.gated)).toBe(true);
      for (const slot of run.gated) expect(tree.command(slot) & 0x0404).toBe(0x0400);
      const after = await scanTree(tree);
      expect(planned(after, GATE_ALL).size).toBe(planned(machine, GATE_ALL).size - wanted.length);
      gated += wanted.length;
      left += planned(machine, GATE_ALL).size - wanted.length;
    });
  });
  await fc.assert(property, { numRuns: 24, seed: 20060, endOnFailure: false });
  // Neither all nor nothing.
  expect(gated).toBeGreaterThan(30);
  expect(left).toBeGreaterThan(30);
});

it('has seen both segments, virtual functions and facts of before', () => {
  const sample = fc.sample(cases, { numRuns: 30, seed: 20060 });
  const slots = sample.flatMap(({ functions }) => Object.keys(functions));
  expect(new Set(slots.map((slot) => slotParts(slotOf(slot)).domain)).size).toBe(2);
  expect(slots.some((slot) => slot.endsWith('.1'))).toBe(true);
});
