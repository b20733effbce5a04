import { ShootdownError } from '../pci/error.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { type Policy, parsePolicy } from '../quiesce/policy.js';
import type { Install } from './state.js';
import { readTextOf, type System } from './system.js';

/** The policy that is installed, or the one that ships. Throws `not-found` or `bad-input`. */
export function policyOf(system: Pick<System, 'read'>, install: Pick<Install, 'policy'> | undefined): Policy {
  const path = install?.policy;
  if (path === undefined || path === null) return defaultPolicy();
  const text = readTextOf(system, path);
  if (text === undefined) throw new ShootdownError('not-found', `${path}: the policy is not there`);
  return parsePolicy(text, path);
}
