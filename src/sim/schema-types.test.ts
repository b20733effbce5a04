import type * as v from 'valibot';
import { expect, expectTypeOf, it } from 'vitest';
import type { Scenario, ScenarioFact, ScenarioLab } from './scenario/scenario.js';
import type { ScenarioData } from './scenario/schema.js';
import type { SoakState, soakSchema } from './soak/soak.js';

type Deep<T> = T extends string | number | boolean | null | undefined
  ? T
  : { readonly [K in keyof T]: Deep<T[K]> };
type Data = Deep<ScenarioData>;

// Checked by `npm run types`, as in quiesce/schema-types.test.ts: who uses the library needs no schema's types.
it('interfaces and schemas say the same', () => {
  expectTypeOf<Data['expect']['ours']>().toEqualTypeOf<Deep<Scenario['expect']['ours']>>();
  expectTypeOf<NonNullable<Data['lab']>>().toEqualTypeOf<Deep<ScenarioLab>>();
  expectTypeOf<NonNullable<Data['fact']>>().toEqualTypeOf<Deep<ScenarioFact>>();
  expectTypeOf<NonNullable<Data['confidence']>>().toEqualTypeOf<NonNullable<Scenario['confidence']>>();
  expectTypeOf<Deep<v.InferOutput<typeof soakSchema>>>().toEqualTypeOf<Deep<SoakState>>();
  expect.assertions(0);
});
