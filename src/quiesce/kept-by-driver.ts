import type { Place, PolicyAction } from './policy.js';

/**
 * Whether a function is not gated because a driver may need it: where drivers run, gating would starve a bound one, and
 * one that is not known may be bound. `driver` is `null` for none, `undefined` where it is not known.
 */
export function keptByDriver(
  at: Place,
  action: PolicyAction,
  driver: string | null | undefined,
): 'bound' | 'not-known' | undefined {
  if (at === 'between' || driver === null) return undefined;
  if (driver === undefined) return 'not-known';
  return at === 'before' && releases(action) ? undefined : 'bound';
}

/** Before the jump, an action that takes the driver off first. */
export const releases = (action: PolicyAction): boolean => action === 'unbind' || action === 'reset';
