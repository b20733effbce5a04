import * as v from 'valibot';
import { parseSlot } from '../../pci/slot.js';
import { shown } from '../page/text.js';

const MS_MAX = 1e9;

export const text = v.pipe(v.string(), v.transform(shown));
export const slot = v.pipe(
  v.string(),
  v.check((given) => parseSlot(given) !== undefined, 'is not a slot'),
  v.transform((given) => parseSlot(given) ?? given),
);
export const milliseconds = v.pipe(v.number(), v.finite(), v.minValue(-MS_MAX), v.maxValue(MS_MAX));
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** Of a register, or a number of an interrupt line. */
const registerValue = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(0xffff_ffff));

const page = v.object({
  address: v.pipe(v.string(), v.regex(/^[0-9a-f]{1,16}$/)),
  region: text,
  owner: v.nullable(text),
  writers: v.array(text),
  firstMs: v.nullable(milliseconds),
});

/** Of each event of a trace what a picture shows; which of it there is, its kind says. */
const event = v.object({
  ms: milliseconds,
  kind: v.string(),
  slot: v.optional(slot),
  address: v.optional(v.string()),
  owner: v.optional(v.nullable(v.string())),
  refusedBy: v.optional(v.nullable(slot)),
  faulted: v.optional(v.boolean()),
  count: v.optional(count),
  asserted: v.optional(v.boolean()),
  offset: v.optional(registerValue),
  width: v.optional(registerValue),
  before: v.optional(registerValue),
  after: v.optional(registerValue),
  by: v.optional(text),
  line: v.optional(registerValue),
  slots: v.optional(v.array(text)),
  driver: v.optional(text),
  problem: v.optional(v.nullable(v.object({ why: text }))),
  target: v.optional(v.nullable(slot)),
  text: v.optional(text),
  on: v.optional(text),
});

const by = v.object({ slot, by: slot, count });

/** A jump as `jumpJson` prints it, as far as it is shown. */
export const RECORDED_JUMP = v.object({
  path: v.picklist(['normal', 'crash']),
  verdict: text,
  verdicts: v.array(text),
  stuckOn: v.nullable(v.object({ on: text, slots: v.optional(v.array(text), []) })),
  jumpMs: milliseconds,
  endMs: milliseconds,
  writers: v.array(v.object({ slot, writes: count, hit: v.array(text) })),
  corrupted: v.array(page),
  storms: v.array(v.object({ line: registerValue, slots: v.array(text) })),
  lost: v.array(v.object({ slot: text, driver: text, why: text })),
  faults: v.array(v.object({ slot: text, count })),
  wantedLost: v.array(by),
  dump: v.nullable(v.object({ pages: count, problem: v.nullable(text), torn: v.array(page) })),
  timeline: v.array(v.object({ ms: milliseconds, slot: v.nullable(slot), text, times: v.optional(count) })),
  recordGaps: v.optional(v.array(text)),
  trace: v.optional(v.array(event)),
});

/** One of the runs that `sim run --json` prints. */
export const RECORDED_RUN = v.object({
  scenario: text,
  title: text,
  policy: text,
  seed: v.number(),
  ...RECORDED_JUMP.entries,
});

export type RecordedJump = v.InferOutput<typeof RECORDED_JUMP>;
export type RecordedEvent = v.InferOutput<typeof event>;
export type RecordedPage = v.InferOutput<typeof page>;
