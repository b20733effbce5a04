import * as v from 'valibot';
import { parseJson } from '../../quiesce/parse-json.js';
import { JUMP_VERDICTS, type JumpVerdict } from '../jump/result.js';
import type { StubRunner } from '../policies/policy.js';
import { drawCase, type SoakCase, type SoakSettings } from './case.js';
import { playCase, type SoakCaseOutcome } from './play.js';

/** Violations that are written down with all that is said of them; the rest is counted. */
const VIOLATIONS_KEPT = 20;

/** The first jump of a case that must not have been so. */
export interface SoakViolation {
  /** Of the case. */
  readonly number: number;
  /** Within the case, from 0. */
  readonly jump: number;
  readonly what: readonly string[];
}

/** By what they show, the number of the first case that does. */
export interface SoakExamples {
  /** None for `clean`. */
  readonly verdicts: Readonly<Record<string, number>>;
  readonly excuses: Readonly<Record<string, number>>;
}

/** What a soak has seen so far: enough to go on from. */
export interface SoakState extends SoakSettings {
  readonly schema: 'shootdown.sim-soak/1';
  /** Cases that are done: the next one has this number. */
  readonly cases: number;
  readonly jumps: {
    readonly all: number;
    readonly normal: number;
    readonly crash: number;
    readonly chained: number;
  };
  readonly verdicts: Readonly<Record<JumpVerdict, number>>;
  /** Jumps in which harm was not held against ours, by the reason. */
  readonly excuses: Readonly<Record<string, number>>;
  /** Jumps up to the first that was not clean, and the first in which memory was hit; `null` if there was none. */
  readonly firstHarm: number | null;
  readonly firstCorruption: number | null;
  /** Cases to look at. A state of before there were any lacks those that were seen by then. */
  readonly examples: SoakExamples;
  readonly events: number;
  /** Simulated time in ticks of 0.1 ms. */
  readonly ticks: number;
  readonly violations: { readonly count: number; readonly first: readonly SoakViolation[] };
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** @internal */
export const soakSchema = v.strictObject({
  schema: v.literal('shootdown.sim-soak/1'),
  seed: count,
  functions: count,
  policy: v.picklist(['ours', 'none']),
  cases: count,
  jumps: v.strictObject({ all: count, normal: count, crash: count, chained: count }),
  verdicts: v.strictObject(
    Object.fromEntries(JUMP_VERDICTS.map((verdict) => [verdict, count])) as Record<JumpVerdict, typeof count>,
  ),
  excuses: v.record(v.string(), count),
  firstHarm: v.nullable(count),
  firstCorruption: v.nullable(count),
  examples: v.optional(
    v.strictObject({
      verdicts: v.record(v.string(), count),
      excuses: v.record(v.string(), count),
    }),
    { verdicts: {}, excuses: {} },
  ),
  events: count,
  ticks: count,
  violations: v.strictObject({
    count,
    first: v.array(v.strictObject({ number: count, jump: count, what: v.array(v.string()) })),
  }),
});

export function newSoak(settings: SoakSettings): SoakState {
  return {
    schema: 'shootdown.sim-soak/1',
    seed: settings.seed,
    functions: settings.functions,
    policy: settings.policy,
    cases: 0,
    jumps: { all: 0, normal: 0, crash: 0, chained: 0 },
    verdicts: Object.fromEntries(JUMP_VERDICTS.map((verdict) => [verdict, 0])) as SoakState['verdicts'],
    excuses: {},
    firstHarm: null,
    firstCorruption: null,
    examples: { verdicts: {}, excuses: {} },
    events: 0,
    ticks: 0,
    violations: { count: 0, first: [] },
  };
}

/** Reads the state that an earlier run left. `name` is what messages call it. Throws `bad-input`. */
export function parseSoak(text: string, name: string): SoakState {
  return parseJson(soakSchema, text, name, "soak's state");
}

/**
 * Plays case after case, and gives the state after each; who takes them says when it is enough. The same settings
 * give the same cases, wherever one goes on from. Once `signal` is aborted it ends, and the case that it was at counts
 * as not played.
 */
export async function* soak(
  from: SoakState,
  stub?: StubRunner,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly state: SoakState; readonly violation: SoakViolation | null }, void, void> {
  let state = from;
  for (;;) {
    const number = state.cases;
    const outcome = await playUnlessAborted(drawCase(from, number), stub, signal);
    if (outcome === null) return;
    const violation = violationOf(number, outcome);
    state = after(state, outcome, violation);
    yield { state, violation };
  }
}

async function playUnlessAborted(
  drawn: SoakCase,
  stub: StubRunner | undefined,
  signal: AbortSignal | undefined,
): Promise<SoakCaseOutcome | null> {
  try {
    return await playCase(drawn, { ...(stub ? { stub } : {}), ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return null;
    throw error;
  }
}

function violationOf(number: number, { jumps }: SoakCaseOutcome): SoakViolation | null {
  const jump = jumps.findIndex(({ violations }) => violations.length > 0);
  return jump < 0 ? null : { number, jump, what: [...(jumps[jump]?.violations ?? [])] };
}

function after(state: SoakState, outcome: SoakCaseOutcome, violation: SoakViolation | null): SoakState {
  const jumps = { ...state.jumps };
  const verdicts = { ...state.verdicts };
  const excuses = { ...state.excuses };
  const examples = { verdicts: { ...state.examples.verdicts }, excuses: { ...state.examples.excuses } };
  let { firstHarm, firstCorruption } = state;
  outcome.jumps.forEach((jump, at) => {
    jumps.all++;
    jumps[jump.path]++;
    if (at > 0) jumps.chained++;
    verdicts[jump.verdict]++;
    if (jump.verdict !== 'clean') examples.verdicts[jump.verdict] ??= state.cases;
    for (const excuse of jump.excuses) {
      excuses[excuse] = (excuses[excuse] ?? 0) + 1;
      examples.excuses[excuse] ??= state.cases;
    }
    if (jump.verdict !== 'clean') firstHarm ??= jumps.all;
    if (jump.verdict === 'corrupted') firstCorruption ??= jumps.all;
  });
  const { count, first } = state.violations;
  const violations =
    violation === null
      ? state.violations
      : { count: count + 1, first: count < VIOLATIONS_KEPT ? [...first, violation] : first };
  return {
    ...state,
    cases: state.cases + 1,
    ...{ jumps, verdicts, excuses, firstHarm, firstCorruption, examples, violations },
    events: state.events + outcome.events,
    ticks: state.ticks + outcome.ticks,
  };
}
