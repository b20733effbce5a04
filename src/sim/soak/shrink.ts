import { compareSlots, parseSlot, type Slot, slotParts } from '../../pci/slot.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import type { FunctionDescription } from '../description.js';
import { strayBuses } from '../scenario/root-buses.js';
import type { SoakCase, SoakJump } from './case.js';

export interface ShrinkOptions {
  /** True where the case still shows what is looked for. */
  readonly shows: (candidate: SoakCase) => Promise<boolean>;
  /** True ends it early, with what was found by then. */
  readonly enough?: () => boolean;
  /** Cases that are tried, at most. Default 2000. */
  readonly tries?: number;
}

/**
 * The smallest case that can be found by taking things away, one after the other, that still shows it: jumps, then
 * functions with what is below them, then faults, virtual functions and platform rules.
 */
export async function shrinkCase(
  from: SoakCase,
  { shows, enough = () => false, tries = 2000 }: ShrinkOptions,
): Promise<SoakCase> {
  const stray = hasStrayBus(from);
  let left = tries;
  let best = from;
  const attempt = async (candidate: SoakCase): Promise<boolean> => {
    if (left <= 0 || enough()) return false;
    // A host bridge stays with what is on its root bus: a scenario could not say where that bus comes from.
    if (!stray && hasStrayBus(candidate)) return false;
    left--;
    if (!(await shows(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let smaller = true; smaller && left > 0 && !enough(); ) {
    smaller = false;
    for (let at = best.jumps.length - 2; at >= 0; at--)
      if (await attempt({ ...best, jumps: best.jumps.filter((_, i) => i !== at) })) smaller = true;
    if (await withoutFunctions(() => best, attempt)) smaller = true;
    for (const simplify of simplerCases(best)) {
      const candidate = simplify(best);
      if (candidate !== best && (await attempt(candidate))) smaller = true;
    }
  }
  return best;
}

function hasStrayBus({ machine }: SoakCase): boolean {
  const functions = machine.functions.map(({ slot, secondary, classCode, express }) => ({
    ...{ slot, secondary, express },
    kind: classCode >> 8,
  }));
  return strayBuses(functions).length > 0;
}

/** Takes away many functions at a time, then fewer: most have nothing to do with it. */
async function withoutFunctions(
  best: () => SoakCase,
  attempt: (candidate: SoakCase) => Promise<boolean>,
): Promise<boolean> {
  let smaller = false;
  for (let size = Math.ceil(best().machine.functions.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < best().machine.functions.length; ) {
      const chosen = best()
        .machine.functions.slice(from, from + size)
        .map(({ slot }) => slot);
      if (await attempt(withoutSlots(best(), chosen))) smaller = true;
      else from += size;
    }
  }
  return smaller;
}

/** Without these functions and everything below them. */
export function withoutSlots(of: SoakCase, slots: readonly string[]): SoakCase {
  const gone = new Set(slots.map(fullSlot));
  const closed = new Set<string>();
  const functions = [...of.machine.functions].sort((a, b) =>
    compareSlots(fullSlot(a.slot), fullSlot(b.slot)),
  );
  // A bridge has a lower bus number than what is below it.
  for (const fn of functions) {
    const slot = fullSlot(fn.slot);
    const { domain, bus } = slotParts(slot);
    if (closed.has(`${domain}:${bus}`)) gone.add(slot);
    if (gone.has(slot) && fn.secondary !== undefined) closed.add(`${domain}:${fn.secondary}`);
  }
  const kept = of.machine.functions.filter(({ slot }) => !gone.has(fullSlot(slot)));
  const faults = Object.entries(of.faults).filter(([slot]) => !gone.has(fullSlot(slot)));
  return { ...of, machine: { ...of.machine, functions: kept }, faults: Object.fromEntries(faults) };
}

function fullSlot(text: string): Slot {
  const slot = parseSlot(text);
  if (slot === undefined) throw new Error(`${text} is not a slot`);
  return slot;
}

type Simplify = (of: SoakCase) => SoakCase;

/** One thing less each. They are given the case as it is by then. */
function simplerCases({ faults, machine }: SoakCase): Simplify[] {
  const dropFault =
    (slot: string): Simplify =>
    (of) => ({
      ...of,
      faults: Object.fromEntries(Object.entries(of.faults).filter(([other]) => other !== slot)),
    });
  const { rules, era, platform } = machine;
  const changeMachine =
    (change: Partial<SoakCase['machine']>, without?: 'rules' | 'era' | 'platform'): Simplify =>
    (of) => {
      const next = { ...of.machine, ...change };
      if (without) delete next[without];
      return { ...of, machine: next };
    };
  const dropRules = Object.keys(rules ?? {}).map(
    (key): Simplify =>
      (of) => {
        const rest = Object.entries(of.machine.rules ?? {}).filter(([other]) => other !== key);
        return { ...of, machine: { ...of.machine, rules: Object.fromEntries(rest) } };
      },
  );
  const functions = machine.functions.flatMap(({ slot }) =>
    DROPPED.map(
      (key): Simplify =>
        (of) =>
          withoutKey(of, slot, key),
    ),
  );
  return [
    ...plainerJumps(),
    ...Object.keys(faults).map(dropFault),
    ...dropRules,
    ...(era ? [changeMachine({}, 'era')] : []),
    ...(platform ? [changeMachine({}, 'platform')] : []),
    ...(machine.captureDrivers.length > 0 ? [changeMachine({ captureDrivers: [] })] : []),
    ...functions,
  ];
}

/** The default policy's own wait and rules, and a jump like any other. */
function plainerJumps(): Simplify[] {
  const changed =
    (differs: (jump: SoakJump) => boolean, change: (jump: SoakJump) => SoakJump): Simplify =>
    (of) =>
      of.jumps.some(differs) ? { ...of, jumps: of.jumps.map(change) } : of;
  const { pendingTimeoutMs } = defaultPolicy().bounds;
  return [
    changed(
      (jump) => jump.pendingTimeoutMs !== pendingTimeoutMs,
      (jump) => ({ ...jump, pendingTimeoutMs }),
    ),
    changed(
      (jump) => jump.bridges,
      (jump) => ({ ...jump, bridges: false }),
    ),
    changed(
      (jump) => jump.rules.length > 0,
      (jump) => ({ ...jump, rules: [] }),
    ),
    changed(
      (jump) => jump.load !== undefined,
      ({ load: _, ...jump }) => jump,
    ),
    changed(
      (jump) => jump.crashCpu !== undefined,
      ({ crashCpu: _, ...jump }) => jump,
    ),
  ];
}

/** What a function can do without. */
const DROPPED = [
  'vfs',
  'vfDriver',
  'faults',
  'repeatsMessages',
  'wedgesWhenCut',
  'flr',
  'holds',
  'messages',
  'wanted',
] as const;

function withoutKey(of: SoakCase, slot: string, key: (typeof DROPPED)[number]): SoakCase {
  const functions = of.machine.functions.map((fn): FunctionDescription => {
    if (fn.slot !== slot || fn[key] === undefined) return fn;
    const { [key]: _, ...rest } = fn;
    return rest;
  });
  const same = functions.every((fn, at) => fn === of.machine.functions[at]);
  return same ? of : { ...of, machine: { ...of.machine, functions } };
}
