import { type Machine, scan } from '../../host/scan.js';
import type { Slot } from '../../pci/slot.js';
import { decider } from '../../quiesce/decide.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import type { Place, Policy } from '../../quiesce/policy.js';
import { falseClaims } from '../checkers/false-claims.js';
import { walkReach } from '../checkers/walk-reach.js';
import type { Era, Faults } from '../description.js';
import type { SimFunction } from '../functions/function.js';
import { JumpLog } from '../jump/jump-log.js';
import type { JumpHooks, JumpOptions } from '../jump/options.js';
import type { JumpResult } from '../jump/result.js';
import type { SimMachine } from '../machine.js';
import { TICKS_PER_MS } from '../ticks.js';
import { performBetween } from './between.js';
import { jumpPolicy, OURS } from './index.js';
import type { PolicyName } from './names.js';
import type { Claims, StubRunner } from './policy.js';

export interface PlayOptions extends Omit<JumpOptions, keyof JumpHooks> {
  /** What ours goes by. Default: the policy that ships. */
  readonly policy?: Policy;
  /** What runs between the kernels for ours. Default: `perform`. */
  readonly stub?: StubRunner;
}

/** What ours said of a place, and when it was over there. */
export interface PlaceRecord extends Claims {
  readonly tick: number;
  /** It says that its time was over, and it was. */
  readonly timeOver: boolean;
  /** The first function that nobody could have come to by then; `null` for none, and where time was not over. */
  readonly reach: Slot | null;
}

export interface PlayedJump {
  readonly result: JumpResult;
  readonly policy: PolicyName;
  /** What ours said, in order; empty for what leaves no record, and if it never had its turn. */
  readonly records: readonly PlaceRecord[];
  /** What ours said and was not so when it said it, a line each. */
  readonly untrue: readonly string[];
  /** Who wrote to Command registers, and what the IOMMU stopped. */
  readonly log: JumpLog;
  readonly era: Era;
  /** The bridges above each function, nearest first. */
  readonly above: ReadonlyMap<Slot, readonly Slot[]>;
  readonly bridges: ReadonlySet<Slot>;
  /** What is wrong with functions from the jump's start. */
  readonly faults: ReadonlyMap<Slot, Faults>;
  /** Functions that no driver can use since before the jump. */
  readonly wedged: ReadonlySet<Slot>;
}

/** One jump of a machine under a policy, with what the policy says about it. */
export async function playJump(
  machine: SimMachine,
  name: PolicyName,
  { policy = defaultPolicy(), stub = performBetween, path, ...jump }: PlayOptions,
): Promise<PlayedJump> {
  const records: PlaceRecord[] = [];
  const untrue: string[] = [];
  let stubBegan = 0;
  // A kernel is wrapped long before it is needed.
  const known: Machine | null = OURS.has(name) ? await machine.beforehand(() => scan(machine.host)) : null;
  const hooks = jumpPolicy(name).hooks({
    ...{ machine, path, policy, known },
    stub: (surroundings) => {
      stubBegan = machine.now;
      return stub(surroundings);
    },
    record: (claims) => {
      const { now: tick } = machine;
      const allowed = policy.between.walkTimeoutMs * TICKS_PER_MS;
      const timeOver = claims.end === 'time' && tick - stubBegan >= allowed;
      const reach = timeOver ? walkReach(machine, allowed) : null;
      records.push({ ...claims, tick, timeOver, reach });
      untrue.push(...falseClaims(machine, claims, added(policy, known, claims.place), reach));
    },
  });
  const log = new JumpLog();
  const functions = [...machine.functions.values()];
  const above = new Map(functions.map((fn) => [fn.slot, bridgesAbove(fn)]));
  const bridges = new Set(functions.filter((fn) => fn.isBridge).map(({ slot }) => slot));
  const wedged = new Set(functions.filter((fn) => fn.device?.wedged).map(({ slot }) => slot));
  const faults = new Map(functions.map((fn) => [fn.slot, fn.faults]));
  const stop = machine.observe(log.observer);
  try {
    const result = await machine.jump({ path, ...jump, ...hooks });
    return { result, policy: name, records, untrue, log, era: machine.era, above, bridges, faults, wedged };
  } finally {
    stop();
  }
}

/** What somebody added to the default policy leaves alone. */
function added(policy: Policy, known: Machine | null, place: Place): (slot: Slot) => boolean {
  const usual = new Set(defaultPolicy().rules.map(({ id }) => id));
  const rules = policy.rules.filter(({ id }) => !usual.has(id));
  if (known === null || rules.length === 0) return () => false;
  const otherwise = { action: 'gate', reason: 'nobody added anything about it' } as const;
  const decide = decider({ ...policy, rules, otherwise }, known, place);
  return (slot) => ['exempt', 'preserve'].includes(decide(slot).action);
}

function bridgesAbove(fn: SimFunction): Slot[] {
  const slots: Slot[] = [];
  for (let at = fn.parent; at; at = at.parent) slots.push(at.slot);
  return slots;
}
