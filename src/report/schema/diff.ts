import * as v from 'valibot';
import { SEVERITIES } from '../../quiesce/findings.js';
import { POLICY_ACTIONS } from '../../quiesce/policy.js';
import { count, hexadecimal, name, slot } from '../../quiesce/schema-parts.js';

const severity = v.picklist(SEVERITIES);
const verdict = v.picklist(['live', 'open', 'quiet', 'unknown']);
const decision = v.strictObject({ action: v.picklist(POLICY_ACTIONS), rule: v.string() });
const fact = v.union([v.boolean(), v.string(), v.null()]);
const texts = v.array(v.string());

const sideSchema = v.strictObject({
  name: v.pipe(v.string(), v.description('as it was given')),
  host: v.string(),
  policy: v.string(),
  functions: count,
  live: v.pipe(count, v.description('functions that are live, bridges left aside')),
  findings: v.strictObject({ error: count, warning: count, info: count }),
});

const ids = {
  slot: v.pipe(slot, v.description('in NEW; of one that is gone in OLD')),
  vendor: hexadecimal(4),
  device: hexadecimal(4),
  class: hexadecimal(6),
  driver: name,
};
const was = v.pipe(slot, v.description('its slot in OLD'));
const oneSided = v.strictObject({ ...ids, verdict, policy: decision });
const finding = v.strictObject({
  id: v.string(),
  slot: v.nullable(slot),
  severity,
  title: v.string(),
  evidence: v.string(),
});

/** What `report diff --json` prints. @internal */
export const diffSchema = v.strictObject({
  schema: v.literal('shootdown.report-diff/1'),
  for: v.picklist(['normal', 'crash']),
  old: sideSchema,
  new: sideSchema,
  worse: v.pipe(
    v.strictObject({
      live: v.pipe(v.array(slot), v.description('live now and not before, bridges left aside')),
      findings: v.pipe(
        texts,
        v.description('ids of findings that are new, or graver, at or above --fail-on'),
      ),
    }),
    v.description('what makes the exit status 2, unless --fail-on is never'),
  ),
  verdicts: v.array(v.strictObject({ ...ids, was, bridge: v.boolean(), from: verdict, to: verdict })),
  appeared: v.array(oneSided),
  gone: v.array(oneSided),
  moved: v.pipe(v.array(v.strictObject({ ...ids, was })), v.description('the same function in another slot')),
  decisions: v.pipe(
    v.array(v.strictObject({ ...ids, was, from: decision, to: decision })),
    v.description('that the policy makes otherwise'),
  ),
  drivers: v.array(v.strictObject({ ...ids, was, from: name, to: name })),
  findings: v.strictObject({
    new: v.array(finding),
    gone: v.array(finding),
    changed: v.array(v.strictObject({ ...finding.entries, from: severity })),
  }),
  machine: v.pipe(
    v.array(v.strictObject({ fact: v.string(), from: fact, to: fact })),
    v.description('null: not known'),
  ),
});
