import * as v from 'valibot';
import { EXPRESS_TYPES } from '../../pci/function.js';
import { parseSlot, type Slot } from '../../pci/slot.js';
import { HAZARDS, type HazardId } from '../../quiesce/hazards.generated.js';
import { ruleSchema } from '../../quiesce/policy.js';
import { ERAS, WORKLOADS } from '../description.js';
import { JUMP_VERDICTS, STAGES } from '../jump/result.js';
import { PLATFORMS, type PlatformName } from '../platform.js';
import { POLICY_NAMES, type PolicyName } from '../policies/names.js';

// What a scenario file holds, schema `shootdown.scenario/1`. Numbers of PCI are hexadecimal texts, as lspci prints
// them; all others are numbers. `scenario.ts` turns it into what the machine takes.

export const CONFIDENCES = ['established', 'weak', 'inference'] as const;
export const FUNCTIONS_MAX = 16_384;

const text = (max: number) => v.pipe(v.string(), v.nonEmpty('must say something'), v.maxLength(max));
const uint = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(max));
const hexadecimal = (digits: number) =>
  v.pipe(
    v.string(),
    v.regex(
      new RegExp(`^[0-9a-f]{${digits}}$`),
      (issue) => `${JSON.stringify(issue.input)} must be ${digits} hexadecimal digits in lower case`,
    ),
  );
const slot = v.pipe(
  v.string(),
  v.check(
    (value) => parseSlot(value) !== undefined,
    (issue) => `${JSON.stringify(issue.input)} is not a slot, as in 00:1f.2 or 0001:00:1f.2`,
  ),
  v.transform((value) => parseSlot(value) as Slot),
);
const driverName = v.pipe(v.string(), v.regex(/^[\w-]{1,40}$/, 'must be the name of a driver'));
const address = v.pipe(
  v.string(),
  v.regex(
    /^0x[0-9a-f]{1,13}$/,
    (issue) => `${JSON.stringify(issue.input)} must be 0x and up to 13 hexadecimal digits`,
  ),
);

const driverSchema = v.strictObject({
  name: driverName,
  shutdown: v.pipe(
    v.union([v.boolean(), v.literal('disables')], 'must be true, false or "disables"'),
    v.description(
      'its shutdown method: none, one that stops the device, or one that only disables the PCI function',
    ),
  ),
  needsIdle: v.optional(v.pipe(v.boolean(), v.description('its probe refuses a device that still works'))),
  shutdownNeedsDma: v.optional(
    v.pipe(v.boolean(), v.description('its shutdown method waits for an answer that comes by DMA')),
  ),
});

const faultsSchema = v.strictObject({
  ignoreBme: v.optional(v.boolean()),
  ignoreWrites: v.optional(v.boolean()),
  busMasterReadOnly: v.optional(v.boolean()),
  allOnesAfterReads: v.optional(uint(1_000_000)),
  vanishOnWrite: v.optional(v.boolean()),
  pendingForever: v.optional(v.boolean()),
  lateCompletionTicks: v.optional(uint(1_000_000)),
});

