import * as v from 'valibot';
import type { Slot } from '../pci/slot.js';
import { parseJson } from './parse-json.js';
import { PLACES, type Place } from './policy.js';
import { slot, uint } from './schema-parts.js';
import type { Verdict } from './verdict.js';

// The shape of a plan and of the steps in a journal. The interfaces are what the library shows, without valibot; the
// schemas check what comes from a file. `schema-types.test.ts` holds the two to each other.

interface StepBase {
  /** Counts up from 0. */
  readonly id: number;
  readonly slot: Slot;
  /** The policy's rule that asked for it. */
  readonly rule: string;
  readonly reason: string;
}

/** Writes some bits of a register of configuration space. */
export interface WriteStep extends StepBase {
  readonly kind: 'write';
  readonly register: 'PCI_COMMAND' | 'PCI_MSI_FLAGS' | 'PCI_MSIX_FLAGS';
  readonly offset: number;
  readonly width: 2;
  /** Bits that are written; the others keep what they have at that moment. */
  readonly mask: number;
  readonly value: number;
  /** The whole register as it was scanned. */
  readonly before: number;
  /** Performed only if the gate before it took: BME reads clear, or INTx-disable reads set as well. */
  readonly onlyIf?: 'bme-clear' | 'intx-disabled' | undefined;
  /** For a bridge: everything below it, of which nothing may be live by then. */
  readonly below?: readonly Slot[] | undefined;
}

/** Polls a register until nothing is pending; all waits of a plan share one bound. */
export interface WaitStep extends StepBase {
  readonly kind: 'wait';
  readonly register: 'PCI_EXP_DEVSTA' | 'PCI_AF_STATUS';
  readonly offset: number;
  readonly width: 1 | 2;
  /** The bits that must read zero. */
  readonly mask: number;
}

export interface UnbindStep extends StepBase {
  readonly kind: 'unbind';
  readonly driver: string;
}

/** A function-level reset, which cannot be taken back. */
export interface ResetStep extends StepBase {
  readonly kind: 'reset';
}

export type Step = WriteStep | WaitStep | UnbindStep | ResetStep;

/** A function that is not touched, and why. */
export interface Skipped {
  readonly slot: Slot;
  readonly verdict: Verdict;
  /** The policy's rule; `ladder` where what is known of the function forbids it, `selection` for -s and -d. */
  readonly rule: string;
  readonly reason: string;
}

/** What is to be done to a machine, in order. Schema `shootdown.plan/1`. */
export interface Plan {
  readonly schema: 'shootdown.plan/1';
  readonly at: Place;
  readonly host: string;
  /** Of the machine that it was made for. */
  readonly fingerprint: string;
  readonly policy: string;
  readonly bounds: { readonly pendingTimeoutMs: number; readonly stepTimeoutMs: number };
  readonly onFailure: 'continue' | 'stop';
  /** In the order in which they are performed. */
  readonly steps: readonly Step[];
  /** Every function that is not touched. */
  readonly skipped: readonly Skipped[];
}

const word = uint(0xffff);
const base = { id: uint(1e7), slot, rule: v.string(), reason: v.string() };

const writeStep = v.strictObject({
  ...base,
  kind: v.literal('write'),
  register: v.picklist(['PCI_COMMAND', 'PCI_MSI_FLAGS', 'PCI_MSIX_FLAGS']),
  offset: uint(0xff),
  width: v.literal(2),
  mask: word,
  value: word,
  before: word,
  onlyIf: v.optional(v.picklist(['bme-clear', 'intx-disabled'])),
  below: v.optional(v.array(slot)),
});
const waitStep = v.strictObject({
  ...base,
  kind: v.literal('wait'),
  register: v.picklist(['PCI_EXP_DEVSTA', 'PCI_AF_STATUS']),
  offset: uint(0xff),
  width: v.picklist([1, 2]),
  mask: word,
});
const unbindStep = v.strictObject({
  ...base,
  kind: v.literal('unbind'),
  driver: v.pipe(v.string(), v.nonEmpty()),
});
const resetStep = v.strictObject({ ...base, kind: v.literal('reset') });

const stepSchema = v.variant('kind', [writeStep, waitStep, unbindStep, resetStep]);

const skippedSchema = v.strictObject({
  slot,
  verdict: v.picklist(['live', 'open', 'quiet', 'unknown']),
  rule: v.string(),
  reason: v.string(),
});

/** @internal */
export const planSchema = v.strictObject({
  schema: v.literal('shootdown.plan/1'),
  at: v.picklist(PLACES),
  host: v.string(),
  fingerprint: v.string(),
  policy: v.string(),
  bounds: v.strictObject({ pendingTimeoutMs: uint(60_000), stepTimeoutMs: uint(600_000) }),
  onFailure: v.picklist(['continue', 'stop']),
  steps: v.array(stepSchema),
  skipped: v.array(skippedSchema),
});

/** Reads a plan that `planJson` printed. `name` is what messages call it. Throws `bad-input`. */
export function parsePlan(json: string, name: string): Plan {
  return parseJson(planSchema, json, name, 'plan');
}
