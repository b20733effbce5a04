import type { QemuMachine } from './machine.js';

/** What is done about the functions before or between the kernels; `none` shows what the kernel itself does. */
export type LabPolicy = 'none' | 'ours' | 'between';
export const LAB_POLICIES: readonly LabPolicy[] = ['none', 'ours', 'between'];

/** Where a policy acts: `ours` is `apply` before a normal jump, and the stub, which is all there can be, at a crash. */
export function placeOf(policy: LabPolicy, jump: Scenario['jump']): 'before' | 'between' | null {
  if (policy === 'none') return null;
  return policy === 'ours' && jump === 'normal' ? 'before' : 'between';
}

/** What a kernel is wrapped for: `any` machine, before the guest is there, or `this` one, in the guest itself. */
export type WrapFor = 'any' | 'this';
export const WRAP_FOR: readonly WrapFor[] = ['any', 'this'];

/** How the next kernel is loaded: `file` is kexec_file_load (`kexec -s`), `load` is kexec_load (`kexec -c`). */
export type KexecLoad = 'file' | 'load';
export const KEXEC_LOADS: readonly KexecLoad[] = ['file', 'load'];

/** One jump in a real guest: data. Scripts are POSIX sh for busybox and run as root in the guest. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly jump: 'normal' | 'crash';
  /** Entries of hazards/ that it shows. */
  readonly hazards: readonly string[];
  readonly devices: QemuMachine['devices'];
  /** Arguments for QEMU beyond the devices. */
  readonly qemu?: readonly string[];
  /** Loaded by the first kernel, in this order, with what they need. */
  readonly modules: readonly string[];
  /** Loaded by the next kernel once its functions have been looked at. */
  readonly nextModules?: readonly string[];
  /** Further words on the kernels' command lines. */
  readonly cmdline?: { readonly first?: string; readonly next?: string };
  /** Before the jump; must succeed. */
  readonly setup?: string;
  /** Succeeds once the master is at work, and fails within a bound if it never is. */
  readonly alive?: string;
  /** False where the next kernel cannot use the card, whatever is done: QEMU's model stays dumb. */
  readonly comesBack?: boolean;
  /** What shows stray writes. */
  readonly oracle: Oracle;
  /** In the next kernel, after that; must succeed. */
  readonly after?: string;
  /** With ours: after `apply`, `restore` must give every byte back before it is applied again. */
  readonly restores?: boolean;
}

export type Oracle =
  /** Marked frames are sent to the card; those that lie in memory are counted. */
  /** `descriptors`: of a receive ring that nobody refills. */
  | { readonly kind: 'frames'; readonly descriptors?: number }
  /** The `edu` device is told, from outside, to write zeros over a mark in a page that no kernel uses. */
  | { readonly kind: 'edu' }
  /** `edu` is told, from outside, to interrupt: a message before the jump (`message` has its data), its pin after. */
  | { readonly kind: 'edu-interrupt'; readonly message: number }
  /** Only the console and the next kernel's own doing. */
  | { readonly kind: 'console' };

/** The card of every scenario with frames. */
export const GUEST_MAC = '52:54:00:53:48:44';
export const NETDEV = 'net0';

/** A run's words: like the simulator's, where both have them. */
export type LabOutcome =
  | 'clean'
  | 'stray' // writes landed in memory after the next kernel had started
  | 'irq-storm' // the next kernel gave up an interrupt line
  | 'faulted' // an error report or an IOMMU fault: something was still at work
  | 'oops' // the next kernel complained of itself
  | 'not-restored' // `restore` in the guest did not give every byte back
  | 'crippled' // the next kernel came up, and could not use a device or had no /proc/vmcore
  | 'unrecorded' // the stub left no flight record, one that tells of failure, or one that the trace of QEMU does not bear out
  | 'unproven' // nothing landed, but the master was not seen at work before the jump
  | 'stuck'; // the next kernel did not come up
