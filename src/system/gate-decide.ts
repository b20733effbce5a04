import type { Machine } from '../host/scan.js';
import { PCI_HEADER_TYPE_NORMAL } from '../pci/regs.js';
import { hex, type Slot } from '../pci/slot.js';
import type { TopologyNode } from '../pci/topology.js';
import { isVirtual } from '../quiesce/decide.js';

/** What a table of `compileGateTable` says of a function. */
export interface GateDecision {
  /** As in its rules; what is not virtual has no other function to preserve, and is then as good as exempt. */
  readonly action: string;
  /** It has a `known` line of the function, with its IDs. */
  readonly known: boolean;
}

interface Rule {
  readonly id: string;
  readonly action: string;
  readonly facts: string;
  readonly pattern: RegExp;
}

/** The last line has the number of those before it; `integrations/lib/gate` does nothing with any other table. */
export function isWholeTable(text: string): boolean {
  const lines = text.split('\n');
  return lines.at(-1) === '' && lines.at(-2) === `end ${lines.length - 2}`;
}

/** What a table says of each function of a machine that the hook may touch; as `decide` in `integrations/lib/gate`. */
export function gateDecisions(text: string, machine: Machine): ReadonlyMap<Slot, GateDecision> {
  const rules: Rule[] = [];
  const known = new Map<string, string>();
  let otherwise = '';
  for (const line of text.split('\n')) {
    const [kind, a = '', b = '', c = '', d = ''] = line.split(' ');
    if (kind === 'rule') rules.push({ id: a, action: b, facts: c, pattern: patternOf(d) });
    if (kind === 'known') known.set(`${a} ${b}`, c);
    if (kind === 'otherwise') otherwise = a;
  }
  const decisions = new Map<Slot, GateDecision>();
  for (const [slot, node] of machine.topology.nodes) {
    const { headerType, classCode, vendor, device } = node.function;
    if (headerType !== PCI_HEADER_TYPE_NORMAL || classCode >>> 16 === 0x03) continue;
    const facts = known.get(`${slot} ${hex(vendor, 4)}:${hex(device, 4)}`);
    const key = keyOf(node);
    const rule = rules.find((one) => one.pattern.test(key) && counts(one, facts));
    const said = rule?.action ?? otherwise;
    const action = said === 'preserve' && !isVirtual(node) ? 'exempt' : said;
    decisions.set(slot, { action, known: facts !== undefined });
  }
  return decisions;
}

function counts({ id, facts }: Rule, known: string | undefined): boolean {
  if (facts === '-' || (facts === 'yes' && known === undefined)) return true;
  return known?.includes(`,${id},`) ?? false;
}

function keyOf(node: TopologyNode): string {
  const { classCode, vendor, device, slot } = node.function;
  const bus = node.parent === null && !node.orphan ? 'r' : 'b';
  const ids = `${hex(vendor, 4)}:${hex(device, 4)}`;
  return `${hex(classCode, 6)}/${ids}/${slot}/${bus}/${isVirtual(node) ? 'v' : 'p'}`;
}

/** A shell's, in which only `?` and `*` are special here. */
function patternOf(text: string): RegExp {
  return new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('?', '.').replaceAll('*', '.*')}$`);
}
