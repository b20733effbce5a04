import { hex } from '../../pci/slot.js';
import type { FleetData } from './fleet-data.js';
import { hashText } from './hash.js';
import { DIFFERENCES_MAX, LISTED_MAX } from './limits.js';
import { compareText } from './names.js';
import { OUTCOMES } from './outcome.js';
import type { Topologies, Topology } from './topologies.js';

type Listed = FleetData['topologies'][number];

/** The most frequent topologies, and what is in them. */
export function topologyList(all: Topologies, list: readonly Topology[], leftOut: string[]): Listed[] {
  if (list.length > LISTED_MAX) leftOut.push(`topologies: ${list.length - LISTED_MAX} more`);
  return list.slice(0, LISTED_MAX).map((topology) => ({
    signature: hashText(topology.signature),
    machines: topology.machines,
    functions: topology.slots.length,
    kinds: kindsOf(topology),
    outcomes: OUTCOMES.map((outcome) => ({ outcome, machines: topology.outcomes[outcome] })).filter(
      ({ machines }) => machines > 0,
    ),
    kernels: kernelsOf(all, topology),
    examples: [...topology.names.list],
  }));
}

const BRIDGE_CLASS = 0x06;

/** What is in it by kind, without bridges, the most frequent first. */
function kindsOf({ ids, classes }: Topology): Listed['kinds'] {
  const counts = new Map<string, Listed['kinds'][number]>();
  for (const [position, id] of ids.entries()) {
    const classCode = classes[position] ?? 0;
    if (classCode >>> 16 === BRIDGE_CLASS) continue;
    const kind = { vendor: hex(id >>> 16, 4), device: hex(id & 0xffff, 4), class: hex(classCode, 6) };
    const key = `${kind.vendor}:${kind.device}:${kind.class}`;
    counts.set(key, { ...kind, functions: (counts.get(key)?.functions ?? 0) + 1 });
  }
  return [...counts]
    .sort(([a, one], [b, other]) => other.functions - one.functions || compareText(a, b))
    .map(([, kind]) => kind)
    .slice(0, DIFFERENCES_MAX);
}

function kernelsOf(all: Topologies, { variants }: Topology): Listed['kernels'] {
  const counts = new Map<string | null, number>();
  for (const { traits, machines } of variants.values()) {
    const { kernel } = all.traits(traits);
    counts.set(kernel, (counts.get(kernel) ?? 0) + machines);
  }
  return [...counts]
    .map(([kernel, machines]) => ({ kernel, machines }))
    .sort((a, b) => b.machines - a.machines || compareText(a.kernel ?? '', b.kernel ?? ''))
    .slice(0, DIFFERENCES_MAX);
}
