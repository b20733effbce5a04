import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JSON_KINDS, type JsonKind, schemaPath } from '../scripts/json-schemas.js';
import type { refreshSchema } from '../src/cli/system-schema.js';
import type { Data } from '../src/quiesce/schema-parts.js';
import type { simSoakSchema } from '../src/report/schema/sim.js';
import { drawCase } from '../src/sim/soak/case.js';
import { newSoak } from '../src/sim/soak/soak.js';
import type { KernelRecord } from '../src/system/state.js';
import { makeBzImage } from './support/bzimage.js';
import { type CliResult, shootdown } from './support/cli.js';
import { debianSystem } from './support/debian-system.js';
import { encodeFunction } from './support/encode.js';
import { buildFakeSysfs } from './support/fake-sysfs.js';
import { encodeFlight } from './support/flight-record.js';
import { CRASH, SUMMARY } from './support/flight-samples.js';
import { type JsonSchema, mutants, thinned } from './support/json-mutations.js';
import { LAB_CHAIN, LAB_MATRIX, LAB_PREPARE, LAB_RUN, LAB_RUN_STUCK } from './support/lab-samples.js';
import { removeTree } from './support/system-tree.js';

const project = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(project, path), 'utf8');
const ajv = new Ajv({ strict: true, allowUnionTypes: true, formats: { 'date-time': true, uri: true } });

/** What came out, by the name that it gives its schema. */
const outputs = new Map<string, unknown[]>();
const folder = mkdtempSync(join(tmpdir(), 'shootdown-schemas-'));
const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

function keep(value: unknown, name = String((value as { schema?: unknown }).schema)): void {
  const kind = name.replace(/^shootdown\.(.*)\/1$/, '$1');
  outputs.set(kind, [...(outputs.get(kind) ?? []), value]);
}

/** Runs a command that prints JSON, and keeps that. */
function print(args: readonly string[], env: NodeJS.ProcessEnv = {}): CliResult {
  const result = shootdown(args, env);
  expect([0, 2], `${args.join(' ')}: ${result.stderr}`).toContain(result.status);
  keep(JSON.parse(result.stdout));
  return result;
}

