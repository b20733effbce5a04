import * as v from 'valibot';
import { PLACES } from '../../quiesce/policy.js';
import { count, hexadecimal, name, slot } from '../../quiesce/schema-parts.js';
import { HANG_CAUSES } from '../../sim/hang.js';
import { JUMP_VERDICTS, STAGES } from '../../sim/jump/result.js';
import { functionResultEntries } from './journal.js';

/** @internal */
export const milliseconds = v.pipe(v.number(), v.description('from the start of the jump'));
/** Whom a page of memory serves. @internal */
export const ownerSchema = v.picklist([
  'free',
  'firmware',
  'preserved',
  'old-kernel',
  'dma-buffer',
  'staged',
  'capture',
  'next-kernel-image',
  'next-kernel-initramfs',
  'next-kernel',
  'next-dma-buffer',
]);

const path = v.picklist(['normal', 'crash']);
const region = v.picklist(['image', 'initramfs', 'kernel-memory', 'dump']);
const refused = v.strictObject({ slot, by: slot, count });
const page = v.strictObject({
  address: hexadecimal(16),
  region,
  owner: v.nullable(ownerSchema),
  writers: v.array(v.union([slot, v.literal('platform')])),
  firstMs: v.nullable(milliseconds),
});

/** What a simulated jump came to. @internal */
export const jumpEntries = {
  path,
  verdict: v.pipe(v.picklist(JUMP_VERDICTS), v.description('the worst that applies')),
  verdicts: v.array(v.picklist(JUMP_VERDICTS)),
  reached: v.picklist(STAGES),
  stuckOn: v.pipe(
    v.nullable(
      v.strictObject({
        on: v.string(),
        slots: v.array(v.string()),
        cause: v.picklist([...HANG_CAUSES, 'not-as-loaded']),
      }),
    ),
    v.description('what stopped the processor; null if it ran to its end'),
  ),
  jumpMs: v.pipe(v.nullable(v.number()), v.description('when the old kernel was gone')),
  runningMs: v.pipe(v.nullable(v.number()), v.description('when the next kernel had bound its drivers')),
  endMs: v.nullable(v.number()),
  writers: v.pipe(
    v.array(v.strictObject({ slot, writes: count, firstAddress: hexadecimal(16), hit: v.array(v.string()) })),
    v.description('of writes that went through after the jump'),
  ),
  refused: v.pipe(v.array(refused), v.description('by the function itself or a bridge above it')),
  corrupted: v.array(page),
  storms: v.array(v.strictObject({ line: count, slots: v.array(slot), ms: v.nullable(milliseconds) })),
  lost: v.array(
    v.strictObject({
      slot,
      driver: v.string(),
      cause: v.picklist([
        'not-found',
        'wedged',
        'busy',
        'no-vector',
        'not-tried',
        'line-given-up',
        'never-served',
      ]),
      why: v.string(),
    }),
  ),
  faults: v.pipe(v.array(v.strictObject({ slot, count })), v.description('what the IOMMU stopped')),
  wantedLost: v.array(refused),
  interruptsUnclaimed: count,
  dump: v.nullable(
    v.strictObject({
      pages: count,
      complete: v.boolean(),
      target: v.nullable(slot),
      problem: name,
      torn: v.array(page),
    }),
  ),
  timeline: v.array(
    v.strictObject({
      ms: v.nullable(milliseconds),
      slot: v.nullable(slot),
      text: v.string(),
      times: v.optional(count),
    }),
  ),
  records: v.pipe(
    v.array(
      v.strictObject({
        place: v.picklist(PLACES),
        end: v.string(),
        ms: v.nullable(milliseconds),
        functions: v.array(v.strictObject(functionResultEntries)),
      }),
    ),
    v.description('what ours said, in each place where it had its turn'),
  ),
  untrue: v.pipe(v.array(v.string()), v.description('what ours said and was not so')),
};

/** @internal */
export const jumpSchema = v.strictObject(jumpEntries);
