import type { FunctionFacts } from '../host/facts.js';
import type { Machine } from '../host/scan.js';
import { type PciFunction, seen } from '../pci/function.js';
import * as regs from '../pci/regs.js';
import { compareSlots, type Slot, slotParts } from '../pci/slot.js';
import { ancestors, descendants, type TopologyNode } from '../pci/topology.js';
import { type Decision, decider, isVirtual } from './decide.js';
import { fingerprint } from './fingerprint.js';
import { keptByDriver, releases } from './kept-by-driver.js';
import type { Plan, Skipped, Step } from './plan-data.js';
import type { Place, Policy } from './policy.js';
import { isAsleep, isBridge, messagesEnabled, sleepState, verdictOf } from './verdict.js';

export interface PlanOptions {
  readonly at: Place;
  /** Only these functions may be written; without it, all. */
  readonly select?: (fn: PciFunction) => boolean;
}

interface Target {
  readonly node: TopologyNode;
  readonly facts: FunctionFacts;
  readonly decision: Decision;
}

type DraftStep = Step extends infer S ? (S extends Step ? Omit<S, 'id'> : never) : never;

/**
 * What a policy wants done on this machine, in order: drivers unbound and functions reset, then everything gated
 * leaf to root, then one shared wait, then MSI off. Pure: reads nothing but what was scanned.
 */
export function makePlan(machine: Machine, policy: Policy, options: PlanOptions): Plan {
  const decide = decider(policy, machine, options.at);
  const headersDecide = needsHeadersOnly(policy);
  const skipped: Skipped[] = [];
  const skip = (fn: PciFunction, why: Why) => {
    skipped.push({ slot: fn.slot, verdict: verdictOf(fn), rule: why.rule, reason: why.reason });
  };
  const candidates: TopologyNode[] = [];
  for (const node of machine.topology.nodes.values()) {
    const fn = node.function;
    if (options.select && !options.select(fn)) skip(fn, NOT_SELECTED);
    else if (headersDecide && verdictOf(fn) === 'quiet') skip(fn, QUIET);
    else candidates.push(node);
  }
  const targets: Target[] = [];
  const planned = new Set<Slot>();
  for (const node of leafToRoot(candidates, machine)) {
    const fn = node.function;
    const target = { node, facts: machine.facts.get(fn.slot) ?? {}, decision: decide(fn.slot) };
    const why =
      reasonToSkip(target, machine, options.at) ??
      (options.at === 'before' ? reasonToKeepDriver(target, machine, planned) : undefined) ??
      reasonToKeepBridge(node, machine, planned, options.at);
    if (why) {
      skip(fn, why);
    } else {
      targets.push(target);
      planned.add(fn.slot);
    }
  }
  const passes: DraftStep[][] = [
    options.at === 'before' ? targets.flatMap(releaseSteps) : [],
    targets.map((target) => gateStep(target, machine)),
    targets.flatMap(waitSteps),
    targets.flatMap(messageSteps),
  ];
  return {
    schema: 'shootdown.plan/1',
    at: options.at,
    host: machine.host,
    fingerprint: fingerprint(machine.topology),
    policy: policy.name,
    bounds: policy.bounds,
    onFailure: policy.onFailure,
    steps: passes.flat().map((step, id) => ({ id, ...step }) as Step),
    skipped: skipped.sort((a, b) => compareSlots(a.slot, b.slot)),
  };
}

/** Under such a policy a function that its header shows to be quiet needs no second look. */
export function needsHeadersOnly(policy: Policy): boolean {
  return policy.rules.every(({ action }) => action === 'exempt' || action === 'gate');
}

/** Endpoints before bridges, deeper before shallower, virtual functions before their physical one. */
function leafToRoot(candidates: readonly TopologyNode[], machine: Machine): TopologyNode[] {
  const { nodes } = machine.topology;
  const ranked = candidates.map((node) => {
    const physfn = node.physfn === null ? undefined : nodes.get(node.physfn);
    const virtual = isVirtual(node);
    return {
      node,
      bridge: hasBelow(node),
      depth: Math.max(node.depth, physfn?.depth ?? 0),
      virtual,
    };
  });
  ranked.sort(
    (a, b) =>
      Number(a.bridge) - Number(b.bridge) ||
      b.depth - a.depth ||
      Number(b.virtual) - Number(a.virtual) ||
      compareSlots(a.node.function.slot, b.node.function.slot),
  );
  return ranked.map(({ node }) => node);
}

