import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  type DriverDescription,
  ERAS,
  type Faults,
  type FunctionDescription,
  type MachineDescription,
  WORKLOADS,
} from '../description.js';
import { createDevice } from '../devices/create.js';
import type { JumpHooks, JumpOptions } from '../jump/options.js';
import { JUMP_VERDICTS, STAGES } from '../jump/result.js';
import { habitsOf } from '../kernel/eras.js';
import { PLATFORMS, type PlatformRules } from '../platform.js';
import { JUMP_POLICIES } from '../policies/index.js';
import { LISTS } from './scenario.js';
import { type FunctionData, type ScenarioData, scenarioSchema } from './schema.js';

type Deep<T> = T extends string | number | boolean | null | undefined
  ? T
  : { readonly [K in keyof T]-?: Deep<Exclude<T[K], undefined>> };
type Without<T, K extends PropertyKey> = Deep<{ [L in Exclude<keyof T, K>]: T[L] }>;
type MachineData = ScenarioData['machine'];

// Checked by `npm run types`.
it('says of a machine all that can be said of one, and no more', () => {
  expectTypeOf<Deep<NonNullable<MachineData['rules']>>>().toEqualTypeOf<Deep<PlatformRules>>();
  expectTypeOf<Without<MachineData, 'memory' | 'functions' | 'rules'>>().toEqualTypeOf<
    Without<MachineDescription, 'name' | 'memory' | 'functions' | 'rules'>
  >();
  expectTypeOf<Deep<NonNullable<FunctionData['driver']>>>().toEqualTypeOf<Deep<DriverDescription>>();
  // A host that answers with an error is the host contract's affair.
  expectTypeOf<Deep<NonNullable<FunctionData['faults']>>>().toEqualTypeOf<
    Without<Faults, 'readError' | 'writeError'>
  >();
  type Hexadecimal = 'revision' | 'secondary';
  type Special = 'express' | 'faults' | 'slot' | Hexadecimal;
  expectTypeOf<Without<FunctionData, 'note' | 'ids' | 'class' | 'intx' | 'is' | Special>>().toEqualTypeOf<
    Without<FunctionDescription, 'vendor' | 'device' | 'classCode' | 'pin' | 'line' | 'workload' | Special>
  >();
  expectTypeOf<Without<ScenarioData['jump'], 'faults'>>().toEqualTypeOf<
    Without<JumpOptions, 'path' | keyof JumpHooks>
  >();
  expect.assertions(0);
});

/** The parts of a valibot schema that say what it is made of. */
interface Part {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Part>>;
  readonly wrapped?: Part;
  readonly item?: Part;
  readonly value?: Part;
  readonly options?: readonly (Part | string)[];
}

const schema = scenarioSchema as unknown as Part;

/** What is under optional, nullable and the like. */
function bare(part: Part): Part {
  return part.wrapped ? bare(part.wrapped) : part;
}

function partAt(...path: readonly string[]): Part {
  return path.reduce((part, key) => {
    const inner = bare(part);
    const found = key === '[]' ? inner.item : inner.entries?.[key];
    if (!found) throw new Error(`the schema has no ${path.join('.')}`);
    return bare(found);
  }, schema);
}

const optionsAt = (...path: readonly string[]) => [...(partAt(...path).options ?? [])].sort();

function listKeys(part: Part, key: string): string[] {
  const { type, entries = {}, item, options = [], value } = bare(part);
  return [
    ...(type === 'array' ? [key] : []),
    ...Object.entries(entries).flatMap(([name, inner]) => listKeys(inner, name)),
    ...[item, value, ...options].flatMap((inner) => (typeof inner === 'object' ? listKeys(inner, key) : [])),
  ];
}

describe('the schema', () => {
  it('has every device, platform, era, verdict and stage that the machine has', () => {
    expect(optionsAt('machine', 'functions', '[]', 'is')).toEqual([...WORKLOADS].sort());
    expect(optionsAt('machine', 'platform')).toEqual(Object.keys(PLATFORMS).sort());
    expect(optionsAt('machine', 'era')).toEqual([...ERAS].sort());
    expect(optionsAt('expect', 'none', 'verdict')).toEqual([...JUMP_VERDICTS].sort());
    expect(optionsAt('expect', 'none', 'reached')).toEqual([...STAGES].sort());
    const of = { slot: '00:01.0', vendor: 1, device: 1, classCode: 0 };
    for (const workload of WORKLOADS) expect(createDevice({ ...of, workload }), workload).toBeDefined();
    for (const era of ERAS) expect(habitsOf(era)).toBeDefined();
  });

  it('has every policy, as what is expected and as whose symptom vanishes', () => {
    const names = JUMP_POLICIES.map(({ name }) => name).sort();
    expect(Object.keys(partAt('expect').entries ?? {}).sort()).toEqual(names);
    expect(optionsAt('fact', 'under')).toEqual(names);
  });

  it('has every rule of a platform', () => {
    const rules = Object.keys(partAt('machine', 'rules').entries ?? {}).sort();
    for (const platform of Object.values(PLATFORMS)) expect(Object.keys(platform).sort()).toEqual(rules);
  });

  it('has a list where the reader lets one through, and nowhere else', () => {
    expect([...new Set(listKeys(schema, ''))].sort()).toEqual([...LISTS].sort());
  });
});
