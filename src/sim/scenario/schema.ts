import * as v from 'valibot';
import { HAZARDS, type HazardId } from '../../quiesce/hazards.generated.js';
import { ruleSchema } from '../../quiesce/policy.js';
import { JUMP_VERDICTS, STAGES } from '../jump/result.js';
import { POLICY_NAMES, type PolicyName } from '../policies/names.js';
import { driverName, faultsSchema, machineSchema, slot, slotText, text, uint } from './machine-schema.js';

// What a scenario file holds, schema `shootdown.scenario/1`. Numbers of PCI are hexadecimal texts, as lspci prints
// them; all others are numbers. `scenario.ts` turns it into what the machine takes.

const CONFIDENCES = ['established', 'weak', 'inference'] as const;

const jumpSchema = v.strictObject({
  load: v.optional(
    v.pipe(
      v.picklist(['relocated', 'in-place']),
      v.description('the next kernel is copied to its place at the jump, or lies there already'),
    ),
  ),
  crashCpu: v.optional(v.pipe(uint(1023), v.description('the processor that panics'))),
  drivers: v.optional(
    v.pipe(
      v.array(driverName),
      v.description('that the next kernel has; all, or those of the capture kernel, where left out'),
    ),
  ),
  cpus: v.optional(v.pipe(uint(1024), v.minValue(1), v.description('processors: the next kernel’s only'))),
  ticks: v.optional(
    v.pipe(uint(100_000), v.description('how long the next kernel is watched, in tenths of a millisecond')),
  ),
  reboot: v.optional(v.pipe(v.boolean(), v.description('a capture kernel reboots once its dump is saved'))),
  faults: v.optional(
    v.pipe(
      v.record(slotText, faultsSchema),
      v.description('by slot; they begin once the machine is at work'),
    ),
  ),
});

const expectationSchema = v.strictObject({
  verdict: v.pipe(v.picklist(JUMP_VERDICTS), v.description('the worst that applies')),
  also: v.optional(
    v.pipe(v.array(v.picklist(JUMP_VERDICTS)), v.description('lesser verdicts that apply too')),
  ),
  or: v.optional(
    v.pipe(
      v.array(v.picklist(JUMP_VERDICTS)),
      v.description(
        'verdicts that chance may make of it instead, such as memory that happens to be hit first',
      ),
    ),
  ),
  slots: v.optional(v.pipe(v.array(slot), v.description('functions that have a part in it'))),
  on: v.optional(v.pipe(text(200), v.description('part of what it is stuck on'))),
  reached: v.optional(v.pipe(v.picklist(STAGES), v.description('the stage in which it ends'))),
  line: v.optional(v.pipe(uint(254), v.description('the interrupt line that was given up'))),
  atLeastMs: v.optional(v.pipe(uint(10_000_000), v.description('how long the jump takes'))),
  atMostMs: v.optional(v.pipe(uint(10_000_000), v.description('how long the jump takes at most'))),
  why: v.optional(v.pipe(text(600), v.description('why it is not prevented, or what is to know beside it'))),
});

const labSchema = v.strictObject({
  scenario: v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/), v.description('as `lab list` has it')),
  none: v.pipe(text(100), v.description('what was seen without')),
  ours: v.pipe(text(100), v.description('what was seen with ours')),
  differs: v.optional(v.pipe(text(400), v.description('from what is seen here, and why'))),
});

/** One property of the machine without which the symptom vanishes. */
const factSchema = v.pipe(
  v.strictObject({
    pointer: v.pipe(text(200), v.description('JSON pointer into this file')),
    without: v.pipe(v.unknown(), v.description('"remove", or the value that stands there instead')),
    why: v.pipe(text(400), v.description('why the symptom vanishes')),
    under: v.optional(
      v.pipe(v.picklist(POLICY_NAMES), v.description('the policy whose symptom vanishes')),
      'none',
    ),
    leaves: v.optional(
      v.pipe(v.picklist(JUMP_VERDICTS), v.description('the verdict without the fact')),
      'clean',
    ),
  }),
  v.description('one property of the machine without which the symptom vanishes; those that ship name one'),
);

const expectations = Object.fromEntries(
  POLICY_NAMES.map((name) => [name, v.optional(expectationSchema)]),
) as Record<PolicyName, v.OptionalSchema<typeof expectationSchema, undefined>>;

/** @internal */
export const scenarioSchema = v.strictObject({
  $schema: v.optional(v.pipe(v.string(), v.description('of this file, for an editor'))),
  schema: v.literal('shootdown.scenario/1'),
  name: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9][a-z0-9-]{0,59}$/, 'must be lower-case letters, digits and dashes'),
    v.description('of the file, without .json, for those that ship'),
  ),
  title: v.pipe(text(120), v.description('a line for people')),
  hazards: v.optional(
    v.pipe(
      v.array(
        v.pipe(
          v.string(),
          v.check(
            (id) => Object.hasOwn(HAZARDS, id),
            (issue) => `${JSON.stringify(issue.input)} is not the id of a hazard, as in H03`,
          ),
          v.transform((id) => id as HazardId),
        ),
      ),
      v.maxLength(8),
      v.description('ids of the hazards that it shows'),
    ),
    [],
  ),
  confidence: v.optional(
    v.pipe(
      v.picklist(CONFIDENCES),
      v.description('that the machine shows the cause which the sources give; those that ship have one'),
    ),
  ),
  inference: v.optional(v.pipe(text(600), v.description('what is not in the sources'))),
  sources: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.url('must be an address'), v.maxLength(300))),
      v.maxLength(8),
      v.description('public addresses; those that ship have at least one'),
    ),
    [],
  ),
  mechanism: v.optional(
    v.pipe(
      text(160),
      v.description('the rule of a device, platform or kernel that does it; those that ship name one'),
    ),
  ),
  story: v.pipe(text(1500), v.description('what the machine is, what happens, and why')),
  path: v.pipe(v.picklist(['normal', 'crash']), v.description('kexec on purpose, or kdump after a panic')),
  machine: v.pipe(machineSchema, v.description('what there is, in the terms of lspci')),
  jump: v.optional(v.pipe(jumpSchema, v.description('how the next kernel is loaded and started')), {}),
  policy: v.optional(
    v.pipe(v.array(ruleSchema), v.maxLength(50), v.description('rules of ours before the default policy')),
    [],
  ),
  expect: v.pipe(
    v.strictObject({ ...expectations, none: expectationSchema, ours: expectationSchema }),
    v.description('by policy, what is seen'),
  ),
  lab: v.optional(v.pipe(labSchema, v.description('what a real Linux was seen to do in the lab'))),
  fact: v.optional(factSchema),
});

export type ScenarioData = v.InferOutput<typeof scenarioSchema>;
export type FunctionData = ScenarioData['machine']['functions'][number];
