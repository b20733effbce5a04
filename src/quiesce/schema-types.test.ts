import type * as v from 'valibot';
import { expect, expectTypeOf, it } from 'vitest';
import type { headerSchema, JournalHeader, JournalRecord, recordSchema } from './journal.js';
import type { Plan, planSchema } from './plan-data.js';
import type { Policy, policySchema } from './policy.js';

type Deep<T> = T extends string | number | boolean | null | undefined
  ? T
  : { readonly [K in keyof T]: Deep<T[K]> };
type Parsed<S extends v.GenericSchema> = Deep<v.InferOutput<S>>;

// Checked by `npm run types`: what the schemas let through is what the interfaces say, key for key.
it('interfaces and schemas say the same', () => {
  expectTypeOf<Parsed<typeof policySchema>>().toEqualTypeOf<Deep<Policy>>();
  expectTypeOf<Parsed<typeof planSchema>>().toEqualTypeOf<Deep<Plan>>();
  expectTypeOf<Parsed<typeof headerSchema>>().toEqualTypeOf<Deep<JournalHeader>>();
  expectTypeOf<Parsed<typeof recordSchema>>().toEqualTypeOf<Deep<JournalRecord>>();
  expect.assertions(0);
});
