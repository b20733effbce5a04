import { hex } from '../pci/slot.js';
import type { Data } from '../quiesce/schema-parts.js';
import { errorEventWords } from '../sim/bus/error-words.js';
import type { SimEvent } from '../sim/events.js';
import { interruptWords } from '../sim/interrupts/words.js';
import type { CorruptedPage, JumpResult } from '../sim/jump/result.js';
import type { PlayedJump } from '../sim/policies/play.js';
import { msFromStart, writersOf } from './jump-text.js';
import type { jumpSchema } from './schema/jump.js';
import type { traceEventSchema } from './schema/trace.js';

/** A jump as JSON: addresses as hexadecimal text, times in milliseconds from its start. */
export function jumpJson(played: PlayedJump): object {
  return jumpData(played);
}

/** The same, key for key: who uses the library needs no schema's types. @internal */
export function jumpData({ result, records, untrue }: PlayedJump): Data<typeof jumpSchema> {
  const ms = (tick: number | null) => (tick === null ? null : msFromStart(tick, result));
  const page = ({ address, firstTick, ...rest }: CorruptedPage) => ({
    ...{ address: hex(address, 16), ...rest, firstMs: ms(firstTick) },
  });
  return {
    path: result.path,
    verdict: result.verdict,
    verdicts: result.verdicts,
    reached: result.reached,
    stuckOn: result.stuckOn,
    jumpMs: ms(result.jumpTick),
    runningMs: ms(result.runningTick),
    endMs: ms(result.endTick),
    writers: writersOf(result.writes).map(({ slot, count, firstAddress, broke }) => ({
      ...{ slot, writes: count, firstAddress: hex(firstAddress, 16), hit: broke },
    })),
    refused: result.refused,
    corrupted: result.corrupted.map(page),
    storms: result.storms.map(({ line, slots, tick }) => ({ line, slots, ms: ms(tick) })),
    lost: result.lost,
    faults: result.faults,
    wantedLost: result.wantedLost,
    interruptsUnclaimed: result.interruptsUnclaimed,
    dump: result.dump && {
      pages: result.dump.pages,
      complete: result.dump.complete,
      target: result.dump.target,
      problem: result.dump.problem,
      torn: result.dump.torn.map(page),
    },
    timeline: result.timeline.map(({ tick, ...entry }) => ({ ms: ms(tick), ...entry })),
    records: records.map(({ place, end, tick, functions }) => ({
      ...{ place, end, ms: ms(tick) },
      functions: functions.map(({ slot, verdict, outcome, reason }) => ({ slot, verdict, outcome, reason })),
    })),
    untrue,
  };
}

/** One event of the machine, for a trace. @internal */
export function eventJson(
  event: SimEvent,
  result: Pick<JumpResult, 'startTick'>,
): Data<typeof traceEventSchema> {
  const { tick, ...rest } = event;
  const address = 'address' in rest ? { address: hex(rest.address, 16) } : {};
  // Which key is whose is lost in spreading a union: test/schemas.test.ts looks at what comes out.
  return { ms: msFromStart(tick, result), ...rest, ...address } as Data<typeof traceEventSchema>;
}

/** The same as a line of text, without its time. */
export function eventText(event: SimEvent): string {
  switch (event.kind) {
    case 'dma': {
      const where = `${event.length} bytes at ${hex(event.address, 8)} (${event.owner ?? 'no memory'})`;
      return `writes ${where}${barredText(event)}`;
    }
    case 'read':
      return 'reads memory';
    case 'read-refused':
      return `reads memory${barredText(event)}`;
    case 'message':
      return `interrupts by message${event.count > 1 ? `, ${event.count} times` : ''}${barredText({ ...event, faulted: false })}`;
    case 'config-write': {
      const digits = event.width * 2;
      return `register ${hex(event.offset, 3)}: ${hex(event.before, digits)} → ${hex(event.after, digits)} by the ${event.by}`;
    }
    case 'error':
      return `reports ${errorEventWords(event)}`;
    case 'platform-write':
      return `the interrupt controller writes at ${hex(event.address, 8)} (${event.owner ?? 'no memory'})`;
    case 'bound':
      return event.problem === null
        ? `${event.driver} is bound`
        : `${event.driver} is not bound: ${event.problem.why}`;
    case 'served':
      return 'is served';
    case 'hung':
      return `the processor is stuck: ${event.on}`;
    case 'stage':
      return event.text;
    case 'dump':
      return event.target === null ? event.text : `${event.target}: ${event.text}`;
    default:
      return interruptWords(event);
  }
}

function barredText({ refusedBy, faulted }: { refusedBy: string | null; faulted: boolean }): string {
  if (refusedBy !== null) return `: refused by ${refusedBy}`;
  return faulted ? ': stopped by the IOMMU' : '';
}
