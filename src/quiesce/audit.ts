import type { FunctionFacts, MachineFacts } from '../host/facts.js';
import type { Machine } from '../host/scan.js';
import { type PciFunction, seen } from '../pci/function.js';
import { hex, slotParts, VMD_DOMAINS } from '../pci/slot.js';
import { ancestors, descendants, type TopologyNode } from '../pci/topology.js';
import { type Decision, decider, isVirtual } from './decide.js';
import { type Finding, type FindingOptions, finding, type JumpPath, SEVERITIES } from './findings.js';
import type { Policy } from './policy.js';
import {
  busMaster,
  intxAsserted,
  intxDisabled,
  intxFree,
  isBridge,
  messagesEnabled,
  sleepState,
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
  /** Linux would not clear its BME on the way into a normal jump. */
  readonly neverCleared: boolean;
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
const CHIPSET_CLASSES: readonly number[] = [0x05, 0x06, 0x08];
/** Of these what a bound driver makes no other thing: it only counts errors, or serves what lies behind. */
const DRIVEN_CHIPSET_CLASSES: readonly number[] = [0x0600, 0x0601, 0x0806];

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
    const audited = {
      ...{ node, facts, decision: decide(slot), verdict: verdictOf(node.function) },
      neverCleared: neverCleared(facts),
    };
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

/** Of these, the bus masters in D0 that are not a chipset's own, where BME means nothing. */
export function writers(audited: Audit): AuditedFunction[] {
  return liveFunctions(audited).filter((view) => {
    const fn = view.node.function;
    return busMaster(fn) && !isChipset(view) && !sleepState(fn);
  });
}

/** Of the writers, those that the jump itself does nothing about. */
export function unattended(audited: Audit): AuditedFunction[] {
  const all = writers(audited);
  return audited.path === 'crash'
    ? all
    : all.filter((view) => view.facts.driver === undefined || view.neverCleared);
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
      add(
        'SD006',
        facts.runtimeStatus === 'suspended'
          ? 'runtime_status is suspended'
          : 'the bridge above it is suspended',
      );
      return found;
    case 'all-ones':
      add('SD008', 'PCI_COMMAND and PCI_STATUS read ffffffff');
      return found;
    case 'unreadable':
      add('SD020', 'its configuration space could not be read');
      return found;
    case 'present':
  }
  const state = sleepState(fn);
  if (state) add('SD006', `PCI_PM_CTRL shows ${state}`);
  else found.push(...liveFindings(view));
  if (isBridge(fn)) found.push(...bridgeFindings(view, machine));
  if (isFar(view)) add('SD022', segmentText(view));
  if (isBridge(fn) && view.verdict === 'live') add('SD021', `${commandText(fn)}; ${messagesText(fn)}`);
  if (intxAsserted(fn) && !intxDisabled(fn)) add('SD016', `${statusText(fn)}, ${commandText(fn)}`);
  if (messagesEnabled(fn) && intxFree(fn) && !isBridge(fn))
    add('SD004', `${messagesText(fn)}, ${commandText(fn)}`);
  if (transactionsPending(fn)) add('SD005', pendingText(fn));
  if (fn.visibleBytes === 64 && fn.msi === 'unknown') {
    add('SD015', `64 bytes visible, ${statusText(fn)} says that there are capabilities`);
  }
  const [note] = fn.notes;
  if (note) add('SD017', note.text);
  if (view.node.orphan && !isVirtual(view.node)) add('SD019', `bus ${hex(slotParts(fn.slot).bus, 2)}`);
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
  const one = (id: Finding['id'], more: FindingOptions & { readonly evidence?: string } = {}) =>
    finding(id, path, fn.slot, more.evidence ?? evidence, more);
  const exempt = { evidence: `${evidence}; rule ${decision.rule}` };
  if (decision.action === 'preserve') return one('SD012', exempt);
  // On the way out the kernel calls the driver; whether that helps is not known without a shutdown method.
  const doubtful =
    busMaster(fn) && facts.driver !== null && facts.driverShutdown !== 'likely' ? one('SD002') : [];
  if (decision.action === 'exempt') {
    if (fn.classCode >>> 8 === 0x0c03 && !facts.driver) {
      return one('SD011', facts.driver === undefined ? { severity: 'info' } : {});
    }
    if (path === 'normal' && facts.holds?.length) {
      return [
        ...one('SD013', { evidence: `${exempt.evidence}; holds ${facts.holds.join(', ')}` }),
        ...doubtful,
      ];
    }
    if (fn.classCode >>> 16 === 0x03) return [...one('SD010', exempt), ...doubtful];
    if (isChipset(view)) return one('SD018', exempt);
  }
  if (!busMaster(fn)) return [];
  const found: Finding[] = [];
  if (isVirtual(node))
    found.push(...one('SD014', node.physfn ? { evidence: `${evidence}; VF of ${node.physfn}` } : {}));
  const advice =
    decision.action === 'exempt'
      ? { advice: `Rule ${decision.rule} leaves it alone: change the policy to gate it.` }
      : {};
  if (facts.driver === null || (path === 'normal' && view.neverCleared)) {
    const known = path === 'normal' && !view.neverCleared;
    return [...found, ...one('SD001', { ...advice, ...(known ? { severity: 'warning' } : {}) })];
  }
  return [...found, ...doubtful, ...one('SD003', advice)];
}

