import type { FunctionFacts, MachineFacts } from '../host/facts.js';
import type { Machine } from '../host/scan.js';
import { type PciFunction, seen } from '../pci/function.js';
import { hex, slotParts } from '../pci/slot.js';
import { ancestors, descendants, type TopologyNode } from '../pci/topology.js';
import { type Decision, decider, isVirtual } from './decide.js';
import { type Finding, finding, type JumpPath, SEVERITIES } from './findings.js';
import type { Policy } from './policy.js';
import {
  busMaster,
  intxAsserted,
  intxDisabled,
  intxFree,
  isBridge,
  messagesEnabled,
  transactionsPending,
  type Verdict,
  verdictOf,
} from './verdict.js';

export interface AuditedFunction {
  readonly node: TopologyNode;
  readonly facts: FunctionFacts;
  readonly verdict: Verdict;
  /** What the policy would do with it where this path is shot: before a normal jump, between the kernels of a crash. */
  readonly decision: Decision;
}

export interface Audit {
  readonly host: string;
  readonly path: JumpPath;
  readonly policy: string;
  /** In slot order. */
  readonly functions: readonly AuditedFunction[];
  /** The machine's first, then by slot; within one, the gravest first. */
  readonly findings: readonly Finding[];
  readonly machineFacts: MachineFacts;
  readonly notes: readonly string[];
}

/** Base classes of memory controllers, bridges and system peripherals. */
export const CHIPSET_CLASSES: readonly number[] = [0x05, 0x06, 0x08];

interface View extends AuditedFunction {
  readonly fn: PciFunction;
  readonly path: JumpPath;
}

/** What could still hit the next kernel if the machine jumped on `path` now. Pure. */
export function audit(machine: Machine, policy: Policy, path: JumpPath): Audit {
  const decide = decider(policy, machine, path === 'normal' ? 'before' : 'between');
  const functions: AuditedFunction[] = [];
  const findings: Finding[] = [];
  for (const [slot, node] of machine.topology.nodes) {
    const facts = machine.facts.get(slot) ?? {};
    const audited = { node, facts, decision: decide(slot), verdict: verdictOf(node.function) };
    functions.push(audited);
    findings.push(...functionFindings({ ...audited, fn: node.function, path }, machine));
  }
  return {
    host: machine.host,
    path,
    policy: policy.name,
    functions,
    findings: [...machineFindings(machine, functions, path), ...findings],
    machineFacts: machine.machineFacts,
    notes: machine.notes,
  };
}

/** Live functions that are not bridges: those that could write to memory or interrupt. */
export function liveFunctions(audited: Audit): AuditedFunction[] {
  return audited.functions.filter(({ node, verdict }) => verdict === 'live' && !isBridge(node.function));
}

