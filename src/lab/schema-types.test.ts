import { expect, expectTypeOf, it } from 'vitest';
import type { Data } from '../quiesce/schema-parts.js';
import type { ChainVerdict } from './chain.js';
import type { LabMatrix } from './matrix.js';
import type { labChainSchema, labMatrixSchema, labRunSchema } from './schema.js';
import type { LabVerdict } from './verdict.js';

// Checked by `npm run types`, as in quiesce/schema-types.test.ts.
it('interfaces and schemas say the same', () => {
  expectTypeOf<Data<typeof labRunSchema>>().toEqualTypeOf<LabVerdict>();
  expectTypeOf<Data<typeof labMatrixSchema>>().toEqualTypeOf<LabMatrix>();
  expectTypeOf<Data<typeof labChainSchema>>().toEqualTypeOf<ChainVerdict>();
  expect.assertions(0);
});