/** On the normal path Linux clears BME of every function whose power state it knows, driver or not. */
function neverCleared({ powerState, driver }: FunctionFacts): boolean {
  return powerState === 'unknown' || (driver === null && powerState === undefined);
}

/**
 * Memory controllers, bridges and system peripherals where BME means nothing, or which must go on. With a driver the
 * class of other bridges (0680) may be a bus master like any other: non-transparent bridges, NVSwitch.
 */
function isChipset({ node, facts, decision }: AuditedFunction): boolean {
  if (decision.action !== 'exempt') return false;
  const code = node.function.classCode;
  const base = code >>> 16;
  if (!facts.driver) return CHIPSET_CLASSES.includes(base);
  return base === 0x05 || DRIVEN_CHIPSET_CLASSES.includes(code >>> 8);
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
  const far = functions.filter(isFar);
  const [first] = far;
  if (first) add('SD102', `${far.length} live, ${first.node.function.slot} the first of them`);
  if (facts.captureKernelLoaded === false) add('SD103', 'kexec_crash_loaded is 0');
  if (facts.captureKernelLoaded && !facts.captureKernelProtected) add('SD104', 'kexec_crash_loaded is 1');
  if (facts.iommu === false) add('SD101', 'no IOMMU group has a translating domain');
  const through = functions.filter((f) => f.verdict === 'live' && f.facts.iommuDomain === 'identity');
  const [passed] = through;
  if (facts.iommu && passed) {
    add(
      'SD101',
      `${through.length} live functions in identity domains, ${passed.node.function.slot} the first of them`,
    );
  }
  if (facts.lockdown === 'integrity' || facts.lockdown === 'confidentiality')
    add('SD105', `lockdown is ${facts.lockdown}`);
  return found.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

/** A live function that would be stopped between the kernels if ports CF8 and CFC reached it. */
function isFar({ node: { function: fn }, verdict, decision }: AuditedFunction): boolean {
  const awake = verdict === 'live' && !isBridge(fn) && !sleepState(fn);
  return awake && decision.action !== 'exempt' && slotParts(fn.slot).domain !== 0;
}

function segmentText({ node: { function: fn, parent } }: AuditedFunction): string {
  const { domain } = slotParts(fn.slot);
  const vmd = domain >= VMD_DOMAINS ? `, behind Intel VMD${parent ? ` below ${parent}` : ''}` : '';
  return `PCI segment ${hex(domain, 4)}${vmd}; ${commandText(fn)}`;
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
  if (!msi?.enable && !msix?.enable) return fn.msi === 'unknown' ? 'MSI not visible' : 'MSI not enabled';
  if (msix?.enable) return `PCI_MSIX_FLAGS ${hex(msix.control, 4)} (enabled)`;
  return `PCI_MSI_FLAGS ${hex(msi?.control ?? 0, 4)} (enabled)`;
}

function pendingText(fn: PciFunction): string {
  const status = seen(fn.express)?.deviceStatus;
  return typeof status === 'number'
    ? `PCI_EXP_DEVSTA ${hex(status, 4)} (bit 5 set)`
    : 'PCI_AF_STATUS bit 0 set';
}
