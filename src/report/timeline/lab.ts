import { PCI_COMMAND_MASTER } from '../../pci/regs.js';
import { counted } from '../jump-words.js';
import { bounded } from './entries.js';
import type { LabRun } from './lab-run.js';
import { gatedSpans, processorRow } from './lanes.js';
import { mergeMarks } from './merge.js';
import {
  type JumpStory,
  LANES_MAX,
  lookup,
  MARKS_MAX,
  type MarkKind,
  type StoryEntry,
  type StoryLane,
  type StoryMark,
  type StoryStage,
  shortSlot,
} from './story.js';

const OUTCOMES: Readonly<Record<string, string>> = {
  clean: 'nothing landed in memory after the next kernel had started',
  stray: 'writes landed in memory after the next kernel had started',
  'irq-storm': 'the next kernel gave up an interrupt line',
  faulted: 'an error report or an IOMMU fault: something was still at work',
  oops: 'the next kernel complained of itself',
  'not-restored': 'restore did not give every byte back',
  crippled: 'the next kernel came up and could not use a device, or had no /proc/vmcore',
  unrecorded: 'the stub left no flight record that holds',
  unproven: 'nothing landed, but the master was not seen at work before the jump',
  stuck: 'the next kernel did not come up',
};
const POLICIES: Readonly<Record<string, string>> = {
  none: 'nobody clears a bus-master bit but the kernel itself',
  ours: 'apply before a normal jump, the stub between the kernels at a crash',
  between: 'the stub between the kernels',
};
/** Complaints of a kernel that have a mark of their own. */
const PROBLEMS: Readonly<Record<string, MarkKind>> = {
  'nobody-cared': 'storm',
  aer: 'error',
  'dmar-fault': 'stopped',
};
const MASTERS: Readonly<Record<string, string>> = {
  frames: 'the card, by marked frames',
  edu: 'the edu device',
};
/** Where nobody wrote down when it was, what was before the jump is drawn this long. */
const BEFORE_MS = 500;
/** And where nothing came after it, so long is waited for. */
const UNKNOWN_MS = 5000;
const SETTLE_SHARE = 0.35;
const MASTER_ROW = 'master';
const NOT_UP = 'the next kernel did not come up';
/** Of the uptime that begins a line of a kernel's console. */
const UPTIME = /^\[\s*(\d+\.\d+)\]/;

/** Moments of a jump, in milliseconds from its start; `null` for what never came. */
interface Moments {
  readonly startMs: number;
  readonly firstMs: number | null;
  readonly readyMs: number | null;
  readonly endMs: number;
}

/** What is told, and drawn if it has a row. */
interface Seen {
  readonly kind: StoryEntry['kind'];
  readonly ms: number;
  readonly who: string;
  readonly text: string;
  readonly row?: string;
  /** Drawn until then. Default: `ms`. */
  readonly untilMs?: number;
  readonly count?: number;
}

/**
 * The story of a jump of a real Linux. It was watched from outside: of some things it is only known that they happened
 * between two moments.
 */
export function labStory(run: LabRun): JumpStory {
  const { jump, next } = run;
  const moments = momentsOf(run);
  const { startMs, endMs } = moments;
  const rows = rowsOf(run);
  const stages = stagesOf(run, moments);
  const gates = gatesSeen(run, moments);
  const seen: Seen[] = [
    ...stages.map(({ startMs: ms, text }) => ({ kind: 'stage' as const, ms, who: '', text })),
    ...gates,
    ...masterSeen(run, moments, gates.length > 0),
    ...consoleSeen(run, moments),
    ...endSeen(run, moments),
  ];
  const marks = marksOf(seen, rows);
  const entries = seen.map(({ kind, ms, who, text }) => ({ kind, ms, who, text }));
  return {
    ...{ name: run.scenario, title: run.title, about: '', source: 'lab', path: jump, policy: run.policy },
    policyWords: lookup(POLICIES, run.policy) ?? '',
    verdicts: [{ verdict: run.outcome, words: lookup(OUTCOMES, run.outcome) ?? '' }],
    summary: summaryOf(run),
    ...{ startMs, endMs, stages },
    end: { stuck: !next.up, text: next.up ? '' : NOT_UP },
    lanes: rows.map((row, at) => ({ ...row, gated: gatedSpans(marks, at, { startMs, endMs }) })),
    marks,
    entries: bounded(entries.sort((a, b) => a.ms - b.ms)),
    hits: [],
    notes: [
      'A real Linux in QEMU, watched from outside: writes are counted from one moment to the next, and drawn as bars between these.',
    ],
  };
}

