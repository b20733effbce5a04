import { expect, it } from 'vitest';
import { PLATFORMS } from '../platform.js';
import { drawCase, policyOf } from './case.js';

const drawn = Array.from({ length: 300 }, (_, n) => drawCase({ seed: 1, functions: 8, policy: 'ours' }, n));

it('closes bridges only where a closed root port does not stop the processor, too', () => {
  const seen = new Set<string>();
  for (const { machine, jumps } of drawn) {
    const { platform = 'x86-server', rules } = machine;
    const gates = rules?.rootPortGatesMmio ?? PLATFORMS[platform].rootPortGatesMmio;
    for (const { bridges } of jumps)
      seen.add(`${gates ? 'gates' : 'passes'}, ${bridges ? 'closed' : 'open'}`);
  }
  expect([...seen].sort()).toEqual(['gates, open', 'passes, closed', 'passes, open']);
});

it('preserves every function whose DMA is wanted', () => {
  let all = 0;
  for (const { machine, jumps } of drawn) {
    const wanted = machine.functions.filter((fn) => fn.wanted).length;
    all += wanted;
    for (const { rules } of jumps)
      expect(rules.filter(({ action }) => action === 'preserve')).toHaveLength(wanted);
  }
  expect(all).toBeGreaterThan(0);
});

it('leaves the rules about bridges out of its policy where bridges are to be closed', () => {
  const ids = (bridges: boolean) => {
    const jump = drawn[0]?.jumps[0];
    return jump ? policyOf({ ...jump, bridges }).rules.map(({ id }) => id) : [];
  };
  expect([ids(false).includes('pci-bridge'), ids(true).includes('pci-bridge')]).toEqual([true, false]);
});
