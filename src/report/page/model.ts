import type { MachineFacts } from '../../host/facts.js';
import type { PciNames } from '../../pci/pci-ids.js';
import type { Topology } from '../../pci/topology.js';
import type { Audit } from '../../quiesce/audit.js';
import type { JumpPath } from '../../quiesce/findings.js';
import type { Plan } from '../../quiesce/plan-data.js';
import { breakdown, headline } from '../audit-text.js';
import type { JumpStory } from '../timeline/story.js';
import { findingViews } from './findings.js';
import { functionViews, sharedGroups } from './functions.js';
import { planView } from './plan.js';
import { shown } from './text.js';
import { treeOf } from './tree.js';
import type { Fact, FindingView, FunctionView, IommuGroupView, PlanView, TreeNode } from './view.js';

export interface PageSources {
  readonly audit: Audit;
  readonly topology: Topology;
  /** For the place that fits the path: `before` a normal jump, `between` the kernels of a crash. */
  readonly plan: Plan;
  readonly names: PciNames;
  readonly jumps?: readonly JumpStory[];
  /** When the machine was read, as text; left out where that is not known. */
  readonly read?: string;
}

/** All that a report says, in the order in which it says it. */
export interface PageModel {
  readonly host: string;
  readonly path: JumpPath;
  readonly policy: string;
  readonly read: string | undefined;
  /** The words of the audit's text. */
  readonly headline: string;
  readonly breakdown: string;
  readonly facts: readonly Fact[];
  readonly findings: readonly FindingView[];
  readonly iommu: boolean | undefined;
  readonly functions: readonly FunctionView[];
  readonly tree: readonly TreeNode[];
  readonly sharedGroups: readonly IommuGroupView[];
  readonly plan: PlanView;
  readonly jumps: readonly JumpStory[];
  readonly notes: readonly string[];
}

export function pageModel(sources: PageSources): PageModel {
  const { audit, topology, plan, jumps = [], read } = sources;
  const views = functionViews(sources);
  return {
    host: shown(hostText(audit)),
    path: audit.path,
    policy: shown(audit.policy),
    read,
    headline: shown(headline(audit)),
    breakdown: shown(breakdown(audit)),
    facts: machineLines(audit.machineFacts),
    findings: findingViews(audit.findings),
    iommu: audit.machineFacts.iommu,
    functions: [...views.values()],
    tree: treeOf(topology, views),
    sharedGroups: sharedGroups(audit.functions),
    plan: planView(plan),
    jumps,
    notes: audit.notes.map(shown),
  };
}

function machineLines(facts: MachineFacts): readonly Fact[] {
  const capture = facts.captureKernelProtected
    ? 'loaded, with protection'
    : 'loaded, nothing shows protection';
  const loaded = (is: boolean | undefined, yes: string) =>
    is === undefined ? UNKNOWN : is ? yes : 'not loaded';
  const lines: (readonly [string, string])[] = [
    ...(facts.kernel === undefined ? [] : [['Kernel', facts.kernel] as const]),
    ['State', facts.liveKernel ? 'running when it was read' : 'not known to be running'],
    ['Lockdown', facts.lockdown ?? UNKNOWN],
    ['IOMMU', facts.iommu === undefined ? UNKNOWN : facts.iommu ? 'translating' : 'not translating'],
    ['Capture kernel', loaded(facts.captureKernelLoaded, capture)],
    ['Kernel for kexec', loaded(facts.kexecKernelLoaded, 'loaded')],
  ];
  return lines.map(([term, value]) => ({ term, value: shown(value) }));
}

const UNKNOWN = 'not known';

/** Its own name where that is known, and how it was read. */
function hostText({ host, machineFacts: { hostname } }: Audit): string {
  return hostname === undefined ? host : `${hostname} (${host})`;
}
