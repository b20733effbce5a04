import fc from 'fast-check';
import type { CapabilityDescription } from './encode.js';
import type { MemoryFunction } from './memory-host.js';

const capabilities: fc.Arbitrary<CapabilityDescription[]> = fc
  .tuple(
    fc.option(fc.record({ kind: fc.constant('pm' as const), state: fc.constantFrom(0, 0, 0, 3) }), {
      nil: null,
    }),
    fc.option(fc.record({ kind: fc.constant('msi' as const), enable: fc.boolean() }), { nil: null }),
    fc.option(fc.record({ kind: fc.constant('msix' as const), enable: fc.boolean() }), { nil: null }),
    fc.option(fc.record({ kind: fc.constant('express' as const), flr: fc.boolean() }), { nil: null }),
  )
  .map((list) => list.filter((item) => item !== null));

const command = fc.constantFrom(0x0000, 0x0006, 0x0406, 0x0007, 0x0107, 0x0507);

const endpoint: fc.Arbitrary<MemoryFunction> = fc.record({
  classCode: fc.constantFrom(0x020000, 0x010802, 0x0c0330, 0x030000, 0x030200, 0x010601, 0x120000),
  command,
  status: fc.constantFrom(0, 0, 0x0008),
  interruptPin: fc.constantFrom(0, 1, 2),
  capabilities,
  facts: fc.constantFrom({ driver: null }, { driver: null }, { driver: 'e1000e' }),
});

const gone: fc.Arbitrary<MemoryFunction> = fc.constant({
  command: 0xffff,
  status: 0xffff,
  size: 64 as const,
});

interface Tree {
  readonly leaves: readonly MemoryFunction[];
  readonly bridges: readonly { readonly bridge: MemoryFunction; readonly below: Tree }[];
}

function treeOf(depth: number): fc.Arbitrary<Tree> {
  const leaves = fc.array(fc.oneof({ weight: 9, arbitrary: endpoint }, { weight: 1, arbitrary: gone }), {
    maxLength: 3,
  });
  if (depth === 0) return leaves.map((list) => ({ leaves: list, bridges: [] }));
  const bridge = fc.record({ classCode: fc.constant(0x060400), command, capabilities });
  const bridges = fc.array(fc.record({ bridge, below: treeOf(depth - 1) }), { maxLength: 2 });
  return fc.record({ leaves, bridges });
}

/** Machines with bridges up to a few levels deep, live and quiet functions, some bound, some gone. */
export const machines: fc.Arbitrary<Record<string, MemoryFunction>> = treeOf(3).map((root) => {
  const functions: Record<string, MemoryFunction> = {};
  let lastBus = 0;
  const place = (bus: number, { leaves, bridges }: Tree): void => {
    let device = 0;
    const slot = () =>
      `0000:${bus.toString(16).padStart(2, '0')}:${(device++).toString(16).padStart(2, '0')}.0`;
    for (const leaf of leaves) functions[slot()] = leaf;
    for (const { bridge, below } of bridges) {
      if (lastBus >= 200) return;
      const at = slot();
      const secondary = ++lastBus;
      place(secondary, below);
      functions[at] = { ...bridge, bridge: { primary: bus, secondary, subordinate: lastBus } };
    }
  };
  place(0, root);
  return functions;
});
