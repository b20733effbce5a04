import * as v from 'valibot';
import { count, milliseconds, slot, text } from './recorded.js';

const seconds = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(1e6));
const sent = v.object({ sent: count, landed: count });
const state = v.nullable(
  v.object({ command: v.pipe(v.string(), v.regex(/^[0-9a-f]{4}$/)), driver: v.nullable(text) }),
);

/** A run of the lab as its verdict.json has it, as far as it is shown. */
export const LAB_RUN = v.object({
  schema: v.literal('shootdown.lab-run/1'),
  scenario: text,
  title: text,
  jump: v.picklist(['normal', 'crash']),
  policy: text,
  kernel: v.object({ release: text }),
  outcome: text,
  stray: v.object({
    ...{ of: v.nullable(text), ...sent.entries, first: v.nullable(text) },
    ...{ during: sent, later: sent, aliveBefore: v.boolean() },
  }),
  next: v.object({
    ...{ up: v.boolean(), ended: v.nullable(text) },
    ...{ toFirstLineS: v.nullable(seconds), toReadyS: v.nullable(seconds) },
  }),
  uses: v.object({ network: v.nullable(v.boolean()), vmcore: v.nullable(v.boolean()) }),
  console: v.array(v.object({ problem: text, line: text })),
  functions: v.array(v.object({ slot, before: state, after: state })),
  apply: v.nullable(v.object({ gated: count, live: count, seconds })),
  flight: v.nullable(
    v.object({ end: text, functions: count, gated: count, milliseconds: v.nullable(milliseconds) }),
  ),
});
export type LabRun = v.InferOutput<typeof LAB_RUN>;
