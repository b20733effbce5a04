import type { Machine } from '../host/scan.js';
import type { PciNames } from '../pci/pci-ids.js';
import { compareSlots, type Slot } from '../pci/slot.js';
import type { Decider } from '../quiesce/decide.js';
import type { JumpResult, StrayWrite, TimelineEntry } from '../sim/jump/result.js';
import type { PlaceRecord } from '../sim/policies/play.js';
import { TICKS_PER_MS } from '../sim/ticks.js';
import { counted, someSlots, whyLive } from './jump-words.js';
import { paragraph, type Style, table } from './table.js';

/** What one function did to memory after a jump. */
export interface JumpWriter {
  readonly slot: Slot;
  readonly count: number;
  readonly firstAddress: number;
  /** What it hit that somebody used: the image, the dump, … */
  readonly broke: readonly string[];
}

/** The writes of a jump by the function that made them, in slot order. */
export function writersOf(writes: readonly StrayWrite[]): JumpWriter[] {
  const writers = new Map<Slot, JumpWriter & { readonly broke: string[] }>();
  for (const { slot, address, broke } of writes) {
    const known = writers.get(slot) ?? { slot, count: 0, firstAddress: address, broke: [] };
    if (broke !== null && !known.broke.includes(broke)) known.broke.push(broke);
    writers.set(slot, { ...known, count: known.count + 1 });
  }
  return [...writers.values()].sort((a, b) => compareSlots(a.slot, b.slot));
}

export function writersTable(
  writers: readonly JumpWriter[],
  machine: Machine,
  names: PciNames,
  style: Style,
): string {
  const rows = writers.map(({ slot, count, firstAddress, broke }) => {
    const fn = machine.topology.nodes.get(slot)?.function;
    const what = broke.length > 0 ? broke.join(', ') : 'unused memory';
    return [
      slot,
      String(count),
      `0x${firstAddress.toString(16)}`,
      what,
      fn ? names.device(fn.vendor, fn.device) : '',
    ];
  });
  const columns = [{ title: 'slot' }, { title: 'writes' }, { title: 'first at' }, { title: 'hit' }];
  return table([...columns, { title: 'device', flexible: 'cut' }], rows, style);
}

/** As much of a result as says what a jump came to: of one that was recorded, too. */
export interface Outcome {
  readonly verdict: string;
  readonly stuckOn: { readonly on: string; readonly slots: readonly string[] } | null;
  readonly corrupted: readonly { readonly region: string }[];
  readonly dump: {
    readonly pages: number;
    readonly problem: string | null;
    readonly torn: readonly unknown[];
  } | null;
  readonly storms: readonly { readonly line: number; readonly slots: readonly string[] }[];
  readonly lost: readonly { readonly slot: string; readonly driver: string; readonly why: string }[];
  readonly faults: readonly { readonly slot: string; readonly count: number }[];
  readonly wantedLost: readonly { readonly slot: string; readonly by: string; readonly count: number }[];
}

/** What a jump came to, in sentences. */
export function whatBroke(result: Outcome): string {
  const { corrupted, storms, dump, stuckOn, lost, faults, wantedLost, verdict } = result;
  const parts: string[] = [];
  const nextKernel = corrupted.filter(({ region }) => region !== 'dump');
  if (stuckOn !== null) parts.push(`The processor is stuck: ${stuckWords(stuckOn)}.`);
  if (nextKernel.length > 0)
    parts.push(
      `${counted(nextKernel.length, 'page of the next kernel is', 'pages of the next kernel are')} not what it put there.`,
    );
  if (dump && dump.torn.length > 0) {
    parts.push(
      `${dump.torn.length} of ${counted(dump.pages, 'page', 'pages')} changed while the dump was saved: it shows no one moment.`,
    );
  }
  if (dump && dump.problem !== null) parts.push(`There is no dump: ${dump.problem}.`);
  for (const { line, slots } of storms)
    parts.push(`Interrupt line ${line} was given up (nobody cared): ${slots.join(', ')}.`);
  for (const { slot, driver, why } of lost) parts.push(`${slot} is lost to ${driver}: ${why}.`);
  for (const { slot, count } of faults)
    parts.push(`The IOMMU stopped ${counted(count, 'request', 'requests')} of ${slot}.`);
  for (const { slot, by, count } of wantedLost) {
    const why = by === slot ? 'its own bus mastering is off' : `bus mastering of ${by} above it is off`;
    parts.push(`The DMA of ${slot} was wanted, and ${count === 0 ? 'no longer comes' : why}.`);
  }
  if (parts.length > 0) return parts.join(' ');
  return verdict === 'clean'
    ? 'The next kernel is clean: nothing of it, nor of the dump, was hit.'
    : `The verdict is ${verdict}.`;
}

