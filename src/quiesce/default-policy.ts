import json from '../../policies/default.json' with { type: 'json' };
import { type Policy, parsePolicy } from './policy.js';

let parsed: Policy | undefined;

/** The policy that counts when none is named: `policies/default.json`. */
export function defaultPolicy(): Policy {
  parsed ??= parsePolicy(JSON.stringify(json), 'policies/default.json');
  return parsed;
}
