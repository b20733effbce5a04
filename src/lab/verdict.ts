import type { GuestApply } from './guest-apply.js';
import type { FunctionChange } from './guest-pci.js';
import type { ConsoleFinding } from './judge.js';
import type { KexecLoad, LabOutcome, LabPolicy } from './scenario.js';

/** Writes that were asked for after the next kernel had started, and those that landed in memory. */
export interface StrayCount {
  /** What was counted: frames, or DMA by `edu`; `null` where the scenario has no oracle of its own. */
  readonly of: 'frames' | 'edu' | null;
  readonly sent: number;
  readonly landed: number;
  /** Of those, physical address of the first; `0x…`, or `null`. */
  readonly first: string | null;
  /** The same between the jump's start and the next kernel's first line, when both kernels could be at work. */
  readonly during: { readonly sent: number; readonly landed: number };
  /** The same once the next kernel's first process ran. */
  readonly later: { readonly sent: number; readonly landed: number };
  /** The master was seen at work before the jump: without that, silence proves nothing. */
  readonly aliveBefore: boolean;
}

/** The flight record in short; the whole of it is flight.bin in the run's folder. */
export interface GuestFlight {
  readonly end: string;
  readonly summary: boolean;
  readonly functions: number;
  readonly gated: number;
  readonly failed: number;
  readonly accesses: number;
  readonly milliseconds: number | null;
  /** QEMU's trace has the writes that the record tells of, one after the other, and no others among them. */
  readonly traceAgrees: boolean;
}

/** What `shootdown lab run --json` prints, and what lies in a run's folder as verdict.json. */
export interface LabVerdict {
  readonly schema: 'shootdown.lab-run/1';
  readonly scenario: string;
  readonly title: string;
  readonly jump: 'normal' | 'crash';
  readonly policy: LabPolicy;
  readonly load: KexecLoad;
  readonly kernel: { readonly series: string; readonly release: string; readonly version: string };
  readonly outcome: LabOutcome;
  readonly stray: StrayCount;
  readonly next: {
    readonly up: boolean;
    readonly release: string | null;
    /**
     * What happened instead, where it did not come up: the guest ended QEMU, in QEMU's word (`guest-reset` after a
     * panic), or `another-kernel` is there. `null` where it came up, and where it hangs.
     */
    readonly ended: string | null;
    /** From the jump's start, in seconds of this machine's clock; `null` if that never came. */
    readonly toFirstLineS: number | null;
    /** That, and the next kernel's own time until its first process ran: searching memory halts the machine. */
    readonly toReadyS: number | null;
  };
  /** What the next kernel could do with the machine; `null` where it was not asked. */
  readonly uses: {
    /** The card answered once its driver was loaded. */
    readonly network: boolean | null;
    /** /proc/vmcore is there, and an ELF file. */
    readonly vmcore: boolean | null;
  };
  /** Complaints of the next kernel. */
  readonly console: readonly ConsoleFinding[];
  readonly functions: readonly FunctionChange[];
  /** With ours before the jump. */
  readonly apply: GuestApply | null;
  /** With a wrapped kernel: what its stub wrote down. */
  readonly flight: GuestFlight | null;
  readonly seconds: { readonly boot: number; readonly total: number };
  readonly folder: string;
}
