import { toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import {
  doctorSchema,
  installReportSchema,
  refreshSchema,
  uninstallReportSchema,
} from '../src/cli/system-schema.js';
import {
  labChainSchema,
  labListSchema,
  labMatrixSchema,
  labPrepareSchema,
  labRunSchema,
} from '../src/lab/schema.js';
import { auditSchema } from '../src/quiesce/audit-data.js';
import { endSchema, headerSchema, recordSchema } from '../src/quiesce/journal.js';
import { planSchema } from '../src/quiesce/plan-data.js';
import { policySchema } from '../src/quiesce/policy.js';
import { fleetSchema } from '../src/report/fleet/fleet-data.js';
import { diffSchema } from '../src/report/schema/diff.js';
import { flightSchema } from '../src/report/schema/flight.js';
import { inspectSchema, wrapSchema } from '../src/report/schema/image.js';
import { journalSchema, restoreSchema } from '../src/report/schema/journal.js';
import {
  simLikeSchema,
  simListSchema,
  simMatrixSchema,
  simReplaySchema,
  simRunSchema,
  simSoakSchema,
} from '../src/report/schema/sim.js';
import { scenarioSchema } from '../src/sim/scenario/schema.js';
import { changesSchema, installSchema, kernelSchema } from '../src/system/state.js';

/** A kind of JSON that the program prints or keeps: `shootdown.NAME/1`. */
export interface JsonKind {
  readonly name: string;
  /** What prints it, or which file it is. */
  readonly from: string;
  readonly schema: v.GenericSchema;
  /** Of its JSON Schema where that lies beside its data. */
  readonly folder?: string;
}

/** All of them. A rule in test/schemas.test.ts finds those that are missing here. */
export const JSON_KINDS: readonly JsonKind[] = [
  { name: 'audit', from: '`audit --json`; a line of `audit --ndjson`', schema: auditSchema },
  {
    name: 'plan',
    from: '`plan --json`, `apply --dry-run --json`; read by `apply --plan`',
    schema: planSchema,
  },
  { name: 'journal', from: '`apply --json`', schema: journalSchema },
  {
    name: 'journal-file',
    from: 'a line of the journal that `apply` keeps and `restore` reads: its header, then records, then its end',
    schema: v.union([headerSchema, recordSchema, endSchema]),
  },
  { name: 'restore', from: '`restore --json`', schema: restoreSchema },
  { name: 'wrap', from: '`wrap --json`', schema: wrapSchema },
  { name: 'inspect', from: '`inspect --json`', schema: inspectSchema },
  { name: 'flight', from: '`flight --json`', schema: flightSchema },
  { name: 'install-report', from: '`install --json`', schema: installReportSchema },
  { name: 'uninstall-report', from: '`uninstall --json`', schema: uninstallReportSchema },
  { name: 'refresh', from: '`refresh --json`', schema: refreshSchema },
  { name: 'doctor', from: '`doctor --json`', schema: doctorSchema },
  { name: 'report-diff', from: '`report diff --json`', schema: diffSchema },
  { name: 'fleet', from: '`report fleet --json FILE`', schema: fleetSchema },
  { name: 'sim-list', from: '`sim list --json`', schema: simListSchema },
  { name: 'sim-run', from: '`sim run SCENARIO --json`', schema: simRunSchema },
  { name: 'sim-like', from: '`sim run --like FILE --json`', schema: simLikeSchema },
  { name: 'sim-matrix', from: '`sim matrix --format json`', schema: simMatrixSchema },
  { name: 'sim-soak', from: '`sim soak --json`, and the file of its `--state`', schema: simSoakSchema },
  { name: 'sim-replay', from: '`sim soak --replay N --json`', schema: simReplaySchema },
  { name: 'lab-list', from: '`lab list --json`', schema: labListSchema },
  { name: 'lab-prepare', from: '`lab prepare --json`', schema: labPrepareSchema },
  { name: 'lab-run', from: '`lab run --json`, and `verdict.json` in a run’s folder', schema: labRunSchema },
  { name: 'lab-matrix', from: '`lab matrix --format json`', schema: labMatrixSchema },
  { name: 'lab-chain', from: '`lab chain --json`, and `verdict.json` in its folder', schema: labChainSchema },
  { name: 'policy', from: 'a policy, as `--policy` takes it', schema: policySchema, folder: 'policies' },
  {
    name: 'scenario',
    from: 'a scenario, as `sim run` takes it',
    schema: scenarioSchema,
    folder: 'scenarios',
  },
  {
    name: 'install',
    from: '`/etc/shootdown/install.json`: what was asked of `install`',
    schema: installSchema,
  },
  {
    name: 'changes',
    from: '`/var/lib/shootdown/changes.json`: what `install` changed',
    schema: changesSchema,
  },
  {
    name: 'kernel',
    from: '`vmlinuz-VERSION.json` beside each wrapped kernel in `/var/lib/shootdown/kernels`',
    schema: kernelSchema,
  },
];

/** Where a kind's JSON Schema lies, from the root of the project. */
export const schemaPath = ({ name, folder = 'schemas' }: JsonKind) => `${folder}/${name}.schema.json`;

/** What a schema cannot say (a selector's form, that ids do not repeat) is checked when the file is read. */
function schemaFile(kind: JsonKind): { readonly path: string; readonly content: string } {
  const json = toJsonSchema(kind.schema, { errorMode: 'ignore', typeMode: 'input' });
  const title = `shootdown ${kind.name}`;
  return { path: schemaPath(kind), content: JSON.stringify({ title, ...json }, null, 2) };
}

/** Every JSON Schema, and the rows of the table in schemas/README.md. */
export function schemaFiles(): {
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly table: string;
} {
  const rows = JSON_KINDS.map((kind) => {
    const path = kind.folder === undefined ? `${kind.name}.schema.json` : `../${schemaPath(kind)}`;
    return `| [\`shootdown.${kind.name}/1\`](${path}) | ${kind.from} |`;
  });
  return {
    files: JSON_KINDS.map(schemaFile),
    table: ['| Schema | What it is of |', '| --- | --- |', ...rows].join('\n'),
  };
}
