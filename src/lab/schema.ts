import * as v from 'valibot';
import { count, name, slot } from '../quiesce/schema-parts.js';
import { KEXEC_LOADS, LAB_POLICIES } from './scenario.js';

const jump = v.picklist(['normal', 'crash']);
const policy = v.pipe(
  v.picklist(LAB_POLICIES),
  v.description('ours: apply before a normal jump, a wrapped kernel for a crash; between: a wrapped kernel'),
);
const load = v.pipe(v.picklist(KEXEC_LOADS), v.description('by kexec_file_load, or by kexec_load'));
const seconds = v.number();
const counts = v.strictObject({ sent: count, landed: count });
const outcomes = [
  'clean',
  'stray',
  'irq-storm',
  'faulted',
  'oops',
  'not-restored',
  'crippled',
  'unrecorded',
  'unproven',
  'stuck',
] as const;
const consoleSchema = v.array(
  v.strictObject({
    problem: v.picklist(['oops', 'nobody-cared', 'aer', 'dmar-fault', 'stall']),
    line: v.string(),
  }),
);
const stateSchema = v.nullable(
  v.strictObject({
    command: v.string(),
    verdict: v.picklist(['live', 'open', 'quiet', 'unknown']),
    intxAsserted: v.boolean(),
    intxDisabled: v.boolean(),
    messages: v.pipe(v.boolean(), v.description('MSI or MSI-X is on')),
    driver: name,
  }),
);

/** What `lab list --json` prints. @internal */
export const labListSchema = v.strictObject({
  schema: v.literal('shootdown.lab-list/1'),
  scenarios: v.array(
    v.strictObject({ name: v.string(), title: v.string(), hazards: v.array(v.string()), jump }),
  ),
});

/** What `lab prepare --json` prints. @internal */
export const labPrepareSchema = v.strictObject({
  schema: v.literal('shootdown.lab-prepare/1'),
  folder: v.string(),
  kernels: v.array(
    v.strictObject({
      series: v.string(),
      release: v.string(),
      version: v.string(),
      package: v.string(),
      image: v.string(),
      initramfs: v.string(),
    }),
  ),
});

/** What `lab run --json` prints, and what lies in a run's folder. @internal */
export const labRunSchema = v.strictObject({
  schema: v.literal('shootdown.lab-run/1'),
  scenario: v.string(),
  title: v.string(),
  jump,
  policy,
  load,
  kernel: v.strictObject({ series: v.string(), release: v.string(), version: v.string() }),
  outcome: v.pipe(v.picklist(outcomes), v.description('the worst that is true')),
  stray: v.pipe(
    v.strictObject({
      of: v.nullable(v.picklist(['frames', 'edu'])),
      sent: count,
      landed: count,
      first: v.pipe(name, v.description('physical address of the first, 0x…')),
      during: counts,
      later: counts,
      aliveBefore: v.boolean(),
    }),
    v.description('writes that were asked for after the next kernel had started, and those that landed'),
  ),
  next: v.strictObject({
    up: v.boolean(),
    release: name,
    ended: name,
    toFirstLineS: v.nullable(seconds),
    toReadyS: v.nullable(seconds),
  }),
  uses: v.strictObject({ network: v.nullable(v.boolean()), vmcore: v.nullable(v.boolean()) }),
  console: consoleSchema,
  functions: v.array(v.strictObject({ slot, ids: v.string(), before: stateSchema, after: stateSchema })),
  apply: v.nullable(
    v.strictObject({
      status: v.pipe(v.number(), v.integer()),
      gated: count,
      stopped: count,
      live: count,
      seconds,
      restored: v.nullable(v.boolean()),
    }),
  ),
  flight: v.nullable(
    v.strictObject({
      end: v.string(),
      summary: v.boolean(),
      functions: count,
      gated: count,
      failed: count,
      accesses: count,
      milliseconds: v.nullable(v.number()),
      traceAgrees: v.boolean(),
    }),
  ),
  seconds: v.strictObject({ boot: seconds, total: seconds }),
  folder: v.string(),
});

/** What `lab matrix --format json` prints. @internal */
export const labMatrixSchema = v.strictObject({
  schema: v.literal('shootdown.lab-matrix/1'),
  interrupted: v.boolean(),
  rows: v.array(
    v.strictObject({
      scenario: v.string(),
      jump,
      machine: v.literal('qemu'),
      kernel: v.pipe(v.string(), v.description('a series, as in 6.1')),
      policy,
      outcome: v.picklist([...outcomes, 'failed', 'unsupported']),
      stray: v.nullable(counts),
      secondsToReady: v.nullable(seconds),
      remark: v.string(),
      folder: name,
      tail: v.pipe(name, v.description('the console’s last lines, of a run that failed with a guest')),
    }),
  ),
});

/** What `lab chain --json` prints, and what lies in the chain's folder. @internal */
export const labChainSchema = v.strictObject({
  schema: v.literal('shootdown.lab-chain/1'),
  kernel: v.string(),
  policy,
  load,
  wanted: count,
  jumps: v.array(
    v.strictObject({
      number: count,
      stray: v.boolean(),
      toFirstLineS: seconds,
      toReadyS: seconds,
      applyS: v.nullable(seconds),
      e820Entries: count,
      memoryKiB: count,
      gated: v.nullable(count),
      console: consoleSchema,
    }),
  ),
  stopped: v.pipe(name, v.description('why it ended early')),
  folder: v.string(),
});
