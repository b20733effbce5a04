import * as v from 'valibot';
import { SEVERITIES } from '../../quiesce/findings.js';
import { count, type Data, hexadecimal, name, slot } from '../../quiesce/schema-parts.js';
import { OUTCOMES } from './outcome.js';

// What `report fleet --json` writes, schema `shootdown.fleet/1`. Lists are bounded; what is counted beside them is not.

const ids = { vendor: hexadecimal(4), device: hexadecimal(4), class: hexadecimal(6) };
const examples = v.pipe(v.array(v.string()), v.description('the first few, by name'));
const more = v.pipe(count, v.description('how many were left out of the list'));
const signature = v.pipe(
  hexadecimal(14),
  v.description('the same for the same functions in the same places, whatever their bus numbers'),
);

const outcome = v.strictObject({
  outcome: v.picklist(OUTCOMES),
  machines: count,
  listed: v.array(
    v.strictObject({
      machine: v.string(),
      place: v.string(),
      functions: v.array(v.strictObject({ slot, ...ids, driver: name, why: v.string() })),
      more,
    }),
  ),
  more,
});

const fix = v.strictObject({
  id: v.string(),
  severity: v.picklist(SEVERITIES),
  title: v.string(),
  advice: v.pipe(v.string(), v.description('that of most of the findings')),
  otherAdvice: v.pipe(
    v.array(v.strictObject({ advice: v.string(), findings: count })),
    v.description('what the rest of them say, the most frequent first'),
  ),
  moreAdvice: v.pipe(count, v.description('how many were left out of otherAdvice')),
  machines: count,
  findings: count,
  clears: v.pipe(count, v.description('machines on which no other of this severity or a graver one is')),
  clearAfter: v.pipe(
    count,
    v.description(
      'machines without any of this severity or a graver one when this and all above it is mended',
    ),
  ),
  on: v.pipe(
    v.array(v.strictObject({ ...ids, machines: count, findings: count, clears: count })),
    v.description('by what the functions are; empty where it is about the machine'),
  ),
  examples,
});

const topology = v.strictObject({
  signature,
  machines: count,
  functions: count,
  kinds: v.array(v.strictObject({ ...ids, functions: count })),
  outcomes: v.array(v.strictObject({ outcome: v.picklist(OUTCOMES), machines: count })),
  kernels: v.array(v.strictObject({ kernel: name, machines: count })),
  examples,
});

const deviation = v.strictObject({
  topology: signature,
  like: v.pipe(count, v.description('machines of this topology')),
  machines: count,
  examples,
  differences: v.array(
    v.strictObject({
      slot: v.pipe(v.nullable(slot), v.description('on the first of the examples')),
      what: v.string(),
      usual: v.string(),
      here: v.string(),
    }),
  ),
  more,
});

const nearly = v.strictObject({
  topology: signature,
  machines: count,
  examples,
  like: v.strictObject({ topology: signature, machines: count, example: v.string() }),
  differences: v.array(
    v.strictObject({
      kind: v.picklist(['missing', 'extra', 'other']),
      slot: v.pipe(slot, v.description('of what is missing: on the machine that it is compared with')),
      ...ids,
      below: v.pipe(count, v.description('functions below it that are missing or extra with it')),
      usual: v.pipe(v.nullable(v.strictObject(ids)), v.description('what stands there elsewhere')),
    }),
  ),
  more,
});

/** @internal */
export const fleetSchema = v.strictObject({
  schema: v.literal('shootdown.fleet/1'),
  for: v.picklist(['normal', 'crash']),
  failOn: v.picklist([...SEVERITIES, 'never']),
  machines: v.strictObject({
    read: count,
    clean: v.pipe(count, v.description('without a finding at or above failOn')),
    broken: v.pipe(count, v.description('audits that could not be read or contradict themselves')),
    otherPath: v.pipe(count, v.description('audits for the other kind of jump, left out')),
  }),
  functions: count,
  outcomes: v.array(outcome),
  fixes: v.array(fix),
  findings: v.array(
    v.strictObject({
      id: v.string(),
      severity: v.picklist(SEVERITIES),
      title: v.string(),
      machines: count,
      findings: count,
    }),
  ),
  topologies: v.array(topology),
  deviations: v.array(deviation),
  nearly: v.array(nearly),
  broken: v.array(v.strictObject({ place: v.string(), problem: v.string() })),
  leftOut: v.array(v.string()),
});

/** @internal */
export type FleetData = Data<typeof fleetSchema>;
