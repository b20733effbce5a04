import { functionResults } from '../../quiesce/journal.js';
import { makePlan } from '../../quiesce/plan.js';
import { performPlan, scanForPlan } from '../../quiesce/shootdown.js';
import type { JumpHooks } from '../jump/options.js';
import type { JumpPolicy, PolicyContext } from './policy.js';

export const after: JumpPolicy = {
  name: 'after',
  title: 'ours in the next kernel’s initramfs, before it binds drivers; on the normal path on top of linux',
  hooks: (context) => ({ clearsBusMasters: true, ...initramfsHook(context) }),
};

function initramfsHook({ machine, policy, record }: PolicyContext): JumpHooks {
  return {
    after: async () => {
      const { clock, host } = machine;
      const scanned = await scanForPlan(host, policy);
      // No driver is bound yet, and so no kernel is in the way that would have to be asked.
      const now = { ...scanned, machineFacts: { ...scanned.machineFacts, liveKernel: false } };
      const plan = makePlan(now, policy, { at: 'after' });
      const { journal } = await performPlan(host, plan, now, { clock });
      record({ place: 'after', end: journal.end ?? 'cut short', functions: functionResults(journal) });
    },
  };
}
