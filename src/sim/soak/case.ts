import { parseSlot, type Slot } from '../../pci/slot.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import type { JumpPath } from '../../quiesce/findings.js';
import type { Policy, PolicyRule } from '../../quiesce/policy.js';
import type { Faults, MachineDescription } from '../description.js';
import { PLATFORMS } from '../platform.js';
import type { PolicyName } from '../policies/names.js';
import { mix, Random } from '../random.js';
import { randomMachine } from './random-machine.js';

/** What a soak is about. Everything in it follows from these and from a case's number. */
export interface SoakSettings {
  readonly seed: number;
  /** Functions of a machine, about. */
  readonly functions: number;
  readonly policy: 'ours' | 'none';
}

/** One machine, and the jumps that it makes one after the other. */
export interface SoakCase {
  readonly machine: MachineDescription;
  /** Draws the machine's workload. */
  readonly seed: number;
  readonly faults: Readonly<Record<Slot, Faults>>;
  readonly jumps: readonly SoakJump[];
}

export interface SoakJump {
  readonly path: JumpPath;
  readonly policy: PolicyName;
  /** What ours goes by: the default policy, with or without its rules about bridges. */
  readonly bridges: boolean;
  /** Before its rules. */
  readonly rules: readonly PolicyRule[];
  /** How long is waited for what is pending. */
  readonly pendingTimeoutMs: number;
  readonly load?: 'relocated' | 'in-place';
  readonly crashCpu?: number;
  readonly ticks: number;
}

/** In all its places; else in one only. */
const OURS_PERCENT = 90;
const CHAINS_PERCENT = 20;
const CHAIN_MAX = 6;
const BRIDGES_PERCENT = 25;
const RESET_PERCENT = 15;
const IN_PLACE_PERCENT = 30;
const OTHER_CPU_PERCENT = 10;
/** The default, seldom: each of its milliseconds is 80 accesses to a function that does not get done. */
const PENDING_MS = [5, 5, 10, 10, 10, 20, 100];
/** The next kernel is watched for long enough that every device had its turn several times. */
const WATCHED_TICKS = 2500;

/** The same settings and number draw the same case. */
export function drawCase({ seed, functions, policy }: SoakSettings, number: number): SoakCase {
  const random = new Random(mix(seed >>> 0, number >>> 0)).fork('soak');
  const machineSeed = random.below(2 ** 31);
  // Some small, where much happens to each; most as large as was asked for.
  const count = random.chance(20) ? random.between(3, 12) : functions;
  const { description, faults } = randomMachine(machineSeed, {
    functions: count,
    depth: random.between(1, 5),
    domains: random.chance(10) ? 2 : 1,
    mixed: true,
  });
  const jumps = random.chance(CHAINS_PERCENT) ? random.between(2, CHAIN_MAX) : 1;
  const wanted = preserveWanted(description);
  return {
    machine: description,
    seed: random.below(2 ** 31),
    faults,
    jumps: Array.from({ length: jumps }, () => drawJump(random, policy, description, wanted)),
  };
}

function drawJump(
  random: Random,
  policy: SoakSettings['policy'],
  machine: MachineDescription,
  wanted: readonly PolicyRule[],
): SoakJump {
  const path: JumpPath = random.chance(50) ? 'crash' : 'normal';
  // Drawn in any case, so that the cases of all policies are the same.
  const place = drawPlace(random, path);
  const bridges = random.chance(BRIDGES_PERCENT) && !gatesMmio(machine);
  const resets = random.chance(RESET_PERCENT) ? [RESET_RULE] : [];
  return {
    path,
    policy: policy === 'none' ? 'none' : place,
    bridges,
    rules: [...wanted, ...resets],
    pendingTimeoutMs: random.pick(PENDING_MS),
    ticks: WATCHED_TICKS,
    ...(random.chance(IN_PLACE_PERCENT) ? { load: 'in-place' as const } : {}),
    ...(path === 'crash' && random.chance(OTHER_CPU_PERCENT) ? { crashCpu: random.between(1, 7) } : {}),
  };
}

function drawPlace(random: Random, path: JumpPath): PolicyName {
  if (random.chance(OURS_PERCENT)) return 'ours';
  return random.pick(path === 'normal' ? ['between', 'before', 'after'] : ['between', 'after']);
}

/** Where a closed root port stops the processor, too, closing one is not ours to propose. */
function gatesMmio({ platform = 'x86-server', rules }: MachineDescription): boolean {
  return rules?.rootPortGatesMmio ?? PLATFORMS[platform].rootPortGatesMmio;
}

const RESET_RULE: PolicyRule = {
  id: 'soak-reset',
  match: { class: '02', headerType: 'normal' },
  action: 'reset',
  at: ['before'],
  reason: 'drawn: network cards are reset before the jump',
};

/** Whoever needs a function's DMA across the jump says so. */
function preserveWanted({ functions }: MachineDescription): PolicyRule[] {
  return functions
    .filter(({ wanted }) => wanted)
    .map(({ slot, vfs }, at) => ({
      id: `soak-wanted-${at}`,
      // With its virtual functions, wherever they come to lie.
      match: vfs ? { slot: busOf(slot) } : { slot },
      action: 'preserve' as const,
      reason: 'drawn: its DMA is wanted across the jump',
    }));
}

function busOf(slot: string): string {
  return (parseSlot(slot) ?? slot).slice(0, -'00.0'.length);
}

const BRIDGE_RULES: ReadonlySet<string> = new Set(['pci-bridge', 'cardbus-bridge']);

export function policyOf({ bridges, rules, pendingTimeoutMs }: SoakJump): Policy {
  const base = defaultPolicy();
  const kept = bridges ? base.rules.filter(({ id }) => !BRIDGE_RULES.has(id)) : base.rules;
  const bounds = { ...base.bounds, pendingTimeoutMs };
  return { ...base, name: 'default, changed by the soak', rules: [...rules, ...kept], bounds };
}
