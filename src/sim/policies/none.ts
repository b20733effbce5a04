import type { JumpPolicy } from './policy.js';

export const none: JumpPolicy = {
  name: 'none',
  title: 'nobody clears a bus-master bit; drivers with a shutdown method still run it on the normal path',
  hooks: () => ({}),
};
