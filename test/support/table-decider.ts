import type { Machine } from '../../src/host/scan.js';
import { BUS_FLAGS, CONDITIONS } from '../../src/image/layout.js';
import type { KnownFunction, Table, TableRule } from '../../src/image/table-data.js';
import * as regs from '../../src/pci/regs.js';
import { routingId, type Slot, slotParts } from '../../src/pci/slot.js';
import { ancestors, type TopologyNode } from '../../src/pci/topology.js';

export interface TableDecision {
  readonly action: 'exempt' | 'preserve' | 'gate';
  /** Index of the rule; -1 where none matches. */
  readonly rule: number;
}

/** What a table says of each function in segment 0, from registers and the table alone: as the stub is to decide. */
export function tableDecisions(table: Table, machine: Machine): Map<Slot, TableDecision> {
  const known = new Map(table.known.map((fn) => [fn.routingId, fn]));
  const decisions = new Map<Slot, TableDecision>();
  for (const [slot, node] of machine.topology.nodes) {
    if (slotParts(slot).domain !== 0) continue;
    const fn = known.get(routingId(slot));
    const rule = table.rules.findIndex((one) => matches(one, node, fn, table, machine));
    decisions.set(slot, { action: table.rules[rule]?.action ?? table.otherwise, rule });
  }
  const needed = new Set<Slot>();
  for (const [slot, { action }] of decisions) {
    if (action !== 'preserve') continue;
    for (const above of ancestors(machine.topology, slot)) needed.add(above);
    const physfn = known.get(routingId(slot))?.physfn ?? routingId(slot);
    const owner = [...decisions.keys()].find((other) => routingId(other) === physfn);
    if (owner === undefined || owner === slot) continue;
    for (const one of [owner, ...ancestors(machine.topology, owner)]) needed.add(one);
  }
  for (const slot of needed) decisions.set(slot, { ...(decisions.get(slot) ?? NONE), action: 'preserve' });
  return decisions;
}

const NONE: TableDecision = { action: 'exempt', rule: -1 };

function matches(
  rule: TableRule,
  node: TopologyNode,
  known: KnownFunction | undefined,
  table: Table,
  machine: Machine,
): boolean {
  const fn = node.function;
  const classRevision = (fn.classCode * 256 + fn.revision) >>> 0;
  const id = known?.id ?? ((fn.device << 16) | fn.vendor) >>> 0;
  if (((classRevision ^ rule.classValue) & rule.classMask) !== 0) return false;
  if (((id ^ rule.idValue) & rule.idMask) !== 0) return false;
  if (((routingId(fn.slot) ^ rule.routingIdValue) & rule.routingIdMask) !== 0) return false;
  if (rule.headerType !== null && rule.headerType !== fn.headerType) return false;
  const root = ((table.busFlags[slotParts(fn.slot).bus] ?? 0) & BUS_FLAGS.root) !== 0;
  const vf = known?.vf ?? fn.vendor === 0xffff;
  const boot = known?.bootVga ?? isLit(node, machine);
  const has = (condition: number) => (rule.conditions & condition) !== 0;
  if ((has(CONDITIONS.rootBus) && !root) || (has(CONDITIONS.notRootBus) && root)) return false;
  if ((has(CONDITIONS.vf) && !vf) || (has(CONDITIONS.notVf) && vf)) return false;
  if ((has(CONDITIONS.bootDisplay) && !boot) || (has(CONDITIONS.notBootDisplay) && boot)) return false;
  const facts = known?.facts ?? table.defaultFacts;
  return rule.factBit === null || ((facts >>> rule.factBit) & 1) === 1;
}

/** Decodes the VGA addresses, which every bridge above forwards. */
function isLit({ function: fn }: TopologyNode, { topology }: Machine): boolean {
  if (fn.classCode >>> 8 !== 0x0300 || (fn.command & 3) !== 3) return false;
  return [...ancestors(topology, fn.slot)].every((above) => {
    const control = topology.nodes.get(above)?.function.bridge?.control;
    return typeof control === 'number' && (control & regs.PCI_BRIDGE_CTL_VGA) !== 0;
  });
}