const functionSchema = v.strictObject({
  note: v.optional(v.pipe(text(300), v.description('for people'))),
  slot: v.pipe(slot, v.description('[dddd:]bb:dd.f, hexadecimal')),
  ids: v.pipe(
    v.string(),
    v.regex(
      /^[0-9a-f]{4}:[0-9a-f]{4}$/,
      (issue) => `${JSON.stringify(issue.input)} is not vendor:device, as in 8086:10d3`,
    ),
    v.description('vendor:device'),
  ),
  class: v.pipe(hexadecimal(6), v.description('class, subclass and programming interface')),
  revision: v.optional(hexadecimal(2)),
  express: v.optional(
    v.pipe(
      v.picklist(EXPRESS_TYPES.filter((type) => type !== 'reserved')),
      v.description('left out for a conventional PCI function'),
    ),
  ),
  flr: v.optional(v.pipe(v.boolean(), v.description('it has a function-level reset'))),
  secondary: v.optional(v.pipe(hexadecimal(2), v.description('of a bridge: the bus below it'))),
  messages: v.optional(v.picklist(['msi', 'msix'])),
  intx: v.optional(
    v.strictObject({
      pin: v.picklist(['A', 'B', 'C', 'D']),
      line: v.pipe(uint(254), v.description('the interrupt line that the pin is wired to')),
    }),
  ),
  intxDisable: v.optional(v.pipe(v.boolean(), v.description('false for PCI 2.2, which has no such bit'))),
  is: v.optional(v.pipe(v.picklist(WORKLOADS), v.description('the engine behind it'))),
  repeatsMessages: v.optional(v.boolean()),
  wedgesWhenCut: v.optional(
    v.pipe(
      v.boolean(),
      v.description('of a disk controller: no reset helps once its DMA was refused under commands in flight'),
    ),
  ),
  commandMs: v.optional(v.pipe(uint(600_000), v.description('of a hot-plug port: how long a command takes'))),
  errorReporting: v.optional(v.boolean()),
  driver: v.optional(driverSchema),
  leftBy: v.optional(v.picklist(['driver', 'firmware'])),
  wanted: v.optional(v.pipe(v.boolean(), v.description('its DMA must go on across the jump'))),
  busMaster: v.optional(v.pipe(v.boolean(), v.description('BME at the start, if nobody set it going'))),
  busMasterReadOnly: v.optional(v.boolean()),
  power: v.optional(v.picklist(['D0', 'D3hot', 'D3cold'])),
  gone: v.optional(v.pipe(v.boolean(), v.description('reads all ones'))),
  vfs: v.optional(v.pipe(uint(4096), v.description('virtual functions'))),
  vfDriver: v.optional(v.nullable(driverSchema)),
  bootVga: v.optional(v.boolean()),
  holds: v.optional(v.pipe(v.array(v.picklist(['root', 'swap', 'console'])), v.minLength(1))),
  faults: v.optional(faultsSchema),
});

const rulesSchema = v.strictObject({
  uncorrectableError: v.optional(v.picklist(['nothing', 'logged', 'nmi', 'hang'])),
  rootPortGatesMmio: v.optional(v.boolean()),
  interruptController: v.optional(v.picklist(['io-apic', 'iosapic'])),
  bootInterruptLine: v.optional(v.nullable(uint(254))),
  legacyInterruptsToBootCpuOnly: v.optional(v.boolean()),
  timerLine: v.optional(uint(254)),
  pendingTables: v.optional(v.boolean()),
  vectorsPerCpu: v.optional(v.pipe(uint(256), v.minValue(1))),
  iommu: v.optional(
    v.nullable(
      v.strictObject({
        domains: v.picklist(['identity', 'translated']),
        nextKernel: v.picklist(['resets', 'copies', 'takes-over']),
        aborts: v.picklist(['dropped', 'completer-abort']),
      }),
    ),
  ),
});

const rangeSchema = v.strictObject({ at: address, size: address });

const memorySchema = v.strictObject({
  ram: v.pipe(v.array(rangeSchema), v.minLength(1), v.maxLength(16)),
  capture: v.pipe(rangeSchema, v.description('what is reserved for a capture kernel')),
  image: v.pipe(rangeSchema, v.description('where a next kernel runs on the normal path')),
  initramfs: v.pipe(rangeSchema, v.description('where its initramfs lies')),
});

const machineSchema = v.strictObject({
  platform: v.optional(v.picklist(Object.keys(PLATFORMS) as PlatformName[]), 'x86-server'),
  rules: v.optional(v.pipe(rulesSchema, v.description('in which it differs from its platform'))),
  era: v.optional(v.pipe(v.picklist(ERAS), v.description('of both kernels')), 'today'),
  memory: v.optional(memorySchema),
  captureDrivers: v.optional(
    v.pipe(v.array(driverName), v.description('that the initramfs of a capture kernel carries')),
    [],
  ),
  functions: v.pipe(v.array(functionSchema), v.minLength(1), v.maxLength(FUNCTIONS_MAX)),
});

