import { type Machine, scan } from '../../host/scan.js';
import type { Slot } from '../../pci/slot.js';
import { buildTopology } from '../../pci/topology.js';
import { functionResults } from '../../quiesce/journal.js';
import { makePlan } from '../../quiesce/plan.js';
import { performPlan } from '../../quiesce/shootdown.js';
import type { JumpHooks } from '../jump/options.js';
import type { JumpPolicy, PolicyContext, StubRunner } from './policy.js';
import { bridgesOpen, timedWalk } from './timed-walk.js';

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
  const walk = timedWalk(host, clock, policy.between.walkTimeoutMs);
  const machine = asFound(await scan(walk.host, { extended: false }), known, walk.missed);
  const cut = walk.missed.size > 0;
  const plan = makePlan(machine, cut ? bridgesOpen(policy) : policy, { at: 'between' });
  // Its drivers are gone; what was known of them only decides.
  const { journal } = await performPlan(host, plan, { ...machine, facts: new Map() }, { clock });
  const end = cut ? 'time' : (journal.end ?? 'cut short');
  return { place: 'between', end, functions: functionResults(journal) };
};

/** What was found of a machine, with what was known of its functions when somebody could still be asked. */
function asFound(now: Machine, known: Machine | null, missed: ReadonlySet<Slot>): Machine {
  const physfns = new Map<Slot, Slot>();
  for (const [slot, { physfn }] of (known ?? now).topology.nodes)
    if (physfn !== null) physfns.set(slot, physfn);
  const functions = [...now.topology.nodes.values()].map((node) => node.function);
  const found = functions.filter(({ slot }) => !missed.has(slot));
  return { ...now, topology: buildTopology(found, { physfns }), facts: (known ?? now).facts };
}
