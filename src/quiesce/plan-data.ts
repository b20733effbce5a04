import * as v from 'valibot';
import { parseSlot, type Slot } from '../pci/slot.js';
import { PLACES, parseJson } from './policy.js';

// The shape of a plan and of the steps in a journal. One schema serves the types, the parser and the JSON Schema.

const slot = v.pipe(
  v.string(),
  v.check((text) => parseSlot(text) === text, 'is not a full slot, as in 0000:00:1f.2'),
  v.transform((text) => text as Slot),
);
const uint = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(max));
const word = uint(0xffff);
const base = { id: uint(1e7), slot, rule: v.string(), reason: v.string() };

const writeStep = v.strictObject({
  ...base,
  kind: v.literal('write'),
  register: v.picklist(['PCI_COMMAND', 'PCI_MSI_FLAGS', 'PCI_MSIX_FLAGS']),
  offset: uint(0xff),
  width: v.literal(2),
  /** Bits that are written; the others keep what they have at that moment. */
  mask: word,
  value: word,
  /** The whole register as it was scanned. */
  before: word,
  /** Performed only if the gate before it took: BME reads clear, or INTx-disable reads set as well. */
  onlyIf: v.optional(v.picklist(['bme-clear', 'intx-disabled'])),
  /** For a bridge: everything below it, of which nothing may be live by then. */
  below: v.optional(v.array(slot)),
});
const waitStep = v.strictObject({
  ...base,
  kind: v.literal('wait'),
  register: v.picklist(['PCI_EXP_DEVSTA', 'PCI_AF_STATUS']),
  offset: uint(0xff),
  width: v.picklist([1, 2]),
  /** The bits that must read zero. */
  mask: word,
});
const unbindStep = v.strictObject({
  ...base,
  kind: v.literal('unbind'),
  driver: v.pipe(v.string(), v.nonEmpty()),
});
const resetStep = v.strictObject({ ...base, kind: v.literal('reset') });

export const stepSchema = v.variant('kind', [writeStep, waitStep, unbindStep, resetStep]);
export type Step = v.InferOutput<typeof stepSchema>;
export type WriteStep = Extract<Step, { kind: 'write' }>;
export type WaitStep = Extract<Step, { kind: 'wait' }>;

const skippedSchema = v.strictObject({
  slot,
  verdict: v.picklist(['live', 'open', 'quiet', 'unknown']),
  rule: v.string(),
  reason: v.string(),
});
export type Skipped = v.InferOutput<typeof skippedSchema>;

export const planSchema = v.strictObject({
  schema: v.literal('shootdown.plan/1'),
  at: v.picklist(PLACES),
  host: v.string(),
  fingerprint: v.string(),
  policy: v.string(),
  bounds: v.strictObject({ pendingTimeoutMs: uint(60_000), stepTimeoutMs: uint(600_000) }),
  onFailure: v.picklist(['continue', 'stop']),
  /** In the order in which they are performed. */
  steps: v.array(stepSchema),
  /** Every function that is not touched, and why. */
  skipped: v.array(skippedSchema),
});
export type Plan = v.InferOutput<typeof planSchema>;

export function parsePlan(json: string, name: string): Plan {
  return parseJson(planSchema, json, name, 'plan');
}
