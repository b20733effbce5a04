import { hex } from '../../pci/slot.js';
import { keptByDriver } from '../../quiesce/kept-by-driver.js';
import { type FleetAudit, type FleetFunction, isAwake } from './read-audit.js';
import { NO_SLOT } from './slot-key.js';

/** A function, by its index, and what is wrong with it. */
export interface Named {
  readonly index: number;
  readonly why: string;
}

interface Seen {
  /**
   * Functions that nothing is known to stop: the policy leaves them alone, they are out of reach or left to their
   * drivers, or a gated bridge is above.
   */
  readonly exposed: readonly Named[];
  /** Live functions that the policy would stop, unless a protected capture kernel does. */
  readonly curable: readonly Named[];
  readonly unread: readonly Named[];
  /** A crash would start nothing. */
  readonly nothingStarts: boolean;
}

/** What a jump would meet on a machine: the first of these that holds, the gravest first, and the functions in it. */
const TABLE = [
  {
    outcome: 'exposed',
    meaning: 'something is live that nothing is known to stop',
    holds: ({ exposed }: Seen) => exposed.length > 0,
    named: ({ exposed }: Seen) => exposed,
  },
  {
    outcome: 'no-capture-kernel',
    meaning: 'after a panic nothing would start',
    holds: ({ nothingStarts }: Seen) => nothingStarts,
    named: () => [],
  },
  {
    outcome: 'unprotected',
    meaning: 'something is live that the policy would stop, and nothing shows that anything does',
    holds: ({ curable }: Seen) => curable.length > 0,
    named: ({ curable }: Seen) => curable,
  },
  {
    outcome: 'unknown',
    meaning: 'functions could not be read',
    holds: ({ unread }: Seen) => unread.length > 0,
    named: ({ unread }: Seen) => unread,
  },
  {
    outcome: 'ready',
    meaning: 'nothing is left running, as far as can be seen',
    holds: () => true,
    named: () => [],
  },
] as const;

export type Outcome = (typeof TABLE)[number]['outcome'];
/** The gravest first. */
export const OUTCOMES: readonly Outcome[] = TABLE.map(({ outcome }) => outcome);

export const OUTCOME_MEANINGS = Object.fromEntries(
  TABLE.map(({ outcome, meaning }) => [outcome, meaning]),
) as Readonly<Record<Outcome, string>>;

export interface Assessment extends Seen {
  readonly outcome: Outcome;
  readonly live: number;
  /** The functions that the outcome is about. */
  readonly named: readonly Named[];
}

const LEFT: readonly string[] = ['exempt', 'preserve'];

/** Pure. What the audit's own findings hold for harmless (a display, a chipset's function) counts as that. */
export function assess(audit: FleetAudit, byKey: ReadonlyMap<number, number>): Assessment {
  const { functions, path, lockdown, captureLoaded, captureProtected } = audit;
  const warned = new Set<number>();
  const exposed: Named[] = [];
  for (const { id, key, severity } of audit.findings) {
    const index = byKey.get(key);
    if (key === NO_SLOT || index === undefined || severity === 'info') continue;
    warned.add(index);
    if (id === 'SD009') exposed.push({ index, why: 'gated above a live function' });
  }
  const curable: Named[] = [];
  const unread: Named[] = [];
  const stopped = path === 'crash' && captureProtected === true;
  let live = 0;
  for (const [index, fn] of functions.entries()) {
    if (fn.presence === 'all-ones') unread.push({ index, why: 'does not answer (all-ones)' });
    if (fn.presence === 'unreadable') unread.push({ index, why: 'could not be read' });
    if (fn.verdict !== 'live' || fn.secondary !== null) continue;
    live++;
    const left = LEFT.includes(fn.action);
    const why = left
      ? warned.has(index) && `rule ${fn.rule} leaves it alone`
      : whyNotStopped(fn, path, lockdown, warned.has(index));
    if (why) exposed.push({ index, why });
    else if (!left && !stopped && warned.has(index)) {
      curable.push({ index, why: `rule ${fn.rule} would ${fn.action} it` });
    }
  }
  const nothingStarts = path === 'crash' && captureLoaded === false;
  const seen: Seen = { exposed, curable, unread, nothingStarts };
  // The last one always holds.
  const row = TABLE.find(({ holds }) => holds(seen)) as (typeof TABLE)[number];
  return { ...seen, outcome: row.outcome, live, named: row.named(seen) };
}

function whyNotStopped(
  fn: FleetFunction,
  path: FleetAudit['path'],
  lockdown: FleetAudit['lockdown'],
  warned: boolean,
): string | false {
  if (!isAwake(fn)) return warned && `in ${fn.powerState}: it is not written`;
  if (path === 'crash') {
    return fn.key >= 0x1_0000
      ? `segment ${hex(Math.floor(fn.key / 0x1_0000), 4)} is out of reach between the kernels`
      : false;
  }
  if (!warned) return false;
  const kept = keptByDriver('before', fn.action, fn.driver);
  if (kept === 'bound') return `bound to ${fn.driver}: left to its driver's shutdown`;
  if (kept === 'not-known') return 'driver not known: apply does not gate it';
  const locked = lockdown === 'integrity' || lockdown === 'confidentiality';
  return locked && `lockdown (${lockdown}) refuses to gate it`;
}
