import { compareSlots, parseSlot, type Slot } from '../../pci/slot.js';
import type { SeenEvent } from './events.js';
import {
  LANES_MAX,
  MARK_KINDS,
  type MarkKind,
  REGIONS,
  type Span,
  type StoryLane,
  type StoryMark,
  shortSlot,
} from './story.js';

export interface LaneWords {
  readonly note: string;
  /** Bridges above, nearest first. */
  readonly above: readonly Slot[];
}

type Row = Omit<StoryLane, 'gated'>;

const WORST = Object.keys(MARK_KINDS) as MarkKind[];
/** Of the functions that have no row of their own. */
export const REST_LANE = 'rest';

/**
 * A row for the processor, for each function that does something (in the tree's order) and for each region of memory
 * that is hit. Beyond `LANES_MAX` the functions with the least to tell share one.
 */
export function lanesOf(
  events: readonly SeenEvent[],
  describe: (slot: Slot) => LaneWords,
): { readonly lanes: readonly Row[]; readonly laneOf: (id: string) => number } {
  const ids = new Set(events.map(({ lane }) => lane));
  const slots = [...ids].flatMap((id) => parseSlot(id) ?? []);
  const regions = Object.keys(REGIONS).filter((region) => ids.has(`memory:${region}`));
  const others = [...ids].filter((id) => id.startsWith('memory:') && !regions.includes(id.slice(7)));
  const rows: Row[] = [processorRow];
  const own = new Set(slots.length > LANES_MAX ? worstOf(events, slots) : slots);
  rows.push(...functionRows([...own], describe));
  if (own.size < slots.length) {
    const label = `${slots.length - own.size} more`;
    rows.push({ id: REST_LANE, kind: 'function', label, note: 'functions', depth: 0 });
  }
  for (const region of regions) rows.push(memoryRow(region, REGIONS[region] ?? region));
  if (others.length > 0) rows.push({ ...memoryRow('', 'other memory'), id: 'memory:' });
  const index = new Map(rows.map(({ id }, at) => [id, at]));
  const rest = (id: string) => index.get(id.startsWith('memory:') ? 'memory:' : REST_LANE) ?? 0;
  return { lanes: rows, laneOf: (id) => index.get(id) ?? rest(id) };
}

export const processorRow: Row = { id: 'cpu', kind: 'processor', label: 'processor', note: '', depth: 0 };

function memoryRow(region: string, label: string): Row {
  return { id: `memory:${region}`, kind: 'memory', label, note: '', depth: 0 };
}

function functionRows(slots: readonly Slot[], describe: (slot: Slot) => LaneWords): Row[] {
  const shown = new Set(slots);
  const paths = slots.map((slot) => {
    const { note, above } = describe(slot);
    return {
      slot,
      note,
      path: [...above].reverse().concat(slot),
      depth: above.filter((at) => shown.has(at)).length,
    };
  });
  paths.sort((a, b) => byPath(a.path, b.path));
  return paths.map(({ slot, note, depth }) => ({
    ...{ id: slot, kind: 'function' as const, label: shortSlot(slot), note, depth },
  }));
}

/** A bridge comes before what is below it. */
function byPath(a: readonly Slot[], b: readonly Slot[]): number {
  for (const [at, slot] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    const order = compareSlots(slot, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** The functions with the worst to tell, and of these the busiest. */
function worstOf(events: readonly SeenEvent[], slots: readonly Slot[]): Slot[] {
  const seen = new Map<string, { worst: number; count: number }>();
  for (const { lane, kind, count } of events) {
    const known = seen.get(lane) ?? { worst: 0, count: 0 };
    seen.set(lane, { worst: Math.max(known.worst, WORST.indexOf(kind)), count: known.count + count });
  }
  const of = (slot: Slot) => seen.get(slot) ?? { worst: 0, count: 0 };
  const order = (a: Slot, b: Slot) =>
    of(b).worst - of(a).worst || of(b).count - of(a).count || compareSlots(a, b);
  return [...slots].sort(order).slice(0, LANES_MAX);
}

/** When bus mastering of a row's function was off, by who turned it off and on. */
export function gatedSpans(marks: readonly StoryMark[], lane: number, { startMs, endMs }: Span): Span[] {
  const turns = marks
    .filter((mark) => mark.lane === lane && (mark.kind === 'gate' || mark.kind === 'open'))
    .sort((a, b) => a.startMs - b.startMs);
  const spans: Span[] = [];
  let since = turns[0]?.kind === 'open' ? startMs : null;
  for (const { kind, startMs: at } of turns) {
    if (kind === 'gate') since ??= at;
    else if (since !== null) {
      spans.push({ startMs: since, endMs: at });
      since = null;
    }
  }
  if (since !== null) spans.push({ startMs: since, endMs });
  return spans.slice(0, SPANS_MAX);
}

const SPANS_MAX = 100;
