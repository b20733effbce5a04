import type { Severity } from '../../quiesce/findings.js';
import type { PolicyAction } from '../../quiesce/policy.js';
import type { Verdict } from '../../quiesce/verdict.js';

// What a page says, as values: text that is fit to be shown, no markup, no pixels. `model.ts` makes it.

export interface Fact {
  readonly term: string;
  readonly value: string;
}

export interface IommuPlace {
  /** `null` for none, `undefined` where it is not known. */
  readonly group: number | null | undefined;
  /** `identity`, `DMA`, …, or empty. */
  readonly domain: string;
  /** Functions in the group, this one included; 0 without a group. */
  readonly members: number;
}

export interface FunctionView {
  readonly slot: string;
  /** Class and device by name. */
  readonly device: string;
  readonly bridge: boolean;
  readonly verdict: Verdict;
  /** `none`, `?` where it is not known, or its name. */
  readonly driver: string;
  readonly action: PolicyAction;
  readonly rule: string;
  readonly reason: string;
  /** The gravest of its findings. */
  readonly severity: Severity | null;
  readonly findings: readonly FunctionFinding[];
  readonly iommu: IommuPlace;
  /** Numbers of the plan's steps, from 1. */
  readonly steps: readonly number[];
  /** Why the plan leaves it alone; `null` if it does not. */
  readonly left: string | null;
  /** Registers, capabilities, and what the system knows: the same for functions that are alike. */
  readonly evidence: readonly Fact[];
  /** The bridges that its requests pass, nearest first. */
  readonly above: readonly string[];
  readonly physfn: string | null;
}

interface FunctionFinding {
  readonly id: string;
  readonly severity: Severity;
  readonly evidence: string;
}

/** How many functions of each verdict. */
export type Counts = Readonly<Record<Verdict, number>>;

export type TreeNode =
  | {
      readonly kind: 'root';
      /** As in `0000:00`. */
      readonly id: string;
      readonly below: Counts;
      readonly children: readonly TreeNode[];
    }
  | {
      readonly kind: 'function';
      readonly view: FunctionView;
      readonly below: Counts;
      readonly children: readonly TreeNode[];
    }
  /** Siblings with nothing below them that differ in nothing but slot, steps and the number of their IOMMU group. */
  | { readonly kind: 'alike'; readonly views: readonly FunctionView[] };

export interface FindingView {
  readonly id: string;
  readonly severity: Severity;
  readonly title: string;
  readonly meaning: string;
  /** What to do, and where if that is not the same for all of them, else empty. */
  readonly advice: readonly { readonly places: string; readonly text: string }[];
  readonly cases: readonly { readonly slot: string | null; readonly evidence: string }[];
  readonly hazards: readonly { readonly id: string; readonly title: string; readonly source: string }[];
}

export interface PlanRun {
  /** Numbers of the first and last step, from 1. */
  readonly from: number;
  readonly to: number;
  /** In setpci's notation, or in words. */
  readonly step: string;
  readonly rule: string;
  readonly reason: string;
  /** In the order of the steps. */
  readonly slots: readonly string[];
}

export interface PlanView {
  readonly headline: string;
  readonly place: string;
  readonly fingerprint: string;
  readonly passes: readonly { readonly title: string; readonly runs: readonly PlanRun[] }[];
  readonly left: readonly {
    readonly rule: string;
    readonly reason: string;
    readonly slots: readonly string[];
  }[];
  /** Slots that cannot be undone. */
  readonly resets: readonly string[];
}

export interface IommuGroupView {
  readonly group: number;
  readonly domain: string;
  readonly members: readonly { readonly slot: string; readonly bridge: boolean }[];
}
