import { functionResults } from '../../quiesce/journal.js';
import { deviceShootdown } from '../../quiesce/shootdown.js';
import type { JumpHooks } from '../jump/options.js';
import type { JumpPolicy, PolicyContext } from './policy.js';

export const before: JumpPolicy = {
  name: 'before',
  title: 'ours from the old kernel’s userspace, as apply does it; normal path only, on top of linux',
  hooks: (context) => (context.path === 'normal' ? { clearsBusMasters: true, ...applyHook(context) } : {}),
};

export function applyHook({ machine, policy, record }: PolicyContext): JumpHooks {
  return {
    before: async () => {
      const { clock, host } = machine;
      const { journal } = await deviceShootdown(host, { at: 'before', policy, clock });
      record({ place: 'before', end: journal.end ?? 'cut short', functions: functionResults(journal) });
    },
  };
}
