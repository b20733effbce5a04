import * as v from 'valibot';
import { count, name, slot } from '../../quiesce/schema-parts.js';
import { JUMP_VERDICTS, STAGES } from '../../sim/jump/result.js';
import { PLATFORMS, type PlatformName } from '../../sim/platform.js';
import { POLICY_NAMES } from '../../sim/policies/names.js';
import type { SoakCase } from '../../sim/soak/case.js';
import { soakSchema } from '../../sim/soak/soak.js';
import { jumpEntries, jumpSchema } from './jump.js';
import { traceEventSchema } from './trace.js';

const path = v.picklist(['normal', 'crash']);
const texts = v.array(v.string());
const policy = v.picklist(POLICY_NAMES);
const verdict = v.picklist(JUMP_VERDICTS);
const recordGaps = v.pipe(texts, v.description('what is missing in what ours said of itself'));

/** What `sim list --json` prints. @internal */
export const simListSchema = v.strictObject({
  schema: v.literal('shootdown.sim-list/1'),
  scenarios: v.array(v.strictObject({ name: v.string(), title: v.string(), hazards: texts, path })),
  policies: v.array(v.strictObject({ name: policy, title: v.string() })),
});

const expectedSchema = v.strictObject({
  verdict,
  also: v.optional(v.array(verdict)),
  or: v.optional(v.array(verdict)),
  slots: v.optional(v.array(slot)),
  on: v.optional(v.string()),
  reached: v.optional(v.picklist(STAGES)),
  line: v.optional(count),
  atLeastMs: v.optional(count),
  atMostMs: v.optional(count),
  why: v.optional(v.string()),
});

/** What `sim run --json` prints. @internal */
export const simRunSchema = v.strictObject({
  schema: v.literal('shootdown.sim-run/1'),
  runs: v.array(
    v.strictObject({
      scenario: v.string(),
      title: v.string(),
      hazards: texts,
      policy,
      seed: count,
      expected: v.nullable(expectedSchema),
      asExpected: v.nullable(v.boolean()),
      unmet: v.pipe(texts, v.description('what of the expected did not come true')),
      heldAgainstOurs: texts,
      recordGaps,
      ...jumpEntries,
      trace: v.optional(v.pipe(v.array(traceEventSchema), v.description('with --trace'))),
    }),
  ),
});

/** What `sim run --like FILE --json` prints. @internal */
export const simLikeSchema = v.strictObject({
  schema: v.literal('shootdown.sim-like/1'),
  machine: v.string(),
  seed: count,
  functions: count,
  busy: v.pipe(v.array(slot), v.description('functions that are at work at the jump')),
  captureDrivers: texts,
  platform: v.optional(v.picklist(Object.keys(PLATFORMS) as PlatformName[])),
  none: jumpSchema,
  ours: jumpSchema,
  recordGaps,
  stays: v.array(v.strictObject({ slot, busy: v.boolean(), writes: count, why: v.string() })),
  notes: texts,
  again: v.string(),
});

/** What `sim matrix --format json` prints. @internal */
export const simMatrixSchema = v.strictObject({
  schema: v.literal('shootdown.sim-matrix/1'),
  interrupted: v.boolean(),
  rows: v.array(
    v.strictObject({
      scenario: v.string(),
      jump: path,
      machine: v.literal('sim'),
      kernel: v.pipe(v.string(), v.description('the era')),
      policy,
      outcome: v.string(),
      stray: v.nullable(v.strictObject({ sent: count, landed: count })),
      secondsToReady: v.nullable(v.number()),
      remark: v.string(),
      folder: name,
      hazards: texts,
      stuckOn: name,
      asExpected: v.nullable(v.boolean()),
    }),
  ),
});

/** A drawn machine with its jumps. How it is described belongs to the simulator, and may change with it. */
const caseSchema: v.GenericSchema<SoakCase> = v.pipe(
  v.looseObject({
    machine: v.looseObject({ functions: v.array(v.looseObject({ slot: v.string() })) }),
    seed: v.pipe(v.number(), v.integer()),
    faults: v.looseObject({}),
    jumps: v.array(v.looseObject({ path, policy })),
  }),
  v.description('a drawn machine and its jumps, in the simulator’s own words, which the promise leaves out'),
) as v.GenericSchema<unknown> as v.GenericSchema<SoakCase>;

const smallestSchema = v.pipe(
  v.nullable(v.strictObject({ case: caseSchema, what: texts, file: name, command: v.string(), why: name })),
  v.description('the smallest machine that still shows the first violation'),
);

/** What `sim soak --json` prints, and what the file of --state has without the last three. @internal */
export const simSoakSchema = v.strictObject({
  ...soakSchema.entries,
  seconds: v.optional(v.pipe(v.number(), v.description('of this run'))),
  jumpsInThisRun: v.optional(count),
  smallest: v.optional(smallestSchema),
});

/** What `sim soak --replay N --json` prints. @internal */
export const simReplaySchema = v.strictObject({
  schema: v.literal('shootdown.sim-replay/1'),
  number: count,
  case: caseSchema,
  jumps: v.array(
    v.strictObject({
      violations: texts,
      excuses: texts,
      excused: texts,
      ...jumpEntries,
      policy,
      recordGaps,
    }),
  ),
  violation: v.nullable(v.strictObject({ number: count, jump: count, what: texts })),
  smallest: smallestSchema,
  again: v.string(),
});
