import * as v from 'valibot';
import { count, name } from '../quiesce/schema-parts.js';
import { CHECK_STATES } from '../system/doctor-check.js';
import { installSchema, PARTS } from '../system/state.js';

const texts = v.array(v.string());
const command = v.pipe(v.array(v.string()), v.description('program and arguments'));
const part = v.picklist(PARTS);
const loaded = v.pipe(name, v.description('what waits for a crash now, in words; null: nobody looked'));

/** What is done to which path, or which command is run. */
const stepSchema = v.strictObject({
  action: v.picklist([
    'make',
    'replace',
    'note',
    'nothing',
    'removed',
    'restored',
    'line-removed',
    'left',
    'run',
  ]),
  kind: v.optional(v.picklist(['file', 'line', 'link'])),
  path: v.optional(v.string()),
  mode: v.optional(v.pipe(v.string(), v.regex(/^[0-7]{4}$/))),
  line: v.optional(v.string()),
  target: v.optional(v.string()),
  backup: v.optional(v.nullable(v.string())),
  why: v.optional(v.string()),
  command: v.optional(command),
});

const kernelSchema = v.strictObject({
  version: v.string(),
  status: v.picklist(['fresh', 'wrapped', 'removed', 'failed']),
  message: v.pipe(name, v.description('why it failed')),
});

const results = {
  notes: texts,
  toRun: v.pipe(
    v.array(v.strictObject({ command })),
    v.description('commands that are left to run in a system in a folder'),
  ),
  loaded,
  problems: texts,
};

/** What `install --json` prints. */
export const installReportSchema = v.strictObject({
  schema: v.literal('shootdown.install-report/1'),
  part,
  performed: v.pipe(v.boolean(), v.description('false: only planned, or nothing was to do')),
  install: installSchema,
  steps: v.array(stepSchema),
  kernels: v.array(kernelSchema),
  reload: v.boolean(),
  ...results,
});

/** What `uninstall --json` prints. */
export const uninstallReportSchema = v.strictObject({
  schema: v.literal('shootdown.uninstall-report/1'),
  parts: v.array(part),
  rest: v.pipe(v.array(part), v.description('what stays installed')),
  performed: v.boolean(),
  steps: v.array(stepSchema),
  kernels: v.pipe(texts, v.description('versions whose wrapped kernels go')),
  reload: v.boolean(),
  ...results,
});

/** What `refresh --json` prints. */
export const refreshSchema = v.strictObject({
  schema: v.literal('shootdown.refresh/1'),
  steps: v.pipe(v.array(stepSchema), v.description('what --parts changed')),
  kernels: v.array(kernelSchema),
  ...results,
});

/** What `doctor --json` prints. */
export const doctorSchema = v.strictObject({
  schema: v.literal('shootdown.doctor/1'),
  tool: v.pipe(v.string(), v.description('version')),
  root: v.pipe(name, v.description('the folder with the system; null: the one that runs')),
  counts: v.strictObject({ problem: count, warning: count, unknown: count, note: count, ok: count }),
  results: v.pipe(
    v.array(
      v.strictObject({
        id: v.pipe(v.string(), v.regex(/^[a-z]+(\.[a-z]+)?$/), v.description('stable')),
        state: v.picklist(CHECK_STATES),
        text: v.string(),
        advice: name,
      }),
    ),
    v.description('the gravest first'),
  ),
});
