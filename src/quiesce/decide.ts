import type { FunctionFacts } from '../host/facts.js';
import type { Machine } from '../host/scan.js';
import { type PciFunction, readsAsVirtual } from '../pci/function.js';
import * as regs from '../pci/regs.js';
import {
  type IdSelector,
  matchesId,
  matchesSlot,
  parseIdSelector,
  parseSlotSelector,
  type SlotSelector,
} from '../pci/selector.js';
import { hex, type Slot } from '../pci/slot.js';
import { ancestors, descendants, type Topology, type TopologyNode } from '../pci/topology.js';
import type { Place, Policy, PolicyAction, PolicyRule } from './policy.js';

/** What the policy says of one function, and which rule said so. */
export interface Decision {
  readonly action: PolicyAction;
  readonly rule: string;
  readonly reason: string;
}

interface Compiled {
  readonly rule: PolicyRule;
  readonly slot: SlotSelector | undefined;
  readonly id: IdSelector | undefined;
  readonly driver: RegExp | undefined;
}

/** Tells, for one place, what the policy says of a function of this machine. */
export type Decider = (slot: Slot) => Decision;

/**
 * Decides when asked, since a rule may need facts that cost a look at the host. A `preserve` covers every bridge
 * above, and the physical function of a virtual one.
 */
export function decider(policy: Policy, machine: Machine, place: Place): Decider {
  const rules = policy.rules.filter((rule) => rule.at?.includes(place) ?? true).map(compile);
  const decisions = new Map<Slot, Decision>();
  const byRule = (slot: Slot): Decision => {
    const known = decisions.get(slot);
    if (known) return known;
    const node = machine.topology.nodes.get(slot);
    const facts = machine.facts.get(slot) ?? {};
    const hit = node && rules.find((rule) => matches(rule, node, facts, machine));
    const { action, reason } = hit?.rule ?? policy.otherwise;
    const decision = { action, reason, rule: hit?.rule.id ?? 'otherwise' };
    decisions.set(slot, decision);
    return decision;
  };
  if (!rules.some(({ rule }) => rule.action === 'preserve')) return byRule;
  const preserved = new Map<Slot, Decision>();
  for (const [slot, node] of machine.topology.nodes) {
    const decision = byRule(slot);
    if (decision.action !== 'preserve') continue;
    const reason = `needed by ${slot}, which is preserved: ${decision.reason}`;
    const needed = node.physfn === null ? [] : [node.physfn, ...ancestors(machine.topology, node.physfn)];
    for (const other of [...ancestors(machine.topology, slot), ...needed]) {
      preserved.set(other, { action: 'preserve', rule: decision.rule, reason });
    }
  }
  return (slot) => preserved.get(slot) ?? byRule(slot);
}

function compile(rule: PolicyRule): Compiled {
  const { slot, id, driver } = rule.match;
  return {
    rule,
    slot: slot === undefined ? undefined : parseSlotSelector(slot),
    id: id === undefined ? undefined : parseIdSelector(id),
    driver: typeof driver === 'string' ? glob(driver) : undefined,
  };
}

function glob(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** The values of a policy's `headerType`. */
export const HEADER_TYPES = {
  normal: regs.PCI_HEADER_TYPE_NORMAL,
  bridge: regs.PCI_HEADER_TYPE_BRIDGE,
  cardbus: regs.PCI_HEADER_TYPE_CARDBUS,
} as const;

function matches(compiled: Compiled, node: TopologyNode, facts: FunctionFacts, machine: Machine): boolean {
  const { match } = compiled.rule;
  const fn = node.function;
  if (compiled.slot && !matchesSlot(compiled.slot, fn.slot)) return false;
  if (compiled.id && !matchesId(compiled.id, fn)) return false;
  if (match.class && !hex(fn.classCode, 6).startsWith(match.class.toLowerCase())) return false;
  if (match.headerType && fn.headerType !== HEADER_TYPES[match.headerType]) return false;
  if (match.rootBus !== undefined && match.rootBus !== (node.parent === null && !node.orphan)) return false;
  if (match.vf !== undefined && match.vf !== isVirtual(node)) return false;
  if (match.bootDisplay !== undefined && match.bootDisplay !== isBootDisplay(fn, facts, machine.topology))
    return false;
  return matchesFacts(compiled, node, machine);
}

/** What the system knows and no register shows: the driver, and what is on the function. */
function matchesFacts({ rule, driver }: Compiled, node: TopologyNode, machine: Machine): boolean {
  const { match } = rule;
  if (match.holds && !holdsAny(match.holds, node, machine)) return false;
  if (match.driver === undefined) return true;
  const bound = machine.facts.get(node.function.slot)?.driver;
  if (bound === undefined) return leavesAlone(rule);
  if (match.driver === null) return bound === null;
  return bound !== null && (driver?.test(bound) ?? false);
}

/** Where the driver is not known, a rule that leaves alone counts and one that acts does not. */
const leavesAlone = ({ action }: PolicyRule): boolean => action === 'exempt' || action === 'preserve';

/** The part of a rule that asks for what no register shows. */
export interface FactPredicate {
  /** For a function of which nothing is known. */
  readonly unknown: boolean;
  holds(node: TopologyNode, machine: Machine): boolean;
}

/** `undefined` for a rule that registers alone decide. */
export function factPredicate(rule: PolicyRule): FactPredicate | undefined {
  const { driver, holds } = rule.match;
  if (driver === undefined && holds === undefined) return undefined;
  const compiled = compile(rule);
  return {
    unknown: holds === undefined && leavesAlone(rule),
    holds: (node, machine) => matchesFacts(compiled, node, machine),
  };
}

export function isVirtual({ physfn, function: fn }: TopologyNode): boolean {
  return physfn !== null || readsAsVirtual(fn);
}

/** It holds one of these, or one of its virtual functions does, or one below it where it is no bridge (Intel VMD). */
function holdsAny(
  wanted: NonNullable<PolicyRule['match']['holds']>,
  { function: { slot, bridge }, vfs }: TopologyNode,
  machine: Machine,
): boolean {
  const below = bridge === null ? descendants(machine.topology, slot) : [];
  for (const one of [slot, ...vfs, ...below]) {
    const held = machine.facts.get(one)?.holds;
    if (held && wanted.some((what) => held.includes(what))) return true;
  }
  return false;
}

/**
 * Linux says which display firmware lit (`boot_vga`). Without that: a VGA controller with its decoding on, to
 * which every bridge above forwards the VGA addresses, as Linux's VGA arbiter looks for it.
 */
function isBootDisplay(fn: PciFunction, facts: FunctionFacts, topology: Topology): boolean {
  if (facts.bootVga !== undefined) return facts.bootVga;
  const decodes = regs.PCI_COMMAND_IO | regs.PCI_COMMAND_MEMORY;
  if (fn.classCode >>> 8 !== 0x0300 || (fn.command & decodes) !== decodes) return false;
  for (const above of ancestors(topology, fn.slot)) {
    const control = topology.nodes.get(above)?.function.bridge?.control ?? 'unknown';
    if (control === 'unknown' || (control & regs.PCI_BRIDGE_CTL_VGA) === 0) return false;
  }
  return true;
}
