import { applyHook } from './before.js';
import { stubHook } from './between.js';
import type { JumpPolicy } from './policy.js';

export const ours: JumpPolicy = {
  name: 'ours',
  title: 'linux, apply before a normal jump, and the stub between the kernels on both paths',
  hooks: (context) => ({
    clearsBusMasters: true,
    ...(context.path === 'normal' ? applyHook(context) : {}),
    ...stubHook(context),
  }),
};
