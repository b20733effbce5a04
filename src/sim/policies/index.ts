import { after } from './after.js';
import { before } from './before.js';
import { between } from './between.js';
import { clearmsi } from './clearmsi.js';
import { efiBridges } from './efi-bridges.js';
import { ia642006 } from './ia64-2006.js';
import { linux } from './linux.js';
import { POLICY_NAMES, type PolicyName } from './names.js';
import { none } from './none.js';
import { ours } from './ours.js';
import type { JumpPolicy } from './policy.js';
import { xen2011 } from './xen-2011.js';

const POLICIES: Readonly<Record<PolicyName, JumpPolicy>> = {
  none,
  'ia64-2006': ia642006,
  linux,
  'efi-bridges': efiBridges,
  'xen-2011': xen2011,
  clearmsi,
  before,
  between,
  after,
  ours,
};

/** In the order in which a matrix shows them. */
export const JUMP_POLICIES: readonly JumpPolicy[] = POLICY_NAMES.map((name) => POLICIES[name]);

export function jumpPolicy(name: PolicyName): JumpPolicy {
  return POLICIES[name];
}

/** Ours, in one place or all: these say what they did, and are judged by it. */
export const OURS: ReadonlySet<PolicyName> = new Set(['before', 'between', 'after', 'ours']);
