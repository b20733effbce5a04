import type { Slot } from '../pci/slot.js';
import type { HangCause } from './hang.js';
import type { Owner } from './memory/memory.js';

/** Who wrote to configuration space. */
export type Writer = 'host' | 'stub' | 'old-kernel' | 'next-kernel';

export const WRITER_WORDS: Readonly<Record<Writer, string>> = {
  host: 'the policy',
  stub: 'the stub',
  'old-kernel': 'the old kernel',
  'next-kernel': 'the next kernel',
};

interface At {
  readonly tick: number;
}

/** A memory write of a device, when it lands or is refused. */
export interface DmaEvent extends At {
  readonly kind: 'dma';
  readonly slot: Slot;
  readonly address: number;
  readonly length: number;
  /** When the device sent it: posted writes are on their way for a while. */
  readonly sent: number;
  /** Of the page at that moment; `null` where there is no RAM. */
  readonly owner: Owner | null;
  /** The function that refused it: itself or a bridge above. `null` if it went through, or the IOMMU stopped it. */
  readonly refusedBy: Slot | null;
  /** The IOMMU had no translation for it. */
  readonly faulted: boolean;
}

/** Why a driver does not take a function: for a program, and in words. */
export interface BindProblem {
  readonly cause:
    | 'not-found'
    | 'wedged' // until its power goes off and on
    | 'busy' // it still works for somebody else
    | 'no-vector';
  readonly why: string;
}

/** What a line's interrupts do; messages are requests like others. Those that are said to be routine only a trace sees. */
export type InterruptEvent =
  /** A function began or ceased to pull its line. Routine. */
  | (At & { readonly kind: 'intx'; readonly slot: Slot; readonly line: number; readonly asserted: boolean })
  /** A pin sent an interrupt and set Remote IRR, for these who pull it. Routine if a kernel takes interrupts. */
  | (At & {
      readonly kind: 'irq-sent';
      readonly line: number;
      readonly slots: readonly Slot[];
      /** Since the one before was ended and the pin is still pulled. */
      readonly again: boolean;
      /** A kernel takes interrupts. */
      readonly heard: boolean;
    })
  /** A pin is pulled and sends nothing, since it waits for the end of an interrupt that no processor has. */
  | (At & { readonly kind: 'irq-held'; readonly line: number; readonly slots: readonly Slot[] })
  /** The processor takes a line's interrupt. Routine. */
  | (At & { readonly kind: 'irq-taken'; readonly line: number })
  /** The kernel ends what it took: Remote IRR is cleared. So many came in a row. Routine. */
  | (At & {
      readonly kind: 'irq-ended';
      readonly line: number;
      readonly count: number;
      readonly handled: boolean;
    })
  /** Interrupts are off from now on; these are in service, and these wait to be. Not told if there are none. */
  | (At & {
      readonly kind: 'irqs-off';
      readonly inService: readonly number[];
      readonly pending: readonly number[];
    })
  /** A kernel masked or unmasked a line for somebody. */
  | (At & {
      readonly kind: 'pin';
      readonly line: number;
      readonly masked: boolean;
      readonly for: Slot | 'timer';
      readonly by: Writer;
      readonly remoteIrr: boolean;
    })
  /** A kernel masked all pins, and ended them if `ended`; Remote IRR of these had been set. */
  | (At & {
      readonly kind: 'pins-masked';
      readonly by: Writer;
      readonly ended: boolean;
      readonly remoteIrr: readonly number[];
    })
  /** `disable_irq_nosync` for a function: of its line, a message's vector (its slot), which others may share. */
  | (At & {
      readonly kind: 'irq-disabled';
      readonly slot: Slot;
      readonly irq: number | Slot;
      readonly sharers: readonly (Slot | 'timer')[];
    })
  /** `end` for a function's interrupt, and the line that this ended; `null` for none. */
  | (At & {
      readonly kind: 'end-called';
      readonly slot: Slot;
      readonly irq: number | Slot;
      readonly ended: number | null;
      /** Of its own line, afterwards. */
      readonly remoteIrr: boolean;
    })
  /** The line was given up: nobody cared. */
  | (At & { readonly kind: 'line-disabled'; readonly line: number; readonly slots: readonly Slot[] });

/** Something that happened in the machine, for those who watch it from outside. */
export type SimEvent =
  | DmaEvent
  /** A read request that is on its way to be answered. */
  | (At & { readonly kind: 'read'; readonly slot: Slot })
  /** A read request that did not pass. */
  | (At & {
      readonly kind: 'read-refused';
      readonly slot: Slot;
      readonly refusedBy: Slot | null;
      readonly faulted: boolean;
    })
  /** A message interrupt, when it arrives or is refused; `count` of them at once. */
  | (At & {
      readonly kind: 'message';
      readonly slot: Slot;
      readonly count: number;
      /** When the device sent it. */
      readonly sent: number;
      readonly refusedBy: Slot | null;
    })
  | (At & {
      readonly kind: 'config-write';
      readonly slot: Slot;
      readonly offset: number;
      readonly width: number;
      readonly before: number;
      readonly after: number;
      readonly by: Writer;
    })
  /** An uncorrectable error that `slot` found and reported; `cause` is whose request it was. */
  | (At & {
      readonly kind: 'error';
      readonly slot: Slot;
      readonly cause: Slot;
      readonly what: 'unsupported-request' | 'poisoned' | 'unexpected-completion' | 'completion-timeout';
      readonly reaction: 'nothing' | 'logged' | 'nmi' | 'hang';
    })
  | InterruptEvent
  /** The interrupt controller itself wrote to memory. */
  | (At & { readonly kind: 'platform-write'; readonly address: number; readonly owner: Owner | null })
  /** A driver was bound, or could not be. */
  | (At & {
      readonly kind: 'bound';
      readonly slot: Slot;
      readonly driver: string;
      /** Why not; `null` if it is. */
      readonly problem: BindProblem | null;
    })
  /** A device of the kernel's was served: data or an interrupt of it arrived. Told once a function and kernel. */
  | (At & { readonly kind: 'served'; readonly slot: Slot })
  /** What becomes of the dump; `target` is the function that it is saved to, if that is known. */
  | (At & { readonly kind: 'dump'; readonly target: Slot | null; readonly text: string })
  /** The processor stopped. */
  | (At & {
      readonly kind: 'hung';
      readonly on: string;
      readonly slots: readonly string[];
      readonly cause: HangCause;
    })
  | (At & { readonly kind: 'stage'; readonly text: string });

export type Observer = (event: SimEvent) => void;
