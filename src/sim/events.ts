import type { Slot } from '../pci/slot.js';
import type { Owner } from './memory.js';

/** Something that happened in the machine, for those who watch it from outside. */
export type SimEvent =
  | {
      readonly kind: 'dma';
      readonly tick: number;
      readonly slot: Slot;
      readonly address: number;
      readonly length: number;
      /** Of the page at that moment; `null` where there is no RAM. */
      readonly owner: Owner | null;
      /** The function that refused it: itself or a bridge above. `null` if it went through. */
      readonly refusedBy: Slot | null;
    }
  | {
      readonly kind: 'message';
      readonly tick: number;
      readonly slot: Slot;
      readonly refusedBy: Slot | null;
    }
  | {
      readonly kind: 'config-write';
      readonly tick: number;
      readonly slot: Slot;
      readonly offset: number;
      readonly width: number;
      readonly before: number;
      readonly after: number;
    }
  /** The interrupt line was given up: nobody cared. */
  | {
      readonly kind: 'line-disabled';
      readonly tick: number;
      readonly line: number;
      readonly slots: readonly Slot[];
    }
  | { readonly kind: 'stage'; readonly tick: number; readonly text: string };

export type Observer = (event: SimEvent) => void;
