import type { Slot } from '../pci/slot.js';
import type { JumpPath } from '../quiesce/findings.js';
import type { Owner } from './memory.js';

/** How far the next kernel came, in order. */
export type Stage =
  | 'shutdown'
  | 'copy'
  | 'purgatory'
  | 'stub'
  | 'decompress'
  | 'enumerate'
  | 'initramfs'
  | 'drivers'
  | 'running';

/** What a stray write or a changed page belongs to. */
export type Region = 'image' | 'initramfs' | 'kernel-memory' | 'dump';

export type JumpVerdict =
  | 'clean'
  | 'corrupted' // pages of the next kernel are not what it put there
  | 'irq-storm' // an interrupt line had to be given up
  | 'dump-torn'; // memory changed while the dump was saved: it shows no one moment

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
  readonly writers: readonly Slot[];
  readonly firstTick: number | null;
}

/** What became of the dump that a capture kernel saved. */
export interface DumpResult {
  /** Saved so far. */
  readonly pages: number;
  readonly complete: boolean;
  /** Changed between the start and the end of saving, so that the dump mixes two times. */
  readonly torn: readonly CorruptedPage[];
  /** Saved with other content than at the panic, be it only because something was still on its way. */
  readonly late: number;
}

export interface IrqStorm {
  readonly line: number;
  /** Those that went on asserting it. */
  readonly slots: readonly Slot[];
  readonly tick: number;
}

export interface TimelineEntry {
  readonly tick: number;
  readonly slot: Slot | null;
  readonly text: string;
}

export interface JumpResult {
  readonly path: JumpPath;
  readonly verdict: JumpVerdict;
  readonly reached: Stage;
  /** Why it went no further; `null` if it runs. */
  readonly stuckOn: string | null;
  readonly writes: readonly StrayWrite[];
  readonly refused: readonly RefusedWrites[];
  readonly corrupted: readonly CorruptedPage[];
  /** Image and initramfs were what had been loaded, each time somebody looked. */
  readonly checksumOk: boolean;
  readonly interruptsUnclaimed: number;
  readonly storms: readonly IrqStorm[];
  /** On the crash path, if it came that far. */
  readonly dump: DumpResult | null;
  readonly timeline: readonly TimelineEntry[];
  /** The moment at which the old kernel was gone, and the end. */
  readonly jumpTick: number;
  readonly endTick: number;
}
