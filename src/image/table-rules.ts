import { ShootdownError } from '../pci/error.js';
import { type IdSelector, parseIdSelector, parseSlotSelector } from '../pci/selector.js';
import { routingId, type Slot } from '../pci/slot.js';
import { type FactPredicate, factPredicate, HEADER_TYPES } from '../quiesce/decide.js';
import type { Place, Policy, PolicyRule } from '../quiesce/policy.js';
import { CONDITIONS, FACTS_MAX } from './layout.js';
import type { TableAction, TableRule } from './table-data.js';

/** A policy's rules as masks, in the order in which they are tried. */
export interface CompiledRules {
  readonly rules: readonly TableRule[];
  readonly ids: readonly string[];
  /** The policy's own, one for each of `rules`. */
  readonly sources: readonly PolicyRule[];
  /** By fact bit. */
  readonly predicates: readonly FactPredicate[];
  /** Rules that count in this place and yet cannot match there, in one line each. */
  readonly notes: readonly string[];
}

/** What a rule does between the kernels, where there is neither a driver to unbind nor a reset. */
const ACTIONS = {
  exempt: 'exempt',
  preserve: 'preserve',
  gate: 'gate',
  unbind: 'gate',
  reset: 'gate',
} as const satisfies Record<PolicyRule['action'], TableAction>;

/**
 * The rules that count in a place where no program of ours runs, as masks: between the kernels (the default), where
 * only segment 0 is reached, or after the jump. Throws `bad-input` where more rules for between ask for a driver or
 * for what a function holds than a wrapped kernel's table has bits.
 */
export function compileRules(policy: Policy, place: Exclude<Place, 'before'> = 'between'): CompiledRules {
  const rules: TableRule[] = [];
  const sources: PolicyRule[] = [];
  const predicates: FactPredicate[] = [];
  const notes: string[] = [];
  for (const rule of policy.rules) {
    if (rule.at?.includes(place) === false) continue;
    const masks = masksOf(rule, place);
    if (typeof masks === 'string') {
      notes.push(`rule ${rule.id} ${masks}`);
      continue;
    }
    const predicate = factPredicate(rule);
    if (predicate) predicates.push(predicate);
    rules.push({
      ...masks,
      headerType: rule.match.headerType === undefined ? null : HEADER_TYPES[rule.match.headerType],
      conditions: conditionsOf(rule),
      factBit: predicate ? predicates.length - 1 : null,
      action: ACTIONS[rule.action],
    });
    sources.push(rule);
  }
  if (place === 'between' && predicates.length > FACTS_MAX) {
    const message =
      `policy ${policy.name}: ${predicates.length} rules for the place between have driver or holds, and a wrapped ` +
      `kernel has room for ${FACTS_MAX}: merge some with * in driver, or give some another place with at`;
    throw new ShootdownError('bad-input', message);
  }
  return { rules, ids: sources.map(({ id }) => id), sources, predicates, notes };
}

/** A rule about a single function. */
export function ruleForOne(slot: Slot, action: TableAction): TableRule {
  return {
    ...{ classMask: 0, classValue: 0, idMask: 0, idValue: 0 },
    ...{ routingIdMask: 0xffff, routingIdValue: routingId(slot) },
    ...{ headerType: null, conditions: 0, factBit: null, action },
  };
}

type Masks = Pick<
  TableRule,
  'classMask' | 'classValue' | 'idMask' | 'idValue' | 'routingIdMask' | 'routingIdValue'
>;

/** What of a rule is bits of a register or of a routing ID; or why nothing that is reached has them. */
function masksOf({ match }: PolicyRule, place: Place): Masks | string {
  const { slot: _s, id: _i, class: _c, ...others } = match;
  // Those that the table has in other ways; a key that is in neither list has to be given a way first.
  const { headerType: _h, rootBus: _r, vf: _v, bootDisplay: _b, driver: _d, holds: _o, ...unknown } = others;
  unknown satisfies Record<string, never>;
  const slot = match.slot === undefined ? undefined : parseSlotSelector(match.slot);
  if (place === 'between' && slot?.domain !== undefined && slot.domain !== 0) {
    return `is left out: it names PCI segment ${slot.domain.toString(16).padStart(4, '0')}, and only 0000 is reached`;
  }
  const id = match.id === undefined ? undefined : parseIdSelector(match.id);
  const byClass = both(classOfDigits(match.class), classOfSelector(id));
  if (!byClass) return 'is left out: its class and its id contradict each other';
  const byId = both(field(id?.vendor, 0xffff, 0), field(id?.device, 0xffff, 16));
  const bySlot = both(
    both(field(slot?.bus, 0xff, 8), field(slot?.device, 0x1f, 3)),
    field(slot?.function, 7, 0),
  );
  if (!byId || !bySlot) throw new RangeError('fields of one selector do not overlap');
  return {
    classMask: byClass.mask,
    classValue: byClass.value,
    idMask: byId.mask,
    idValue: byId.value,
    routingIdMask: bySlot.mask,
    routingIdValue: bySlot.value,
  };
}

interface Masked {
  readonly mask: number;
  readonly value: number;
}

const ANY: Masked = { mask: 0, value: 0 };

/** What fits both; `undefined` if nothing can. */
function both(a: Masked | undefined, b: Masked | undefined): Masked | undefined {
  if (!a || !b || ((a.value ^ b.value) & a.mask & b.mask) !== 0) return undefined;
  return { mask: (a.mask | b.mask) >>> 0, value: (a.value | b.value) >>> 0 };
}

function field(value: number | undefined, mask: number, shift: number): Masked {
  return value === undefined ? ANY : { mask: (mask << shift) >>> 0, value: ((value & mask) << shift) >>> 0 };
}

/** In the dword at offset 8, whose lowest byte is the revision. */
function classOfDigits(digits: string | undefined): Masked {
  if (!digits) return ANY;
  const shift = 32 - 4 * digits.length;
  const value = (Number.parseInt(digits, 16) << shift) >>> 0;
  return { mask: (0xffff_ffff << shift) >>> 0, value };
}

function classOfSelector(id: IdSelector | undefined): Masked | undefined {
  const wanted = id?.class;
  const ofClass = wanted ? { mask: (wanted.mask << 16) >>> 0, value: (wanted.value << 16) >>> 0 } : ANY;
  return both(ofClass, field(id?.progIf, 0xff, 8));
}

function conditionsOf({ match: { rootBus, vf, bootDisplay } }: PolicyRule): number {
  const pick = (wanted: boolean | undefined, yes: number, no: number) =>
    wanted === undefined ? 0 : wanted ? yes : no;
  return (
    pick(rootBus, CONDITIONS.rootBus, CONDITIONS.notRootBus) |
    pick(vf, CONDITIONS.vf, CONDITIONS.notVf) |
    pick(bootDisplay, CONDITIONS.bootDisplay, CONDITIONS.notBootDisplay)
  );
}
