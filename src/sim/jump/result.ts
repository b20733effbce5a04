import type { Slot } from '../../pci/slot.js';
import type { JumpPath } from '../../quiesce/findings.js';
import type { BindProblem } from '../events.js';
import type { HangCause } from '../hang.js';
import type { Owner } from '../memory/memory.js';

/** How far a jump came, in order. */
export const STAGES = [
  'before', // the old kernel's userspace
  'shutdown', // device_shutdown
  'panic',
  'copy', // the next kernel is copied to its place
  'purgatory', // checks what was loaded
  'stub',
  'decompress',
  'early', // the next kernel's first instructions, interrupts off
  'enumerate',
  'initramfs',
  'after', // the initramfs before its drivers
  'drivers',
  'running',
  'reboot', // of a capture kernel that has saved its dump
] as const;
export type Stage = (typeof STAGES)[number];

/** What a stray write or a changed page belongs to. */
export type Region = 'image' | 'initramfs' | 'kernel-memory' | 'dump';

/** What each verdict means, the worst first: the verdict of a jump is the first that applies. */
export const VERDICT_MEANINGS = {
  hung: 'the processor stopped',
  corrupted: 'pages of the next kernel, or of the dump while it was saved, are not what they should be',
  'irq-storm': 'an interrupt line was given up',
  'device-lost': 'a function that the next kernel has a driver for does not work',
  faulted: 'the IOMMU had to stop DMA after the next kernel took over',
  'wanted-dma-lost': 'a function whose DMA was to go on was stopped',
  clean: 'none of these',
} as const;
export type JumpVerdict = keyof typeof VERDICT_MEANINGS;
export const JUMP_VERDICTS = Object.keys(VERDICT_MEANINGS) as readonly JumpVerdict[];

/** A write that went through after the jump, by a function that still worked for the old kernel or for nobody. */
export interface StrayWrite {
  readonly tick: number;
  readonly slot: Slot;
  readonly address: number;
  readonly length: number;
  /** Of the page when it was hit; `null` where there is no RAM. */
  readonly owner: Owner | null;
  /** `null` if nobody used that memory then. */
  readonly broke: Region | null;
}

export interface RefusedWrites {
  readonly slot: Slot;
  /** The function itself, or a bridge above it. */
  readonly by: Slot;
  readonly count: number;
}

/** Found by comparing what memory holds, not by watching the writes. */
export interface CorruptedPage {
  readonly address: number;
  readonly region: Region;
  /** Whose memory it was when it was first hit; `null` if nobody was seen to. */
  readonly owner: Owner | null;
  /** Functions, or `platform` for the interrupt controller. */
  readonly writers: readonly (Slot | 'platform')[];
  readonly firstTick: number | null;
}

/** What became of the dump that a capture kernel saved. */
export interface DumpResult {
  /** Saved so far; without a target, read so far. */
  readonly pages: number;
  /** All of it. */
  readonly complete: boolean;
  /** The function that it was to be saved to; `null` where the machine's description names none. */
  readonly target: Slot | null;
  /** Why there is no dump, as words after "no dump:"; `null` if nothing stood in the way. */
  readonly problem: string | null;
  /** Changed between the start and the end of saving, so that the dump mixes two times. */
  readonly torn: readonly CorruptedPage[];
}

export interface IrqStorm {
  readonly line: number;
  /** Those that went on asserting it. */
  readonly slots: readonly Slot[];
  readonly tick: number;
}

export interface LostDevice {
  readonly slot: Slot;
  readonly driver: string;
  readonly cause: BindProblem['cause'] | 'not-tried' | 'line-given-up' | 'never-served';
  /** The cause in words. */
  readonly why: string;
}

export interface FaultCount {
  readonly slot: Slot;
  readonly count: number;
}

export interface TimelineEntry {
  readonly tick: number;
  readonly slot: Slot | null;
  readonly text: string;
  /** How often it happened, where that is counted. */
  readonly times?: number;
}

export interface JumpResult {
  readonly path: JumpPath;
  readonly verdict: JumpVerdict;
  /** All that apply, the worst first; `clean` alone if none does. */
  readonly verdicts: readonly JumpVerdict[];
  readonly reached: Stage;
  /** What stopped it there; `null` if it ran to its end. `slots` are functions that had a part in it. */
  readonly stuckOn: {
    readonly on: string;
    readonly slots: readonly string[];
    readonly cause: HangCause | 'not-as-loaded';
  } | null;
  readonly writes: readonly StrayWrite[];
  readonly refused: readonly RefusedWrites[];
  readonly corrupted: readonly CorruptedPage[];
  readonly storms: readonly IrqStorm[];
  readonly lost: readonly LostDevice[];
  /** Requests that the IOMMU stopped after the next kernel took over. */
  readonly faults: readonly FaultCount[];
  /** Wanted DMA that was refused, or, with a count of 0, of which nothing came once the next kernel ran. */
  readonly wantedLost: readonly RefusedWrites[];
  readonly interruptsUnclaimed: number;
  /** On the crash path, if it came that far. */
  readonly dump: DumpResult | null;
  readonly timeline: readonly TimelineEntry[];
  /** The moment at which the old kernel was gone; the end of the drivers' binding, or `null`; and the end. */
  readonly jumpTick: number;
  readonly runningTick: number | null;
  readonly startTick: number;
  readonly endTick: number;
}
