import { createHash } from 'node:crypto';
import type { Policy } from './policy.js';

/** SHA-256, in hexadecimal, of the policy as it counts: as JSON with sorted keys, defaults filled in. */
export function policyDigest(policy: Policy): string {
  return createHash('sha256').update(canonicalJson(policy)).digest('hex');
}

/** JSON of one form: keys sorted, no white space, what is undefined left out. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
