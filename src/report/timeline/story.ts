/**
 * One jump as something to look at: plain data, fit for JSON. All times are in milliseconds from the jump, the moment
 * at which the old kernel was gone: what came before is negative. Texts are plain text of bounded length.
 */
export interface JumpStory {
  /** Of the scenario or the machine. */
  readonly name: string;
  readonly title: string;
  /** What it is about, in a few sentences; empty if nobody says. */
  readonly about: string;
  /** `sim` was simulated and every event has its time; `lab` was real, and known only from outside. */
  readonly source: 'sim' | 'lab';
  readonly path: 'normal' | 'crash';
  readonly policy: string;
  /** What that policy does, in words. */
  readonly policyWords: string;
  /** The worst first. */
  readonly verdicts: readonly StoryVerdict[];
  /** What the jump came to, in sentences. */
  readonly summary: string;
  readonly startMs: number;
  readonly endMs: number;
  /** How it ended: the processor may have stopped there. */
  readonly end: { readonly stuck: boolean; readonly text: string };
  readonly stages: readonly StoryStage[];
  readonly lanes: readonly StoryLane[];
  /** What is drawn: at most `MARKS_MAX`, by time. */
  readonly marks: readonly StoryMark[];
  /** What is told: at most `ENTRIES_MAX`, by time. */
  readonly entries: readonly StoryEntry[];
  readonly hits: readonly StoryHit[];
  /** What to know about this story before one believes it. */
  readonly notes: readonly string[];
}

export interface StoryVerdict {
  readonly verdict: string;
  readonly words: string;
}

/** One word for a part of a jump, as it stands in the picture. */
export interface StoryStage {
  readonly startMs: number;
  readonly endMs: number;
  readonly name: string;
  /** The same in words. */
  readonly text: string;
}

/** A row of the picture. */
export interface StoryLane {
  /** `cpu`, a function's slot, `memory:REGION` or `rest`. */
  readonly id: string;
  readonly kind: 'processor' | 'function' | 'memory';
  readonly label: string;
  /** Driver, device, or what the row stands for; may be empty. */
  readonly note: string;
  /** How many bridges with a row of their own are above it. */
  readonly depth: number;
  /** When its bus mastering was off, as far as that is known. */
  readonly gated: readonly Span[];
}

export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** What can be seen of a jump, the worst last: that is drawn on top. */
export const MARK_KINDS = {
  work: 'DMA that is wanted',
  interrupt: 'interrupt',
  config: 'other configuration write',
  driver: 'driver bound',
  dump: 'dump',
  refused: 'request refused: bus mastering is off',
  stopped: 'request stopped by the IOMMU',
  stray: 'DMA that nobody wants any more',
  open: 'bus mastering turned on',
  gate: 'bus mastering turned off',
  error: 'error reported',
  storm: 'interrupt line given up',
  lost: 'device or dump lost',
  hit: 'DMA into memory that is in use',
  hang: 'stuck',
} as const;
export type MarkKind = keyof typeof MARK_KINDS;

/** One event or, where many are close together, several of one kind in one lane. */
export interface StoryMark {
  /** Index in `lanes`. */
  readonly lane: number;
  readonly kind: MarkKind;
  readonly startMs: number;
  /** The same as `startMs` for a single event. */
  readonly endMs: number;
  readonly count: number;
  /** Of an event that stands for itself; empty for one of many. */
  readonly text: string;
}

/** A line of what happened. */
export interface StoryEntry {
  readonly ms: number;
  readonly kind: MarkKind | 'stage' | 'note';
  /** Who, shortened where it is many; empty for the processor. */
  readonly who: string;
  readonly text: string;
}

/** Memory that was in use and was written. */
export interface StoryHit {
  readonly region: string;
  readonly pages: number;
  readonly firstAddress: string;
  readonly writers: readonly string[];
  /** When it was first hit; `null` if nobody saw that. */
  readonly firstMs: number | null;
}

export const MARKS_MAX = 2000;
export const ENTRIES_MAX = 300;
/** Rows of the picture: those with the worst to tell have one of their own. */
export const LANES_MAX = 40;

/** Regions of memory as rows and in words, in the order of their rows. */
export const REGIONS: Readonly<Record<string, string>> = {
  image: 'next kernel’s image',
  initramfs: 'next kernel’s initramfs',
  'kernel-memory': 'next kernel’s memory',
  dump: 'the dump',
};

/** What a table has for a word from outside, which may be `__proto__`. */
export function lookup<T>(words: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(words, word) ? words[word] : undefined;
}

/** Milliseconds from the jump, with a sign and one digit. */
export function msText(ms: number): string {
  const rounded = Math.round(ms * 10) / 10;
  const text = Math.abs(rounded).toFixed(1);
  return rounded < 0 ? `−${text}` : rounded === 0 ? text : `+${text}`;
}

/** The stage that a moment belongs to; `undefined` outside of all. */
export function stageAt({ stages }: Pick<JumpStory, 'stages'>, ms: number): StoryStage | undefined {
  return stages.findLast((stage) => stage.startMs <= ms && ms <= stage.endMs);
}

/** Without the segment where that is 0, as lspci has it. */
export function shortSlot(slot: string): string {
  return slot.startsWith('0000:') ? slot.slice(5) : slot;
}