type Why = Pick<Skipped, 'rule' | 'reason'>;

const ladder = (reason: string): Why => ({ rule: 'ladder', reason });
const QUIET = ladder('quiet: BME is clear and INTx does not fire');
const NOT_SELECTED: Why = { rule: 'selection', reason: 'not selected on the command line' };

function reasonToSkip({ decision, facts, node }: Target, machine: Machine, at: Place): Why | undefined {
  const fn = node.function;
  if (decision.action === 'preserve') return decision;
  switch (fn.presence) {
    case 'd3cold':
      return ladder('in D3cold: it has no power, and reading would wake it');
    case 'suspended':
      return ladder('suspended: it can make no requests, and reading would wake it');
    case 'all-ones':
      return ladder('reads all ones: it is gone or its link is down');
    case 'unreadable':
      return ladder('its configuration space could not be read');
    case 'present':
  }
  const { driver } = facts;
  const released = at === 'before' && releases(decision.action);
  if (verdictOf(fn) === 'quiet' && !(released && driver)) return QUIET;
  if (decision.action === 'exempt') return decision;
  const state = sleepState(fn);
  if (state) return ladder(`in ${state}: it can make no requests, and is not written`);
  const kept = keptByDriver(at, decision.action, driver);
  if (kept === 'not-known') {
    return ladder('not known whether a driver is bound, which gating would starve (lspci -k tells)');
  }
  if (kept === 'bound') {
    return ladder(`bound to ${driver}: left to the driver's shutdown, since gating would starve it`);
  }
  if (at === 'between' && slotParts(fn.slot).domain !== 0) {
    return ladder('in another PCI segment: ports CF8/CFC reach only segment 0');
  }
  if (at === 'between') {
    for (const above of ancestors(machine.topology, fn.slot)) {
      const bridge = machine.topology.nodes.get(above)?.function;
      const asleep = bridge && sleepState(bridge);
      if (asleep) return ladder(`below ${above}, which is in ${asleep}: not reached`);
    }
  }
  if (at === 'after' && (isBridge(fn) || fn.classCode >>> 16 === 0x03)) {
    return ladder('after the jump only endpoints without a display are touched');
  }
  return undefined;
}

/** A bridge loses BME only when nothing that could still make requests is left below it. */
function reasonToKeepBridge(
  node: TopologyNode,
  machine: Machine,
  planned: ReadonlySet<Slot>,
  at: Place,
): Why | undefined {
  if (!hasBelow(node)) return undefined;
  for (const below of descendants(machine.topology, node.function.slot)) {
    const child = machine.topology.nodes.get(below)?.function;
    if (!child) continue;
    // A driver may wake what is quiet or asleep now, and would find the bridge closed.
    const driver = at === 'before' && !planned.has(below) && machine.facts.get(below)?.driver;
    if (driver) return ladder(`${driver} is bound to ${below} below it, and may need it`);
    const verdict = verdictOf(child);
    if (!isAsleep(child) && verdict !== 'quiet' && !planned.has(below)) {
      const what = verdict === 'unknown' ? 'cannot be told to be quiet' : `stays ${verdict}`;
      return ladder(`${below} below it ${what}: a refused request may hang the machine`);
    }
    if (at !== 'between') continue;
    const hidden = whyHidden(child);
    if (hidden) return ladder(`${below} below it ${hidden}: what is behind it cannot be looked at`);
    if (isAsleep(child)) return ladder(`${below} below it is asleep, which cannot be told from being gone`);
  }
  return undefined;
}

/** Between the kernels nobody wakes a bridge to look behind it, and ports CF8/CFC reach but one segment. */
function whyHidden(fn: PciFunction): string | undefined {
  if (slotParts(fn.slot).domain !== 0) return 'is in another PCI segment';
  // Of a suspended function only the class is known.
  if (fn.presence === 'suspended' && fn.classCode >>> 8 === CLASS_PCI_BRIDGE) return 'is suspended';
  const state = isBridge(fn) && sleepState(fn);
  return state ? `is in ${state}` : undefined;
}

const CLASS_PCI_BRIDGE = 0x0604;

