import * as v from 'valibot';
import { count, hexadecimal, slot } from '../../quiesce/schema-parts.js';
import { HANG_CAUSES } from '../../sim/hang.js';
import { milliseconds, ownerSchema } from './jump.js';

const line = count;
const slots = v.array(slot);
const writer = v.picklist(['host', 'stub', 'old-kernel', 'next-kernel']);
const irq = v.union([count, slot]);
const slotOrTimer = v.union([slot, v.literal('timer')]);
const refusedBy = v.nullable(slot);
const sent = v.pipe(count, v.description('when the device sent it, in ticks of 0.1 ms'));
const address = hexadecimal(16);

const event = <const K extends string, E extends v.ObjectEntries>(kind: K, entries: E) =>
  v.strictObject({ ms: milliseconds, kind: v.literal(kind), ...entries });

/** One thing that happened in the simulated machine, as in the trace of `sim run --trace --json`. @internal */
export const traceEventSchema = v.variant('kind', [
  event('dma', {
    slot,
    address,
    length: count,
    sent,
    owner: v.nullable(ownerSchema),
    refusedBy,
    faulted: v.boolean(),
  }),
  event('read', { slot }),
  event('read-refused', { slot, refusedBy, faulted: v.boolean() }),
  event('message', { slot, count, sent, refusedBy }),
  event('config-write', {
    slot,
    offset: count,
    width: count,
    before: count,
    after: count,
    by: writer,
  }),
  event('error', {
    slot,
    cause: slot,
    what: v.picklist(['unsupported-request', 'poisoned', 'unexpected-completion', 'completion-timeout']),
    reaction: v.picklist(['nothing', 'logged', 'nmi', 'hang']),
  }),
  event('intx', { slot, line, asserted: v.boolean() }),
  event('irq-sent', { line, slots, again: v.boolean(), heard: v.boolean() }),
  event('irq-held', { line, slots }),
  event('irq-taken', { line }),
  event('irq-ended', { line, count, handled: v.boolean() }),
  event('irqs-off', { inService: v.array(line), pending: v.array(line) }),
  event('pin', { line, masked: v.boolean(), for: slotOrTimer, by: writer, remoteIrr: v.boolean() }),
  event('pins-masked', { by: writer, ended: v.boolean(), remoteIrr: v.array(line) }),
  event('irq-disabled', { slot, irq, sharers: v.array(slotOrTimer) }),
  event('end-called', { slot, irq, ended: v.nullable(line), remoteIrr: v.boolean() }),
  event('line-disabled', { line, slots }),
  event('platform-write', { address, owner: v.nullable(ownerSchema) }),
  event('bound', {
    slot,
    driver: v.string(),
    problem: v.nullable(
      v.strictObject({
        cause: v.picklist(['not-found', 'wedged', 'busy', 'no-vector']),
        why: v.string(),
      }),
    ),
  }),
  event('served', { slot }),
  event('dump', { target: v.nullable(slot), text: v.string() }),
  event('hung', { on: v.string(), slots: v.array(v.string()), cause: v.picklist(HANG_CAUSES) }),
  event('stage', { text: v.string() }),
]);