beforeAll(() => {
  ofMachines();
  ofImages();
  ofSystems();
  ofSimulations();
  for (const one of [LAB_RUN, LAB_RUN_STUCK, LAB_MATRIX, LAB_CHAIN, LAB_PREPARE]) keep(one);
  print(['lab', 'list', '--json']);
  keep(JSON.parse(read('policies/default.json')));
  for (const name of readdirSync(join(project, 'scenarios')))
    if (name.endsWith('.json') && !name.endsWith('.schema.json')) keep(JSON.parse(read(`scenarios/${name}`)));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ofMachines(): void {
  const nic = { classCode: 0x020000, command: 0x0006, interruptPin: 1 } as const;
  const capabilities = [{ kind: 'msix', enable: true }, { kind: 'express' }] as const;
  const tree = buildFakeSysfs({
    functions: [
      { slot: '0000:00:02.0', config: encodeFunction({ ...nic, capabilities }) },
      { slot: '0000:00:03.0', config: encodeFunction(nic), driver: 'e1000e' },
    ],
  });
  const host = ['--host', `sysfs:${tree.root}`];
  const journal = join(folder, 'j.ndjson');
  try {
    const before = print(['audit', '--json', ...host]).stdout;
    print(['plan', '--json', ...host]);
    print(['apply', '--json', ...host, '--journal', journal]);
    const lines = readFileSync(journal, 'utf8').trim().split('\n');
    for (const line of lines) keep(JSON.parse(line), 'journal-file');
    const after = print(['audit', '--json', ...host]).stdout;
    print(['report', 'diff', '--json', file('old.json', before), file('new.json', after)]);
    print(['restore', journal, '--json', ...host]);
  } finally {
    tree.remove();
  }
  // One that has nearly everything: virtual functions, other segments, sleep.
  const dumps = ['q35-sriov-vv-xxxx', 'odd-states', 'odd-domains'].map((name) => `dumps/${name}.txt`);
  for (const dump of dumps) print(['audit', '--json', '-F', join(project, dump)]);
  const server = print(['audit', '--json', '--host', 'sim:server']).stdout;
  print(['plan', '--json', '--at', 'between', '--host', 'sim:server']);
  const [dump = ''] = dumps;
  print(['report', 'diff', '--json', file('server.json', server), join(project, dump)]);
  const fleet = join(folder, 'fleet.json');
  shootdown(['report', 'fleet', folder, '--json', fleet]);
  keep(JSON.parse(readFileSync(fleet, 'utf8')));
}

function ofImages(): void {
  const image = file('vmlinuz', makeBzImage());
  const quiet = join(folder, 'quiet');
  print(['wrap', image, '-o', quiet, '--json', '--for', 'sim:server']);
  for (const path of [image, quiet]) print(['inspect', path, '--json']);
  for (const [name, record] of Object.entries({ CRASH, SUMMARY }))
    print(['flight', file(name, encodeFlight(record)), '--json']);
}

function ofSystems(): void {
  const system = debianSystem({ '/usr/bin/shootdown': 'x' });
  const root = ['--root', system.root, '--json'];
  const env = { SHOOTDOWN_PROGRAM: '/usr/bin/shootdown' };
  const keepFile = (path: string) => keep(JSON.parse(readFileSync(join(system.root, path), 'utf8')));
  try {
    print(['install', 'kdump', '--dry-run', ...root], env);
    print(['install', 'kdump', ...root], env);
    print(['install', 'hook', ...root], env);
    keepFile('/etc/shootdown/install.json');
    keepFile('/var/lib/shootdown/changes.json');
    keep(JSON.parse(shootdown(['doctor', ...root], env).stdout));
    print(['uninstall', 'all', ...root], env);
  } finally {
    removeTree(system.root);
  }
  // These are of this machine, which a test leaves alone.
  const sha256 = '0'.repeat(64);
  const record: KernelRecord = {
    schema: 'shootdown.kernel/1',
    original: { path: '/boot/vmlinuz-6.1.0-26-amd64', sha256 },
    wrapped: { sha256 },
    tool: '0.1.0',
    policy: { name: 'default', sha256 },
    machine: 'fingerprint',
    cert: null,
    made: '2026-01-31T12:00:00.000Z',
  };
  const refreshed: Data<typeof refreshSchema> = {
    schema: 'shootdown.refresh/1',
    steps: [{ action: 'note' }, { action: 'run', command: ['update-initramfs', '-u'], why: 'why' }],
    kernels: [
      { version: '6.1.0-26-amd64', status: 'wrapped', message: null },
      { version: '6.1.0-27-amd64', status: 'failed', message: 'why' },
    ],
    notes: [],
    toRun: [{ command: ['true'] }],
    loaded: null,
    problems: ['what'],
  };
  keep(record);
  keep(refreshed);
}

function ofSimulations(): void {
  print(['sim', 'list', '--json']);
  // Every kind of event that a trace can have.
  print(['sim', 'run', 'all', '--trace', '--json']);
  print(['sim', 'run', 'routine-2006-end', '--policy', 'ia64-2006', '--trace', '--json']);
  print(['sim', 'run', 'intx-after-msi', '--policy', 'ours', '--json']);
  print(['sim', 'run', '--like', join(project, 'dumps/q35-server-xxxx.txt'), '--json']);
  const few = ['bridge-before-child', 'live-rings', 'driverless-nic'];
  print(['sim', 'matrix', '--scenario', ...few, '--format', 'json']);
  const state = join(folder, 'soak.json');
  print(['sim', 'soak', '--jumps', '20', '--functions', '8', '--state', state, '--json']);
  keep(JSON.parse(readFileSync(state, 'utf8')));
  print(['sim', 'soak', '--replay', '1:3', '--functions', '8', '--policy', 'none', '--json']);
  // Ours has no violations to be made smaller.
  const settings = { seed: 1, functions: 8, policy: 'ours' } as const;
  const found: Data<typeof simSoakSchema> = {
    ...newSoak(settings),
    seconds: 1,
    jumpsInThisRun: 1,
    smallest: { case: drawCase(settings, 0), what: ['what'], file: null, command: 'again', why: 'why' },
  };
  keep(found);
}

function compile(kind: JsonKind): { readonly schema: JsonSchema; readonly validate: ValidateFunction } {
  const schema = JSON.parse(read(schemaPath(kind)));
  return { schema, validate: ajv.compile(schema) };
}

/** Of more than so many in a value some are tried, spread over all of it. */
const MUTANTS_MAX = 200;

describe.each(JSON_KINDS)('shootdown.$name/1', (kind) => {
  it('has a schema that every output fits', () => {
    const { validate } = compile(kind);
    const seen = outputs.get(kind.name) ?? [];
    expect(seen).not.toEqual([]);
    for (const value of seen) expect(validate(value), ajv.errorsText(validate.errors)).toBe(true);
  });

  it('has a schema that refuses what lacks a key, has another type or one key more', () => {
    const { schema, validate } = compile(kind);
    for (const value of thinned(outputs.get(kind.name)) as unknown[]) {
      expect(validate(value), ajv.errorsText(validate.errors)).toBe(true);
      const all = [...mutants(schema, value)];
      expect(all.length).toBeGreaterThan(1);
      const every = Math.ceil(all.length / MUTANTS_MAX);
      for (const [n, mutant] of all.entries())
        if (n % every === 0) expect(validate(mutant.value), mutant.what).toBe(false);
      expect(validate({ ...(value as object), surprise: 1 })).toBe(false);
    }
  });
});

describe('the rule', () => {
  const names = new Set(
    readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.tsx?$/.test(path) && !/\.(test|generated)\./.test(path))
      .flatMap((path) => [...read(`src/${path}`).matchAll(/\bshootdown\.([a-z-]+)\/\d/g)])
      .map(([, name]) => name),
  );

  it('is that every JSON that src names has a schema, and every schema a name in src', () => {
    expect([...names].sort()).toEqual(JSON_KINDS.map(({ name }) => name).sort());
  });

  it('is that every schema lies in the package and is in the list', () => {
    const listed = read('schemas/README.md');
    for (const kind of JSON_KINDS) expect(listed).toContain(`shootdown.${kind.name}/1\``);
    const there = readdirSync(join(project, 'schemas')).filter((name) => name.endsWith('.json'));
    const wanted = JSON_KINDS.filter((one) => one.folder === undefined).map(
      ({ name }) => `${name}.schema.json`,
    );
    expect(there.sort()).toEqual(wanted.sort());
    const { files, exports: exported } = JSON.parse(read('package.json'));
    expect(files).toContain('schemas');
    expect(exported['./schemas/*.schema.json']).toBe('./schemas/*.schema.json');
  });

  it('knows a trace’s every event', () => {
    const { schema } = compile({ ...JSON_KINDS[0], name: 'sim-run' } as JsonKind);
    const told = JSON.stringify(schema);
    const seen = new Set(
      (outputs.get('sim-run') as { runs: { trace?: { kind: string }[] }[] }[])
        .flatMap(({ runs }) => runs.flatMap(({ trace }) => trace ?? []))
        .map((event) => event.kind),
    );
    expect(seen.size).toBeGreaterThan(20);
    for (const event of seen) expect(told).toContain(`{"const":"${event}"}`);
  });
});
