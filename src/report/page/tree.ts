import { hex, type Slot } from '../../pci/slot.js';
import type { Topology } from '../../pci/topology.js';
import type { Counts, FunctionView, TreeNode } from './view.js';

/** Siblings that are alike are shown as one from so many on; what is live, later. */
const ALIKE_MIN = 4;
const ALIKE_LIVE_MIN = 9;

/** Root buses, bridges and functions; siblings that are alike stand together where the first of them would. */
export function treeOf(topology: Topology, views: ReadonlyMap<Slot, FunctionView>): readonly TreeNode[] {
  const nodeOf = (slot: Slot): TreeNode[] => {
    const view = views.get(slot);
    if (!view) return [];
    const children = together((topology.nodes.get(slot)?.children ?? []).flatMap(nodeOf));
    return [{ kind: 'function', view, children, below: countsBelow(children) }];
  };
  return topology.roots.map(({ domain, bus, slots }) => {
    const children = together(slots.flatMap(nodeOf));
    const id = `${hex(domain, 4)}:${hex(bus, 2)}`;
    return { kind: 'root', id, children, below: countsBelow(children) };
  });
}

function together(nodes: readonly TreeNode[]): readonly TreeNode[] {
  const keys = nodes.map(alikeKey);
  const groups = new Map<string, FunctionView[]>();
  for (const [index, node] of nodes.entries()) {
    const key = keys[index];
    if (key === undefined || node.kind !== 'function') continue;
    const group = groups.get(key);
    if (group) group.push(node.view);
    else groups.set(key, [node.view]);
  }
  return nodes.flatMap((node, index): TreeNode[] => {
    const key = keys[index];
    const views = key === undefined ? undefined : groups.get(key);
    const [first] = views ?? [];
    if (!views || !first || node.kind !== 'function') return [node];
    if (views.length < (first.verdict === 'live' ? ALIKE_LIVE_MIN : ALIKE_MIN)) return [node];
    return node.view === first ? [{ kind: 'alike', views }] : [];
  });
}

/** Of all that must be equal; `undefined` for what stands alone. */
function alikeKey(node: TreeNode): string | undefined {
  if (node.kind !== 'function' || node.children.length > 0 || node.view.bridge) return undefined;
  const { device, verdict, driver, action, rule, reason, findings, left, evidence, physfn, iommu } =
    node.view;
  const translated = [iommu.group != null, iommu.domain];
  const said = [device, verdict, driver, action, rule, reason, findings, left, evidence, physfn];
  return JSON.stringify([...said, ...translated]);
}

/** Of everything below, at any depth. */
function countsBelow(children: readonly TreeNode[]): Counts {
  const counts = { live: 0, open: 0, quiet: 0, unknown: 0 };
  for (const child of children) {
    if (child.kind === 'alike') {
      for (const { verdict } of child.views) counts[verdict]++;
      continue;
    }
    if (child.kind === 'function') counts[child.view.verdict]++;
    for (const verdict of ['live', 'open', 'quiet', 'unknown'] as const) {
      counts[verdict] += child.below[verdict];
    }
  }
  return counts;
}

/** `3 live, 1 open`, without what there is none of. */
export function countsText(counts: Counts): string {
  return (['live', 'open', 'quiet', 'unknown'] as const)
    .filter((verdict) => counts[verdict] > 0)
    .map((verdict) => `${counts[verdict]} ${verdict}`)
    .join(', ');
}
