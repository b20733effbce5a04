import { hex } from '../../pci/slot.js';
import type { FleetAudit, FleetFunction } from './read-audit.js';
import { NO_SLOT } from './slot-key.js';

/**
 * What a jump would meet on a machine, the gravest first:
 * - `exposed`: a function is live that nothing stops: the policy leaves it alone, it is out of reach, or a gated
 *   bridge is above it
 * - `unprotected`: functions are live that the policy would stop, and nothing shows that anything does
 * - `no-capture-kernel`: after a panic nothing would start
 * - `unknown`: functions could not be read
 * - `ready`: none of these
 */
export const OUTCOMES = ['exposed', 'unprotected', 'no-capture-kernel', 'unknown', 'ready'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const OUTCOME_MEANINGS: Readonly<Record<Outcome, string>> = {
  exposed: 'something is live that nothing stops',
  unprotected: 'something is live that the policy would stop, and nothing shows that anything does',
  'no-capture-kernel': 'after a panic nothing would start',
  unknown: 'functions could not be read',
  ready: 'nothing is left running, as far as can be seen',
};

export interface Assessment {
  readonly outcome: Outcome;
  readonly live: number;
  /** Indices of functions that nothing stops, and why. */
  readonly exposed: readonly { readonly index: number; readonly why: string }[];
  /** Of functions that the policy would stop. */
  readonly curable: readonly number[];
  readonly unread: number;
}

const LEFT: readonly string[] = ['exempt', 'preserve'];

/** Pure. What the audit's own findings hold for harmless (a display, a chipset's function) counts as that. */
export function assess(audit: FleetAudit, byKey: ReadonlyMap<number, number>): Assessment {
  const { functions, path, lockdown } = audit;
  const warned = new Set<number>();
  const exposed: { index: number; why: string }[] = [];
  for (const { id, key, severity } of audit.findings) {
    const index = byKey.get(key);
    if (key === NO_SLOT || index === undefined || severity === 'info') continue;
    warned.add(index);
    if (id === 'SD009') exposed.push({ index, why: 'gated above a live function' });
  }
  const curable: number[] = [];
  let live = 0;
  let unread = 0;
  for (const [index, fn] of functions.entries()) {
    if (fn.presence === 'all-ones' || fn.presence === 'unreadable') unread++;
    if (fn.verdict !== 'live' || fn.secondary !== null) continue;
    live++;
    const left = LEFT.includes(fn.action);
    const why = left
      ? warned.has(index) && `rule ${fn.rule} leaves it alone`
      : outOfReach(fn, path, lockdown, warned.has(index));
    if (why) exposed.push({ index, why });
    else if (!left && warned.has(index)) curable.push(index);
  }
  return {
    outcome: outcomeOf(audit, exposed.length, curable.length, unread),
    live,
    exposed,
    curable,
    unread,
  };
}

function outOfReach(
  fn: FleetFunction,
  path: FleetAudit['path'],
  lockdown: FleetAudit['lockdown'],
  warned: boolean,
): string | false {
  if (path === 'crash') {
    return fn.key >= 0x1_0000
      ? `segment ${hex(Math.floor(fn.key / 0x1_0000), 4)} is out of reach between the kernels`
      : false;
  }
  const locked = lockdown === 'integrity' || lockdown === 'confidentiality';
  return warned && locked && `lockdown (${lockdown}) refuses to gate it`;
}

function outcomeOf(
  { path, captureLoaded, captureProtected }: FleetAudit,
  exposed: number,
  curable: number,
  unread: number,
): Outcome {
  if (exposed > 0) return 'exposed';
  if (path === 'crash' && captureLoaded === false) return 'no-capture-kernel';
  if (curable > 0 && !(path === 'crash' && captureProtected)) return 'unprotected';
  return unread > 0 ? 'unknown' : 'ready';
}