function functionFindings(view: View, machine: Machine): Finding[] {
  const { fn, facts, path } = view;
  const found: Finding[] = [];
  const add = (id: Finding['id'], evidence: string) => found.push(...finding(id, path, fn.slot, evidence));
  switch (fn.presence) {
    case 'd3cold':
      add('SD007', 'power_state D3cold');
      return found;
    case 'suspended':
      add('SD006', `power_state ${facts.powerState ?? 'unknown'}, runtime_status suspended`);
      return found;
    case 'all-ones':
      add('SD008', 'PCI_COMMAND and PCI_STATUS read ffffffff');
      return found;
    case 'unreadable':
      add('SD008', 'its configuration space could not be read');
      return found;
    case 'present':
  }
  const state = seen(fn.pm)?.state;
  if (state && state !== 'D0' && state !== 'unknown') add('SD006', `PCI_PM_CTRL shows ${state}`);
  else found.push(...liveFindings(view));
  if (isBridge(fn)) found.push(...bridgeFindings(view, machine));
  if (intxAsserted(fn) && !intxDisabled(fn)) add('SD016', `${statusText(fn)}, ${commandText(fn)}`);
  if (messagesEnabled(fn) && intxFree(fn) && !isBridge(fn))
    add('SD004', `${messagesText(fn)}, ${commandText(fn)}`);
  if (transactionsPending(fn)) add('SD005', pendingText(fn));
  if (fn.visibleBytes === 64 && fn.msi === 'unknown') {
    add('SD015', `64 bytes visible, ${statusText(fn)} says that there are capabilities`);
  }
  const [note] = fn.notes;
  if (note) add('SD017', note.text);
  if (view.node.orphan && !isVirtual(view.node, facts)) add('SD019', `bus ${hex(slotParts(fn.slot).bus, 2)}`);
  return found.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

/** Why a live endpoint is live, by who could stop it. */
function liveFindings(view: View): Finding[] {
  const { fn, facts, decision, path, node } = view;
  if (isBridge(fn) || view.verdict !== 'live') return [];
  const driver =
    facts.driver === undefined
      ? 'driver not known'
      : facts.driver === null
        ? 'no driver'
        : `driver ${facts.driver}`;
  const evidence = `${commandText(fn)}; ${driver}`;
  const one = (id: Finding['id'], text = evidence, advice?: string) =>
    finding(id, path, fn.slot, text, advice);
  const rule = `${evidence}; rule ${decision.rule}`;
  const baseClass = fn.classCode >>> 16;
  if (decision.action === 'preserve') return one('SD012', rule);
  if (decision.action === 'exempt') {
    if (fn.classCode >>> 8 === 0x0c03 && facts.driver == null) return one('SD011');
    if (facts.holds?.length) return one('SD013', `${rule}; holds ${facts.holds.join(', ')}`);
    if (baseClass === 0x03) return one('SD010', rule);
    if (CHIPSET_CLASSES.includes(baseClass)) return one('SD018', rule);
  }
  if (!busMaster(fn)) return [];
  const found: Finding[] = [];
  if (isVirtual(node, facts))
    found.push(...one('SD014', node.physfn ? `${evidence}; VF of ${node.physfn}` : evidence));
  if (facts.driver === null) return [...found, ...one('SD001')];
  if (facts.driverShutdown === 'unknown') found.push(...one('SD002'));
  return [...found, ...one('SD003')];
}

function bridgeFindings({ fn, path, node }: View, machine: Machine): Finding[] {
  if (busMaster(fn)) return [];
  const live = [...descendants(machine.topology, fn.slot)].filter((slot) => {
    const child = machine.topology.nodes.get(slot)?.function;
    return child?.presence === 'present' && !isBridge(child) && busMaster(child);
  });
  const first = live[0];
  if (first === undefined || !isLowestGated(first, node, machine)) return [];
  const more = live.length > 1 ? ` and ${live.length - 1} more` : '';
  return finding('SD009', path, fn.slot, `${commandText(fn)}; BME is set in ${first}${more} below it`);
}

/** Of several gated bridges above one function only the nearest refuses its requests. */
function isLowestGated(
  slot: TopologyNode['function']['slot'],
  node: TopologyNode,
  machine: Machine,
): boolean {
  for (const above of ancestors(machine.topology, slot)) {
    const bridge = machine.topology.nodes.get(above)?.function;
    if (bridge && !busMaster(bridge)) return above === node.function.slot;
  }
  return false;
}

function machineFindings(machine: Machine, functions: readonly AuditedFunction[], path: JumpPath): Finding[] {
  const facts = machine.machineFacts;
  const found: Finding[] = [];
  const add = (id: Finding['id'], evidence: string) => found.push(...finding(id, path, null, evidence));
  const far = functions.filter(
    ({ node, verdict }) => verdict === 'live' && slotParts(node.function.slot).domain !== 0,
  );
  const [first] = far;
  if (first) add('SD102', `${far.length} live, ${first.node.function.slot} the first of them`);
  if (facts.captureKernelLoaded === false) add('SD103', 'kexec_crash_loaded is 0');
  if (facts.captureKernelLoaded && !facts.captureKernelProtected) add('SD104', 'kexec_crash_loaded is 1');
  if (facts.iommu === false) add('SD101', 'no IOMMU group has a translating domain');
  if (facts.lockdown === 'integrity' || facts.lockdown === 'confidentiality')
    add('SD105', `lockdown is ${facts.lockdown}`);
  return found.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

function commandText(fn: PciFunction): string {
  const bits = [
    busMaster(fn) ? 'BME set' : 'BME clear',
    intxDisabled(fn) ? 'INTx-disable set' : 'INTx-disable clear',
  ];
  return `PCI_COMMAND ${hex(fn.command, 4)} (${bits.join(', ')})`;
}

function statusText(fn: PciFunction): string {
  return `PCI_STATUS ${hex(fn.status, 4)}`;
}

function messagesText(fn: PciFunction): string {
  const msi = seen(fn.msi);
  const msix = seen(fn.msix);
  if (msix?.enable) return `PCI_MSIX_FLAGS ${hex(msix.control, 4)} (enabled)`;
  return `PCI_MSI_FLAGS ${hex(msi?.control ?? 0, 4)} (enabled)`;
}

function pendingText(fn: PciFunction): string {
  const status = seen(fn.express)?.deviceStatus;
  return typeof status === 'number'
    ? `PCI_EXP_DEVSTA ${hex(status, 4)} (bit 5 set)`
    : 'PCI_AF_STATUS bit 0 set';
}
