import { describeHostContract } from '../../test/host-contract.js';
import { createMachine, profileNames, randomMachine } from './index.js';

for (const name of profileNames) {
  describeHostContract(`sim:${name}`, async () => {
    const { host, functions } = createMachine(name);
    const endpoint = [...functions.values()].find((fn) => fn.device && !fn.isBridge && !fn.physfn);
    if (!endpoint) throw new Error(`${name} has no endpoint`);
    const visible = endpoint.layout.express === undefined ? 256 : 4096;
    return { host, slots: [...functions.keys()], present: endpoint.slot, visible };
  });
}

describeHostContract('a random machine with an absent function', async () => {
  for (let seed = 0; ; seed++) {
    const { description, busy, absent } = randomMachine(seed, { domains: 2 });
    const { host, functions } = createMachine(description, { seed });
    const [gone] = absent;
    const present = [...busy].find((slot) => functions.get(slot)?.layout.express !== undefined);
    if (gone && present) return { host, slots: [...functions.keys()], present, visible: 4096, absent: gone };
  }
});
