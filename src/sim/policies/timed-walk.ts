import type { Clock } from '../../host/clock.js';
import type { Host } from '../../host/port.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import type { Policy, PolicyRule } from '../../quiesce/policy.js';

const ONES = 0xffff_ffff;

/** The search of a stub, which a function that hangs with its link up can use up the time for. */
export interface TimedWalk {
  readonly host: Host;
  /** Functions that were not looked at: the time was over. */
  readonly missed: ReadonlySet<Slot>;
}

/**
 * A host as a stub looks for functions: Command and Status first, nothing more where they read as ones, and after
 * `timeoutMs` no other function. Only these first reads count, since a scan reads more of each function than a stub.
 */
export function timedWalk(host: Host, clock: Clock, timeoutMs: number): TimedWalk {
  const first = new Map<Slot, number>();
  const missed = new Set<Slot>();
  let spentMs = 0;
  const firstRead = async (slot: Slot): Promise<number> => {
    const seen = first.get(slot);
    if (seen !== undefined) return seen;
    if (spentMs >= timeoutMs) missed.add(slot);
    const start = clock.now();
    const value = missed.has(slot) ? ONES : (await host.read(slot, regs.PCI_COMMAND, 4)) >>> 0;
    spentMs += clock.now() - start;
    first.set(slot, value);
    return value;
  };
  const read: Host['read'] = async (slot, offset, width) => {
    const value = await firstRead(slot);
    if (value === ONES) return ONES >>> (32 - 8 * width);
    return offset === regs.PCI_COMMAND && width === 4 ? value : host.read(slot, offset, width);
  };
  return { host: { ...host, read }, missed };
}

const BRIDGES_OPEN: PolicyRule = {
  id: 'walk-cut',
  match: { headerType: 'bridge' },
  action: 'exempt',
  reason: 'the time to look for functions ran out: what is below it is not known',
};

/** What a stub goes by once its search was cut short: nobody knows what else is below a bridge. */
export function bridgesOpen(policy: Policy): Policy {
  return { ...policy, rules: [BRIDGES_OPEN, ...policy.rules] };
}