/** Unbinding or resetting some functions takes others with it. */
function reasonToKeepDriver(
  { node, decision }: Target,
  machine: Machine,
  planned: ReadonlySet<Slot>,
): Why | undefined {
  if (!releases(decision.action)) return undefined;
  const fn = node.function;
  // When its driver goes, Linux clears BME of a bridge, whatever is below it.
  if (isBridge(fn))
    return ladder('a bridge: it is neither unbound nor reset, which would close it above others');
  for (const vf of node.vfs) {
    const virtual = machine.topology.nodes.get(vf)?.function;
    const idle = virtual && verdictOf(virtual) === 'quiet' && !machine.facts.get(vf)?.driver;
    if (!idle && !planned.has(vf))
      return ladder(`its virtual function ${vf} is in use, and would go with it`);
  }
  if (machine.machineFacts.holdsUnknown && CARRIES_ROOT.includes(fn.classCode >>> 16)) {
    return ladder('not known what the root file system or swap is on, and it may be this');
  }
  return undefined;
}

/** Base classes that a root file system may be on: storage, network, and serial buses such as Fibre Channel and USB. */
const CARRIES_ROOT: readonly number[] = [0x01, 0x02, 0x0c];

/** A bridge, or what stands for one: behind Intel VMD functions hang below an endpoint. */
const hasBelow = (node: TopologyNode): boolean => isBridge(node.function) || node.children.length > 0;

function releaseSteps({ node, facts, decision }: Target): DraftStep[] {
  const base = { slot: node.function.slot, rule: decision.rule, reason: decision.reason };
  const steps: DraftStep[] = [];
  if (!releases(decision.action)) return steps;
  if (facts.driver != null) steps.push({ ...base, kind: 'unbind', driver: facts.driver });
  if (decision.action === 'reset') steps.push({ ...base, kind: 'reset' });
  return steps;
}

function gateStep({ node, decision }: Target, machine: Machine): DraftStep {
  const fn = node.function;
  const below = [...descendants(machine.topology, fn.slot)];
  return {
    kind: 'write',
    slot: fn.slot,
    register: 'PCI_COMMAND',
    offset: regs.PCI_COMMAND,
    width: 2,
    mask: regs.PCI_COMMAND_MASTER | regs.PCI_COMMAND_INTX_DISABLE,
    value: regs.PCI_COMMAND_INTX_DISABLE,
    before: fn.command,
    rule: decision.rule,
    reason: decision.reason,
    ...(below.length > 0 ? { below } : {}),
  };
}

function waitSteps({ node, decision }: Target): DraftStep[] {
  const fn = node.function;
  const base = { slot: fn.slot, kind: 'wait' as const, rule: decision.rule };
  const reason = 'requests on their way must come home first';
  const express = seen(fn.express);
  if (express) {
    const offset = express.offset + regs.PCI_EXP_DEVSTA;
    return [
      { ...base, reason, register: 'PCI_EXP_DEVSTA', offset, width: 2, mask: regs.PCI_EXP_DEVSTA_TRPND },
    ];
  }
  const af = seen(fn.af);
  if (!af?.hasPending) return [];
  const offset = af.offset + regs.PCI_AF_STATUS;
  return [{ ...base, reason, register: 'PCI_AF_STATUS', offset, width: 1, mask: regs.PCI_AF_STATUS_TP }];
}

function messageSteps({ node, decision }: Target): DraftStep[] {
  const fn = node.function;
  if (!messagesEnabled(fn)) return [];
  // With MSI off and INTx free a function falls back to INTx; one without a pin has nothing to fall back to.
  const onlyIf = fn.interruptPin === 0 ? 'bme-clear' : 'intx-disabled';
  const reason = 'left enabled, it would fire once BME returns';
  const base = {
    kind: 'write' as const,
    slot: fn.slot,
    width: 2 as const,
    rule: decision.rule,
    reason,
    onlyIf,
  } as const;
  const steps: DraftStep[] = [];
  const msi = seen(fn.msi);
  if (msi?.enable) {
    const offset = msi.offset + regs.PCI_MSI_FLAGS;
    steps.push({
      ...base,
      register: 'PCI_MSI_FLAGS',
      offset,
      mask: regs.PCI_MSI_FLAGS_ENABLE,
      value: 0,
      before: msi.control,
    });
  }
  const msix = seen(fn.msix);
  if (msix?.enable) {
    const offset = msix.offset + regs.PCI_MSIX_FLAGS;
    const mask = regs.PCI_MSIX_FLAGS_MASKALL | regs.PCI_MSIX_FLAGS_ENABLE;
    const value = regs.PCI_MSIX_FLAGS_MASKALL;
    steps.push({ ...base, register: 'PCI_MSIX_FLAGS', offset, mask, value, before: msix.control });
  }
  return steps;
}
