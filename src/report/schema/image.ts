import * as v from 'valibot';
import { ACTION } from '../../image/layout.js';
import { count, name, sha256 } from '../../quiesce/schema-parts.js';

const hex = v.pipe(v.string(), v.regex(/^0x[0-9a-f]+$/, 'must be 0x and hexadecimal digits'));
const action = v.picklist(Object.keys(ACTION) as (keyof typeof ACTION)[]);

const wrappedSchema = v.strictObject({
  stub: v.strictObject({
    bytes: count,
    sha256,
    ofThisVersion: v.pipe(
      v.boolean(),
      v.description('program and guard are byte for byte those of this version'),
    ),
  }),
  blockOffset: v.pipe(count, v.description('from the start of the protected-mode code')),
  blockBytes: count,
  initSize: v.pipe(count, v.description('of the original')),
  tailBytes: v.pipe(count, v.description('room for the flight record')),
  scratchEntries: v.pipe(count, v.description('functions that the stub can list')),
  table: v.pipe(
    v.nullable(
      v.strictObject({
        template: v.strictObject({
          tool: v.string(),
          policy: v.strictObject({ name: v.string(), sha256: v.string() }),
          rules: v.array(v.string()),
          tsc: v.optional(v.picklist(['measured', 'assumed'])),
        }),
        scanAll: v.boolean(),
        progress: v.boolean(),
        bytes: count,
        rules: v.array(v.strictObject({ id: v.string(), action })),
        otherwise: action,
        knownFunctions: count,
        bounds: v.strictObject({
          walkMs: v.number(),
          pendingMs: v.number(),
          accesses: count,
          tscKhz: count,
        }),
      }),
    ),
    v.description('null where it cannot be read: problems says why'),
  ),
  original: v.nullable(
    v.strictObject({
      bytes: count,
      sha256: v.string(),
      tool: v.string(),
      restorable: v.pipe(v.boolean(), v.description('unwrap gives it back')),
    }),
  ),
  problems: v.array(v.string()),
});

/** What can be said of a bzImage without running it. @internal */
export const imageInfoSchema = v.strictObject({
  bytes: count,
  sha256,
  kernel: v.strictObject({
    version: v.pipe(name, v.description('as in uname -r, then who built it')),
    protocol: v.string(),
    relocatable: v.boolean(),
    kernelAlignment: count,
    cmdlineSize: count,
    initSize: count,
    payload: v.strictObject({ offset: count, bytes: count, compression: name }),
    typeOfLoader: hex,
    loadflags: hex,
    xloadflags: hex,
    prefAddress: hex,
  }),
  signature: v.picklist(['present', 'absent', 'impossible']),
  unfit: v.pipe(name, v.description('why the stub cannot be put into it')),
  wrapped: v.nullable(wrappedSchema),
});

/** What `wrap --json` prints. @internal */
export const wrapSchema = v.strictObject({
  schema: v.literal('shootdown.wrap/1'),
  input: v.string(),
  output: v.string(),
  machine: v.pipe(name, v.description('the host that was read for it; null: it is for any machine')),
  replaced: v.pipe(v.boolean(), v.description('the input was wrapped already')),
  signatureRemoved: v.boolean(),
  ...imageInfoSchema.entries,
  notes: v.array(v.string()),
  neverEntered: v.array(v.string()),
});

/** What `inspect --json` prints. @internal */
export const inspectSchema = v.strictObject({
  schema: v.literal('shootdown.inspect/1'),
  file: v.string(),
  ...imageInfoSchema.entries,
});
