import type { PciFunction } from '../../pci/function.js';
import type { PciNames } from '../../pci/pci-ids.js';
import type { Slot } from '../../pci/slot.js';
import { ancestors, type Topology } from '../../pci/topology.js';
import type { Audit, AuditedFunction } from '../../quiesce/audit.js';
import { type Finding, SEVERITIES, type Severity } from '../../quiesce/findings.js';
import type { Plan } from '../../quiesce/plan-data.js';
import { isBridge } from '../../quiesce/verdict.js';
import { groupedBy } from '../grouped-by.js';
import { evidenceOf } from './evidence.js';
import { shown } from './text.js';
import type { FunctionView, IommuGroupView } from './view.js';

interface FunctionSources {
  readonly audit: Audit;
  readonly topology: Topology;
  readonly plan: Plan;
  readonly names: PciNames;
}

/** Every function of an audit with all that is said of it, in slot order. */
export function functionViews(sources: FunctionSources): ReadonlyMap<Slot, FunctionView> {
  const { audit, plan, topology, names } = sources;
  const findings = groupedBy(audit.findings, ({ slot }) => slot);
  const steps = groupedBy(plan.steps, ({ slot }) => slot);
  const left = new Map(plan.skipped.map((one) => [one.slot, one]));
  const groups = groupedBy(audit.functions, ({ facts }) => facts.iommuGroup ?? null);
  const views = new Map<Slot, FunctionView>();
  for (const audited of audit.functions) {
    const { node, facts, verdict, decision } = audited;
    const fn = node.function;
    const own = findings.get(fn.slot) ?? [];
    const skipped = left.get(fn.slot);
    const group = facts.iommuGroup;
    views.set(fn.slot, {
      slot: fn.slot,
      device: shown(deviceName(fn, names)),
      bridge: isBridge(fn),
      verdict,
      driver: facts.driver === undefined ? '?' : facts.driver === null ? 'none' : shown(facts.driver),
      action: decision.action,
      rule: shown(decision.rule),
      reason: shown(decision.reason),
      severity: gravest(own),
      findings: own.map(({ id, severity, evidence }) => ({ id, severity, evidence: shown(evidence) })),
      iommu: {
        group,
        domain: shown(facts.iommuDomain ?? ''),
        members: group == null ? 0 : (groups.get(group)?.length ?? 0),
      },
      steps: (steps.get(fn.slot) ?? []).map(({ id }) => id + 1),
      left: skipped ? shown(`${skipped.rule}: ${skipped.reason}`) : null,
      evidence: evidenceOf(fn, facts),
      above: [...ancestors(topology, fn.slot)],
      physfn: node.physfn,
    });
  }
  return views;
}

function deviceName({ classCode, vendor, device }: PciFunction, names: PciNames): string {
  return [names.className(classCode), names.device(vendor, device)].filter((name) => name !== '').join(': ');
}

function gravest(findings: readonly Finding[]): Severity | null {
  return SEVERITIES.find((severity) => findings.some((one) => one.severity === severity)) ?? null;
}

/** IOMMU groups of more than one function: what one of them may write, all may. */
export function sharedGroups(functions: readonly AuditedFunction[]): readonly IommuGroupView[] {
  const groups = groupedBy(functions, ({ facts }) => facts.iommuGroup ?? null);
  return [...groups]
    .filter(([, members]) => members.length > 1)
    .sort(([a], [b]) => a - b)
    .map(([group, members]) => ({
      group,
      domain: shown(members[0]?.facts.iommuDomain ?? ''),
      members: members.map(({ node }) => ({ slot: node.function.slot, bridge: isBridge(node.function) })),
    }));
}