const jumpSchema = v.strictObject({
  load: v.optional(v.picklist(['relocated', 'in-place'])),
  crashCpu: v.optional(uint(1023)),
  drivers: v.optional(v.array(driverName)),
  cpus: v.optional(v.pipe(uint(1024), v.minValue(1))),
  ticks: v.optional(
    v.pipe(uint(100_000), v.description('how long the next kernel is watched, in tenths of a millisecond')),
  ),
  reboot: v.optional(v.pipe(v.boolean(), v.description('a capture kernel reboots once its dump is saved'))),
  faults: v.optional(
    v.pipe(v.record(slot, faultsSchema), v.description('by slot; they begin once the machine is at work')),
  ),
});

const expectationSchema = v.strictObject({
  verdict: v.picklist(JUMP_VERDICTS),
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
  reached: v.optional(v.picklist(STAGES)),
  line: v.optional(v.pipe(uint(254), v.description('the interrupt line that was given up'))),
  atLeastMs: v.optional(v.pipe(uint(10_000_000), v.description('how long the jump takes'))),
  atMostMs: v.optional(uint(10_000_000)),
  why: v.optional(text(600)),
});

const labSchema = v.strictObject({
  scenario: v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/), v.description('as `lab list` has it')),
  none: text(100),
  ours: text(100),
  differs: v.optional(v.pipe(text(400), v.description('from what is seen here, and why'))),
});

const expectations = Object.fromEntries(
  POLICY_NAMES.map((name) => [name, v.optional(expectationSchema)]),
) as Record<PolicyName, v.OptionalSchema<typeof expectationSchema, undefined>>;

/** @internal */
export const scenarioSchema = v.strictObject({
  $schema: v.optional(v.string()),
  schema: v.literal('shootdown.scenario/1'),
  name: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9][a-z0-9-]{0,59}$/, 'must be lower-case letters, digits and dashes'),
  ),
  title: text(120),
  hazards: v.pipe(
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
  ),
  confidence: v.pipe(
    v.picklist(CONFIDENCES),
    v.description('that the machine shows the cause which the sources give'),
  ),
  inference: v.optional(v.pipe(text(600), v.description('what is not in the sources'))),
  sources: v.pipe(
    v.array(v.pipe(v.string(), v.url('must be an address'), v.maxLength(300))),
    v.minLength(1),
    v.maxLength(8),
  ),
  mechanism: v.pipe(text(160), v.description('the rule of a device, platform or kernel that does it')),
  story: v.pipe(text(1500), v.description('what the machine is, what happens, and why')),
  path: v.picklist(['normal', 'crash']),
  machine: machineSchema,
  jump: v.optional(jumpSchema, {}),
  policy: v.optional(
    v.pipe(v.array(ruleSchema), v.maxLength(50), v.description('rules of ours before the default policy')),
    [],
  ),
  expect: v.pipe(
    v.strictObject({ ...expectations, none: expectationSchema, ours: expectationSchema }),
    v.description('by policy, what is seen'),
  ),
  lab: v.optional(v.pipe(labSchema, v.description('what a real Linux was seen to do in the lab'))),
  fact: v.strictObject({
    pointer: v.pipe(text(200), v.description('JSON pointer into this file')),
    without: v.pipe(v.unknown(), v.description('"remove", or the value that stands there instead')),
    why: text(400),
    under: v.optional(
      v.pipe(v.picklist(POLICY_NAMES), v.description('the policy whose symptom vanishes')),
      'none',
    ),
    leaves: v.optional(
      v.pipe(v.picklist(JUMP_VERDICTS), v.description('the verdict without the fact')),
      'clean',
    ),
  }),
});

export type ScenarioData = v.InferOutput<typeof scenarioSchema>;
export type FunctionData = ScenarioData['machine']['functions'][number];
export type Expectation = v.InferOutput<typeof expectationSchema>;