/** What it is stuck on, with those who had a part in it and are not named anyway. @internal */
export function stuckWords({
  on,
  slots,
}: {
  readonly on: string;
  readonly slots: readonly string[];
}): string {
  const unnamed = slots.filter((slot) => !on.includes(slot));
  return unnamed.length === 0 ? on : `${on} (${unnamed.join(', ')})`;
}

/** What ours says it did in one place, and what it left live and why. */
export function recordText(record: PlaceRecord, result: JumpResult, decide: Decider, style: Style): string {
  const { place, end, functions, tick } = record;
  const gated = functions.filter(({ verdict }) => verdict === 'gated' || verdict === 'stopped').length;
  const live = functions.filter(({ verdict }) => verdict === 'live');
  const told = `${counted(functions.length, 'function', 'functions')} in its record`;
  const head = `Ours ${place}, ${end} at ${milliseconds(tick, result)} ms: ${told}, ${gated} gated, ${live.length} left live${live.length > 0 ? ':' : '.'}`;
  const why = new Map<string, Slot[]>();
  for (const claim of live) {
    const words = whyLive(claim, decide);
    why.set(words, [...(why.get(words) ?? []), claim.slot]);
  }
  const lines = [...why].map(([words, slots]) => paragraph(`${someSlots(slots)}: ${words}`, 2, style));
  return [paragraph(head, 0, style), ...lines].join('\n');
}

/** In milliseconds from the start of the jump. */
export function msFromStart(tick: number, { startTick }: Pick<JumpResult, 'startTick'>): number {
  return (tick - startTick) / TICKS_PER_MS;
}

export function milliseconds(tick: number, result: Pick<JumpResult, 'startTick'>): string {
  return msFromStart(tick, result).toFixed(1);
}

const ENTRIES_MAX = 60;
const SLOTS_NAMED = 2;

/** What happened, line by line, condensed to what a person can follow. `all` is the flag that shows the rest. */
export function timelineText(result: JumpResult, style: Style, all = '--trace'): string {
  const entries = [...condensed(result.timeline), ...wantedEntries(result)];
  const shown = entries.length <= ENTRIES_MAX ? entries : middleOut(entries, all);
  const rows = shown.map(({ tick, slots, text }) => [
    tick === null ? '' : milliseconds(tick, result),
    named(slots),
    text,
  ]);
  const columns = [{ title: 'ms' }, { title: 'function' }, { title: '', flexible: 'wrap' as const }];
  return table(columns, rows, style);
}

interface Entry {
  readonly tick: number | null;
  readonly slots: readonly Slot[];
  readonly text: string;
}

/** Nothing happens at the moment in which what should go on does not: it is known at the end. */
function wantedEntries({ wantedLost, endTick }: JumpResult): Entry[] {
  return wantedLost.map(({ slot, by, count }) => {
    const refused =
      count === 0
        ? 'none of it came any more'
        : `${counted(count, 'request was', 'requests were')} refused, by ${by === slot ? 'its own BME' : `${by} above it`}`;
    return { tick: endTick, slots: [slot], text: `its DMA was wanted and is lost: ${refused}` };
  });
}

/** The same said of several functions between two stages is one line. */
function condensed(timeline: readonly TimelineEntry[]): Entry[] {
  const entries: (Entry & { readonly slots: Slot[] })[] = [];
  let since = 0;
  for (const { tick, slot, text: said, times = 1 } of timeline) {
    const text = times > 1 ? `${said} (${times} times)` : said;
    if (slot === null) since = entries.length;
    const same = entries.slice(since).find((entry) => entry.text === text && entry.slots.length > 0);
    if (slot !== null && same) {
      if (!same.slots.includes(slot)) same.slots.push(slot);
    } else {
      entries.push({ tick, slots: slot === null ? [] : [slot], text });
    }
  }
  return entries;
}

/** The beginning and the end: what is in between can be had with --trace. */
function middleOut(entries: readonly Entry[], all: string): Entry[] {
  const half = ENTRIES_MAX / 2;
  const left = entries.length - 2 * half;
  const gap: Entry = { tick: null, slots: [], text: `… ${left} more; ${all} shows them` };
  return [...entries.slice(0, half), gap, ...entries.slice(-half)];
}

function named(slots: readonly Slot[]): string {
  if (slots.length <= SLOTS_NAMED) return slots.map(shortSlot).join(' ');
  return someSlots(slots.map(shortSlot));
}

/** Without the segment where that is 0, as lspci. */
function shortSlot(slot: Slot): string {
  return slot.startsWith('0000:') ? slot.slice(5) : slot;
}
