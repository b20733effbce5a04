import * as v from 'valibot';
import { ShootdownError } from '../pci/error.js';
import { parseIdSelector, parseSlotSelector } from '../pci/selector.js';
import { HAZARDS } from './hazards.generated.js';

/** Where a shootdown happens: from the old kernel's userspace, between the kernels, or in the new one's initramfs. */
export type Place = 'before' | 'between' | 'after';
export const PLACES: readonly Place[] = ['before', 'between', 'after'];

const ACTIONS = {
  exempt: 'leave it alone',
  preserve: 'leave it and every bridge above it alone',
  gate: 'clear BME and set INTx-disable, wait for pending transactions, disable MSI and MSI-X',
  unbind: 'before the jump: unbind its driver, then gate',
  reset: 'before the jump: unbind its driver, reset it, then gate',
} as const;
export type PolicyAction = keyof typeof ACTIONS;

const selector = (parse: (text: string) => unknown) =>
  v.pipe(
    v.string(),
    v.check(
      (text) => {
        try {
          parse(text);
          return true;
        } catch {
          return false;
        }
      },
      (issue) => `${JSON.stringify(issue.input)} is not a selector as lspci reads it`,
    ),
  );
const text = v.pipe(v.string(), v.nonEmpty('must say something'), v.maxLength(500));
const milliseconds = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(max));

const matchSchema = v.strictObject({
  slot: v.optional(v.pipe(selector(parseSlotSelector), v.description('as lspci -s'))),
  id: v.optional(v.pipe(selector(parseIdSelector), v.description('as lspci -d'))),
  class: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[0-9a-f]{2}([0-9a-f]{2}){0,2}$/i, 'must be 2, 4 or 6 hexadecimal digits'),
      v.description('the first digits of the class code, as in 0c0330'),
    ),
  ),
  headerType: v.optional(v.picklist(['normal', 'bridge', 'cardbus'])),
  driver: v.optional(v.pipe(v.nullable(v.string()), v.description('name, * for part of it; null for none'))),
  rootBus: v.optional(v.pipe(v.boolean(), v.description('no bridge above it'))),
  bootDisplay: v.optional(v.pipe(v.boolean(), v.description('the display that firmware lit'))),
  holds: v.optional(v.pipe(v.array(v.picklist(['root', 'swap', 'console'])), v.minLength(1))),
  vf: v.optional(v.pipe(v.boolean(), v.description('an SR-IOV virtual function'))),
});

const ruleSchema = v.strictObject({
  id: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be lower-case letters, digits and dashes'),
  ),
  match: matchSchema,
  action: v.picklist(Object.keys(ACTIONS) as PolicyAction[]),
  at: v.optional(v.pipe(v.array(v.picklist(PLACES)), v.minLength(1))),
  reason: text,
  source: v.optional(text),
  hazard: v.optional(
    v.pipe(
      v.string(),
      v.check((id) => id in HAZARDS, 'is not the id of a hazard, as in H03'),
    ),
  ),
});

export const policySchema = v.strictObject({
  $schema: v.optional(v.string()),
  schema: v.literal('shootdown.policy/1'),
  name: text,
  description: v.optional(v.string()),
  rules: v.pipe(
    v.array(ruleSchema),
    v.maxLength(1000),
    v.checkItems(
      (rule, index, rules) => rules.findIndex((r) => r.id === rule.id) === index,
      'repeats a rule id',
    ),
  ),
  otherwise: v.strictObject({ action: v.picklist(['exempt', 'gate'] as const), reason: text }),
  bounds: v.optional(
    v.strictObject({
      pendingTimeoutMs: v.optional(
        v.pipe(milliseconds(60_000), v.description('shared by all functions')),
        250,
      ),
      stepTimeoutMs: v.optional(
        v.pipe(milliseconds(600_000), v.description('for one unbind or reset')),
        10_000,
      ),
    }),
    {},
  ),
  onFailure: v.optional(v.picklist(['continue', 'stop'] as const), 'continue'),
});

/** Which functions may be touched, how, and within what bounds. Rules are tried in order; the first that matches decides. */
export type Policy = v.InferOutput<typeof policySchema>;
export type PolicyRule = Policy['rules'][number];

/** Reads a policy from JSON text. `name` is what messages call it: the file's path. */
export function parsePolicy(json: string, name: string): Policy {
  return parseJson(policySchema, json, name, 'policy');
}

/** Parses JSON against a schema; the error names the place in the file and what belongs there. */
export function parseJson<S extends v.GenericSchema>(
  schema: S,
  json: string,
  name: string,
  what: string,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new ShootdownError('bad-input', `${name}: not JSON: ${printable((cause as Error).message)}`, {
      cause,
    });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const lines = result.issues.slice(0, 5).map((issue) => {
    const path = v.getDotPath(issue);
    return `${path === null ? 'the file as a whole' : path}: ${explain(issue)}`;
  });
  const more = result.issues.length - lines.length;
  if (more > 0) lines.push(`and ${more} more`);
  throw new ShootdownError('bad-input', printable(`${name}: not a valid ${what}: ${lines.join('; ')}`));
}

function explain(issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'strict_object' && issue.expected === 'never') return 'is not a key that is known here';
  if (issue.received === 'undefined') return 'is missing';
  if (issue.type === 'picklist' || issue.type === 'literal') {
    return `is ${issue.received}, must be ${issue.expected ?? ''}`;
  }
  return issue.message;
}

/** Text from outside, fit for a terminal: control characters become `?`. */
export function printable(value: string): string {
  return value.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '?');
}