function momentsOf({ next, apply }: LabRun): Moments {
  const firstMs = next.toFirstLineS === null ? null : next.toFirstLineS * 1000;
  const readyMs = next.toReadyS === null || firstMs === null ? null : Math.max(firstMs, next.toReadyS * 1000);
  const startMs = -(BEFORE_MS + (apply ? apply.seconds * 1000 : 0));
  return { startMs, firstMs, readyMs, endMs: (readyMs ?? firstMs ?? UNKNOWN_MS) * (1 + SETTLE_SHARE) };
}

function marksOf(seen: readonly Seen[], rows: readonly Omit<StoryLane, 'gated'>[]): readonly StoryMark[] {
  const marks = seen.flatMap(({ kind, ms, untilMs = ms, count = 1, text, row }): StoryMark[] => {
    const lane = rows.findIndex(({ id }) => id === row);
    if (lane < 0 || kind === 'stage' || kind === 'note') return [];
    return [{ lane, kind, startMs: ms, endMs: untilMs, count, text }];
  });
  // Bars that meet are two counts: they stay apart as long as there is room.
  if (marks.length > MARKS_MAX) return mergeMarks(marks);
  return marks.sort((a, b) => a.startMs - b.startMs);
}

/** Who was gated. When, is only known to lie between two moments: it is drawn at the later one. */
function gatesSeen({ apply, flight, functions }: LabRun, { firstMs }: Moments): Seen[] {
  const seen: Seen[] = [];
  const [from, to] = apply ? [-apply.seconds * 1000, 0] : [0, firstMs ?? 0];
  if (apply) {
    const gated = counted(apply.gated, 'function', 'functions');
    const text = `apply, from userspace: ${gated} gated, ${apply.live} left live`;
    seen.push({ kind: 'gate', ms: from, who: '', text });
  }
  if (flight) {
    const took = flight.milliseconds === null ? '' : ` in ${flight.milliseconds} ms`;
    const all = counted(flight.functions, 'function', 'functions');
    const text = `the stub (${flight.end}): ${all} seen, ${flight.gated} gated${took}`;
    seen.push({ kind: 'gate', ms: 0, who: '', text });
  }
  for (const { slot, before, after } of functions) {
    if (masters(before) !== true || masters(after) !== false) continue;
    const text = `Command ${before?.command} before, ${after?.command} as the next kernel found it: bus mastering is off`;
    const when = `some time from ${Math.round(from)} to ${Math.round(to)} ms`;
    seen.push({ kind: 'gate', ms: to, who: shortSlot(slot), text: `${text} (${when})`, row: slot });
  }
  return seen;
}

/** What was asked of the master, and what of that landed; only with a gate is it known why not. */
function masterSeen({ stray }: LabRun, moments: Moments, gated: boolean): Seen[] {
  const { startMs, firstMs, readyMs, endMs } = moments;
  if (stray.of === null) return [];
  const who = lookup(MASTERS, stray.of) ?? stray.of;
  const master = { who, row: MASTER_ROW } as const;
  const seen: Seen[] = [];
  if (stray.aliveBefore)
    seen.push({ kind: 'work', ms: startMs, ...master, untilMs: 0, text: 'is seen at work' });
  const spans = [
    { ms: 0, untilMs: firstMs, ...stray.during, first: '' },
    {
      ms: firstMs,
      untilMs: readyMs ?? endMs,
      sent: stray.sent,
      landed: stray.landed,
      first: stray.first ?? '',
    },
    { ms: readyMs, untilMs: endMs, ...stray.later, first: '' },
  ];
  for (const { ms, untilMs, sent, landed, first } of spans) {
    if (ms === null || untilMs === null || sent === 0) continue;
    const all = counted(sent, 'write that was asked for', 'writes that were asked for');
    const lost = sent - landed;
    const place = first === '' ? '' : `, the first at ${first}`;
    const landing = { text: `${landed} of ${all} landed in memory${place}`, count: landed } as const;
    if (landed > 0) seen.push({ kind: 'stray', ms, untilMs, ...master, ...landing });
    const refused = { text: `${lost} of ${all} did not land`, count: lost } as const;
    if (lost > 0) seen.push({ kind: gated ? 'refused' : 'note', ms, untilMs, ...master, ...refused });
  }
  return seen;
}

