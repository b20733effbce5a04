import * as v from 'valibot';
import { parseIdSelector, parseSlotSelector } from '../pci/selector.js';
import { HAZARDS } from './hazards.generated.js';
import { parseJson } from './parse-json.js';

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
export const POLICY_ACTIONS = Object.keys(ACTIONS) as PolicyAction[];

/** What a rule looks at; all keys that are given must match. `policies/README.md` explains each. */
export interface PolicyMatch {
  /** As `lspci -s`. */
  readonly slot?: string | undefined;
  /** As `lspci -d`. */
  readonly id?: string | undefined;
  /** The first 2, 4 or 6 hexadecimal digits of the class code. */
  readonly class?: string | undefined;
  readonly headerType?: 'normal' | 'bridge' | 'cardbus' | undefined;
  /** Its name, `*` for part of it; `null` for none. */
  readonly driver?: string | null | undefined;
  /** No bridge above it. */
  readonly rootBus?: boolean | undefined;
  /** The display that firmware lit. */
  readonly bootDisplay?: boolean | undefined;
  readonly holds?: readonly ('root' | 'swap' | 'console')[] | undefined;
  /** An SR-IOV virtual function. */
  readonly vf?: boolean | undefined;
}

export interface PolicyRule {
  readonly id: string;
  readonly match: PolicyMatch;
  readonly action: PolicyAction;
  /** Without it, in all places. */
  readonly at?: readonly Place[] | undefined;
  readonly reason: string;
  readonly source?: string | undefined;
  /** The id of a hazard. */
  readonly hazard?: string | undefined;
}

/** What only a wrapped kernel heeds. */
export interface BetweenOptions {
  /** Ends the search for functions early, whatever the hardware answers; gating has what is left, at least half of it. */
  readonly walkTimeoutMs: number;
  /** Which buses are looked at: those that bridges and the list made at wrapping lead to, or all 256. */
  readonly scan: 'known' | 'all';
  /** Progress codes on port 0x80. */
  readonly progress: boolean;
}

/**
 * Which functions may be touched, how, and within what bounds. Rules are tried in order; the first that matches
 * decides. Schema `shootdown.policy/1`.
 */
export interface Policy {
  readonly $schema?: string | undefined;
  readonly schema: 'shootdown.policy/1';
  readonly name: string;
  readonly description?: string | undefined;
  readonly rules: readonly PolicyRule[];
  readonly otherwise: { readonly action: 'exempt' | 'gate'; readonly reason: string };
  readonly bounds: { readonly pendingTimeoutMs: number; readonly stepTimeoutMs: number };
  readonly between: BetweenOptions;
  readonly onFailure: 'continue' | 'stop';
}

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

/** @internal */
export const ruleSchema = v.strictObject({
  id: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be lower-case letters, digits and dashes'),
  ),
  match: matchSchema,
  action: v.picklist(POLICY_ACTIONS),
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

/** @internal */
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
  between: v.optional(
    v.strictObject({
      walkTimeoutMs: v.optional(
        v.pipe(
          milliseconds(60_000),
          v.minValue(1),
          v.description(
            'ends the search of a wrapped kernel for functions; gating has what is left, at least half',
          ),
        ),
        250,
      ),
      scan: v.optional(
        v.pipe(v.picklist(['known', 'all'] as const), v.description('buses that a wrapped kernel looks at')),
        'known',
      ),
      progress: v.optional(v.pipe(v.boolean(), v.description('codes on port 0x80')), false),
    }),
    {},
  ),
  onFailure: v.optional(v.picklist(['continue', 'stop'] as const), 'continue'),
});

/** Reads a policy from JSON text. `name` is what messages call it: the file's path. Throws `bad-input`. */
export function parsePolicy(json: string, name: string): Policy {
  return parseJson(policySchema, json, name, 'policy');
}
