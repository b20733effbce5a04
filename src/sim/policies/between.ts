import { type Machine, scan } from '../../host/scan.js';
import type { Slot } from '../../pci/slot.js';
import { buildTopology } from '../../pci/topology.js';
import { functionResults } from '../../quiesce/journal.js';
import { makePlan } from '../../quiesce/plan.js';
import { performPlan } from '../../quiesce/shootdown.js';
import type { JumpHooks } from '../jump/options.js';
import type { JumpPolicy, PolicyContext, StubRunner } from './policy.js';

export const between: JumpPolicy = {
  name: 'between',
  title: 'ours between the kernels, as a wrapped kernel does it; on the normal path on top of linux',
  hooks: (context) => ({ clearsBusMasters: true, ...stubHook(context) }),
};

export function stubHook({ machine, policy, known, stub, record }: PolicyContext): JumpHooks {
  return {
    between: async (host) => record(await stub({ host, clock: machine.clock, policy, known })),
  };
}

/** What the stub does, done by the plan of the policy: the two leave the same machine behind. */
export const performBetween: StubRunner = async ({ host, clock, policy, known }) => {
  const machine = withFacts(await scan(host, { extended: false }), known);
  const plan = makePlan(machine, policy, { at: 'between' });
  // Its drivers are gone; what was known of them only decides.
  const { journal } = await performPlan(host, plan, { ...machine, facts: new Map() }, { clock });
  return { place: 'between', end: journal.end ?? 'cut short', functions: functionResults(journal) };
};

/** A machine as it is now, with what was known of its functions when somebody could still be asked. */
function withFacts(now: Machine, known: Machine | null): Machine {
  if (known === null) return now;
  const physfns = new Map<Slot, Slot>();
  for (const [slot, { physfn }] of known.topology.nodes) if (physfn !== null) physfns.set(slot, physfn);
  const functions = [...now.topology.nodes.values()].map((node) => node.function);
  return { ...now, topology: buildTopology(functions, { physfns }), facts: known.facts };
}
