import fc from 'fast-check';
import type { Machine } from '../../src/host/scan.js';
import { hex } from '../../src/pci/slot.js';
import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import type { Policy, PolicyRule } from '../../src/quiesce/policy.js';
import type { Random } from '../../src/sim/random.js';
import { policies } from './policies.js';

const BRIDGES = ['pci-bridge', 'cardbus-bridge'];

/** The default policy but for bridges, which are gated, too. */
function withBridges(): Policy {
  const policy = defaultPolicy();
  return { ...policy, name: 'bridges', rules: policy.rules.filter(({ id }) => !BRIDGES.includes(id)) };
}

/** Rules that name functions of this machine, by slot or by ids. */
function selective(machine: Machine, random: Random, name: string, actions: PolicyRule['action'][]): Policy {
  const nodes = [...machine.topology.nodes.values()];
  const rules = Array.from({ length: random.between(1, 4) }, (_, n): PolicyRule => {
    const { slot, vendor, device } = random.pick(nodes).function;
    const id = `${hex(vendor, 4)}:${hex(device, 4)}`;
    const match = random.pick([{ slot }, { id }, { slot: slot.slice(5, 8) }, { slot, id }]);
    return { id: `drawn-${n}`, match, action: random.pick(actions), reason: 'drawn' };
  });
  const base = random.chance(50) ? withBridges() : defaultPolicy();
  return { ...base, name, rules: [...rules, ...base.rules] };
}

/** A policy for this machine, of one of several kinds. Its bounds are far away, since QEMU can be slow. */
export function randomPolicy(machine: Machine, random: Random): Policy {
  const drawn = ((): Policy => {
    switch (random.below(6)) {
      case 0:
        return defaultPolicy();
      case 1:
        return withBridges();
      case 2:
        return selective(machine, random, 'preserve', ['preserve']);
      case 3:
        return selective(machine, random, 'selectors', ['exempt', 'gate', 'gate', 'preserve']);
      case 4: {
        const policy = selective(machine, random, 'chosen', ['gate', 'gate', 'reset']);
        return { ...policy, otherwise: { action: 'exempt', reason: 'not chosen' } };
      }
      default:
        return fc.sample(policies, { numRuns: 1, seed: random.below(0x7fff_ffff) })[0] ?? defaultPolicy();
    }
  })();
  return { ...drawn, between: { ...drawn.between, walkTimeoutMs: 60_000 } };
}
