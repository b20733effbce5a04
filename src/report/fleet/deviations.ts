import { slotOfKey } from '../../pci/slot.js';
import type { FleetData } from './fleet-data.js';
import { hashText } from './hash.js';
import { DIFFERENCES_MAX, LIKE_MIN, LISTED_MAX, SAMPLE_MAX } from './limits.js';
import { compareText, type First, firstNames } from './names.js';
import { STATE_WORDS, type Topologies, type Topology, TRAIT_WORDS, type Variant } from './topologies.js';

type Deviation = FleetData['deviations'][number];

interface Difference {
  /** -1: of the machine. */
  readonly position: number;
  readonly what: string;
  readonly usual: string;
  readonly here: string;
}

interface Group {
  readonly topology: Topology;
  readonly differences: readonly Difference[];
  machines: number;
  readonly names: First<string>;
  /** The one with the first name. */
  variant: Variant;
}

/** What so much of a topology's machines agree on is usual: 3 of 4. */
const USUAL_SHARE = 0.75;

/** Machines that are not as the others of their topology, the most worrying first. */
export function deviations(all: Topologies, list: readonly Topology[], leftOut: string[]): Deviation[] {
  const groups = list.filter(({ machines }) => machines >= LIKE_MIN).flatMap((one) => groupsOf(all, one));
  groups.sort(
    (a, b) =>
      worry(a) - worry(b) ||
      b.topology.machines - a.topology.machines ||
      compareText(a.variant.firstName, b.variant.firstName),
  );
  if (groups.length > LISTED_MAX) leftOut.push(`deviations: ${groups.length - LISTED_MAX} more kinds`);
  return groups.slice(0, LISTED_MAX).map(({ topology, differences, machines, names, variant }) => ({
    topology: hashText(topology.signature),
    like: topology.machines,
    machines,
    examples: [...names.list],
    differences: differences.slice(0, DIFFERENCES_MAX).map(({ position, what, usual, here }) => ({
      slot: position < 0 ? null : slotOfKey(variant.slots[position] ?? 0),
      what,
      usual,
      here,
    })),
    more: Math.max(0, differences.length - DIFFERENCES_MAX),
  }));
}

function groupsOf(all: Topologies, topology: Topology): Group[] {
  const variants = [...topology.variants.values()];
  if (variants.length < 2) return [];
  const differences = new Map<Variant, Difference[]>(variants.map((variant) => [variant, []]));
  const compare = (position: number, what: string, said: (variant: Variant) => string) => {
    const usual = usualOf(variants, said);
    if (usual === undefined) return;
    for (const variant of variants) {
      const here = said(variant);
      if (here !== usual) differences.get(variant)?.push({ position, what, usual, here });
    }
  };
  for (const word of TRAIT_WORDS) {
    compare(-1, word, ({ traits }) => all.traits(traits)[word] ?? 'not known');
  }
  for (let position = 0; position < topology.slots.length; position++) {
    const first = variants[0]?.states[position];
    if (variants.every(({ states }) => states[position] === first)) continue;
    for (const word of STATE_WORDS) {
      compare(position, word, ({ states }) => all.state(states[position] ?? 0)[word]);
    }
  }
  const groups = new Map<string, Group>();
  for (const variant of variants) {
    const here = withoutRepeats(differences.get(variant) ?? []);
    if (here.length === 0) continue;
    const key = JSON.stringify(here);
    const group = groups.get(key);
    if (!group) {
      const names = firstNames(SAMPLE_MAX);
      for (const name of variant.names.list) names.add(name);
      groups.set(key, { topology, differences: here, machines: variant.machines, names, variant });
      continue;
    }
    group.machines += variant.machines;
    for (const name of variant.names.list) group.names.add(name);
    if (variant.firstName < group.variant.firstName) group.variant = variant;
  }
  return [...groups.values()];
}

function usualOf(variants: readonly Variant[], said: (variant: Variant) => string): string | undefined {
  const counts = new Map<string, number>();
  let all = 0;
  for (const variant of variants) {
    const value = said(variant);
    counts.set(value, (counts.get(value) ?? 0) + variant.machines);
    all += variant.machines;
  }
  if (counts.size < 2) return undefined;
  for (const [value, machines] of counts) if (machines >= all * USUAL_SHARE) return value;
  return undefined;
}

/** A function that does not answer has another verdict, too: that goes without saying. */
function withoutRepeats(differences: readonly Difference[]): Difference[] {
  const absent = new Set(
    differences.filter(({ what }) => what === 'presence').map(({ position }) => position),
  );
  return differences.filter(({ what, position }) => what !== 'verdict' || !absent.has(position));
}

function worry({ differences }: Group): number {
  return Math.min(
    ...differences.map(({ what, here, usual }) => {
      if (what === 'verdict' && here === 'live') return 0;
      if (what === 'presence' && usual === 'present') return 1;
      return what === 'kernel' ? 3 : 2;
    }),
  );
}