function consoleSeen({ console: complaints }: LabRun, { startMs, firstMs, endMs }: Moments): Seen[] {
  return complaints.map(({ problem, line }) => {
    const uptimeMs = Number(UPTIME.exec(line)?.[1] ?? 0) * 1000;
    const ms = Math.min(endMs, Math.max(startMs, (firstMs ?? 0) + uptimeMs));
    return { kind: lookup(PROBLEMS, problem) ?? 'error', ms, who: 'console', text: line, row: 'cpu' };
  });
}

function endSeen({ uses, next }: LabRun, { endMs: ms }: Moments): Seen[] {
  const cpu = { ms, who: '', row: 'cpu' } as const;
  const used = [
    { works: uses.network, what: 'the network card' },
    { works: uses.vmcore, what: 'the dump, /proc/vmcore' },
  ].flatMap(({ works, what }): Seen[] => {
    if (works === null) return [];
    const text = `the next kernel ${works ? 'can' : 'cannot'} use ${what}`;
    return [works ? { kind: 'note', ms, who: '', text } : { ...cpu, kind: 'lost', text }];
  });
  if (next.up) return used;
  const text = next.ended === null ? NOT_UP : `it ended there: ${next.ended}`;
  return [...used, { ...cpu, kind: 'hang', text }];
}

function masters(one: LabRun['functions'][number]['before']): boolean | null {
  return one && (Number.parseInt(one.command, 16) & PCI_COMMAND_MASTER) !== 0;
}

function stagesOf(
  { jump, kernel, flight }: LabRun,
  { startMs, firstMs, readyMs, endMs }: Moments,
): StoryStage[] {
  const stub = flight ? ', the stub' : '';
  const begins =
    jump === 'crash'
      ? `the old kernel panics; purgatory${stub}`
      : `the old kernel shuts down; purgatory${stub}`;
  const cuts = [
    { startMs, name: 'old kernel', text: `the old kernel runs (${kernel.release})` },
    { startMs: 0, name: 'the jump', text: `${begins}, decompress` },
    ...(firstMs === null
      ? []
      : [{ startMs: firstMs, name: 'next kernel boots', text: 'the first line of the next kernel' }]),
    ...(readyMs === null ? [] : [{ startMs: readyMs, name: 'running', text: 'its first process runs' }]),
  ];
  return cuts
    .map((stage, at) => ({ ...stage, endMs: cuts[at + 1]?.startMs ?? endMs }))
    .filter((stage) => stage.endMs > stage.startMs);
}

function rowsOf({ functions, stray }: LabRun): Omit<StoryLane, 'gated'>[] {
  const turned = functions.filter(({ before, after }) => masters(before) && masters(after) !== null);
  return [
    processorRow,
    ...(stray.of === null
      ? []
      : [{ id: MASTER_ROW, kind: 'function' as const, label: stray.of, note: 'DMA asked for', depth: 0 }]),
    ...turned.slice(0, LANES_MAX).map(({ slot, before }) => ({
      ...{ id: slot as string, kind: 'function' as const, label: shortSlot(slot) },
      ...{ note: before?.driver ?? 'no driver', depth: 0 },
    })),
  ];
}

function summaryOf({ stray, next, console: complaints }: LabRun): string {
  const parts: string[] = [];
  if (!next.up) parts.push('The next kernel did not come up.');
  if (stray.of !== null) {
    const asked = counted(stray.sent + stray.later.sent, 'write that was', 'writes that were');
    const landed = stray.landed + stray.later.landed;
    parts.push(`${landed} of ${asked} asked for after the next kernel’s first line landed in memory.`);
  }
  const [first] = complaints;
  if (first) parts.push(`It complains: ${first.line}`);
  return parts.join(' ') || 'The next kernel runs, and complains of nothing.';
}
