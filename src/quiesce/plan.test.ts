import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machines } from '../../test/support/arbitrary.js';
import { type MemoryFunction, memoryHost, slotOf } from '../../test/support/memory-host.js';
import { scan } from '../host/scan.js';
import { ancestors } from '../pci/topology.js';
import { defaultPolicy } from './default-policy.js';
import { makePlan } from './plan.js';
import { type Policy, parsePolicy } from './policy.js';
import { isBridge, verdictOf } from './verdict.js';

const GATE_ALL: Policy = parsePolicy(
  JSON.stringify({
    schema: 'shootdown.policy/1',
    name: 'gate all',
    rules: [],
    otherwise: { action: 'gate', reason: 'everything' },
  }),
  'test',
);
const BRIDGE = { classCode: 0x060400, command: 0x0007 } as const;
const NIC = { classCode: 0x020000, command: 0x0006, interruptPin: 1 } as const;

async function planFor(
  functions: Record<string, MemoryFunction>,
  policy = GATE_ALL,
  at: 'before' | 'between' | 'after' = 'between',
) {
  const machine = await scan(memoryHost(functions));
  return { machine, plan: makePlan(machine, policy, { at }) };
}

const gated = (plan: { steps: readonly { kind: string; slot: string; register?: string }[] }) =>
  plan.steps.filter((s) => s.kind === 'write' && s.register === 'PCI_COMMAND').map((s) => s.slot);

describe('makePlan', () => {
  it('goes leaf to root, endpoints before bridges', async () => {
    const { plan } = await planFor({
      '0000:00:1c.0': { ...BRIDGE, bridge: { secondary: 1, subordinate: 2 } },
      '0000:00:1f.0': NIC,
      '0000:01:00.0': { ...BRIDGE, bridge: { primary: 1, secondary: 2 } },
      '0000:02:00.0': NIC,
    });
    expect(gated(plan)).toEqual(['0000:02:00.0', '0000:00:1f.0', '0000:01:00.0', '0000:00:1c.0']);
  });

  it('puts virtual functions before their physical one', async () => {
    const sriov = { kind: 'sriov', vfEnable: true, numVfs: 2, vfOffset: 0x100, vfStride: 1 } as const;
    const { plan } = await planFor({
      '0000:00:01.0': { ...BRIDGE, bridge: { secondary: 1, subordinate: 2 } },
      '0000:01:00.0': { ...NIC, capabilities: [{ kind: 'express' }], extended: [sriov] },
      '0000:02:00.0': { ...NIC, vendor: 0xffff, device: 0xffff },
      '0000:02:00.1': { ...NIC, vendor: 0xffff, device: 0xffff },
    });
    expect(gated(plan)).toEqual(['0000:02:00.0', '0000:02:00.1', '0000:01:00.0', '0000:00:01.0']);
  });

  it('keeps a bridge open above a function that stays live', async () => {
    const { plan } = await planFor(
      {
        '0000:00:1c.0': { ...BRIDGE, bridge: { secondary: 1 } },
        '0000:01:00.0': { ...NIC, facts: { driver: 'e1000e' } },
      },
      GATE_ALL,
      'before',
    );
    expect(plan.steps).toEqual([]);
    expect(plan.skipped.map(({ reason }) => reason)).toEqual([
      'e1000e is bound to 0000:01:00.0 below it, and may need it',
      expect.stringContaining('bound to e1000e'),
    ]);
  });

  it('keeps a bridge open above an endpoint that the policy exempts', async () => {
    const rules = [{ id: 'spare', match: { class: '02' }, action: 'exempt', reason: 'test' }];
    const policy = parsePolicy(JSON.stringify({ ...GATE_ALL, rules }), 'test');
    const bridge = { ...BRIDGE, bridge: { secondary: 1 } };
    const { plan } = await planFor({ '0000:00:1c.0': bridge, '0000:01:00.0': NIC }, policy);
    expect(plan.skipped[0]?.reason).toBe(
      '0000:01:00.0 below it stays live: a refused request may hang the machine',
    );
  });

  it('treats an endpoint with functions below it in another domain as a bridge (Intel VMD)', async () => {
    const vmd = { classCode: 0x010400, command: 0x0006, facts: { driver: 'vmd' } };
    const below = (driver: string | null) => ({ ...NIC, facts: { driver, parent: slotOf('00:0e.0') } });
    const at = async (place: 'before' | 'between', more: object = {}) => {
      const functions = { '0000:00:0e.0': { ...vmd, ...more }, '10000:e1:00.0': below('nvme') };
      return (await planFor(functions, GATE_ALL, place)).plan;
    };
    expect((await at('between')).skipped.map(({ reason }) => reason)).toEqual([
      '10000:e1:00.0 below it stays live: a refused request may hang the machine',
      expect.stringContaining('in another PCI segment'),
    ]);
    expect((await at('before', { facts: { driver: null } })).steps).toEqual([]);
  });

  it('unbinds no bridge, and no physical function whose virtual ones are in use', async () => {
    const rules = [{ id: 'all', match: { driver: '*' }, action: 'reset', reason: 'test' }];
    const policy = parsePolicy(
      JSON.stringify({
        ...GATE_ALL,
        rules: [{ id: 'keep-vf', match: { vf: true }, action: 'exempt', reason: 'a guest has it' }, ...rules],
      }),
      'test',
    );
    const sriov = { kind: 'sriov', vfEnable: true, numVfs: 1, vfOffset: 8, vfStride: 1 } as const;
    const { plan } = await planFor(
      {
        '0000:00:1c.0': { ...BRIDGE, bridge: { secondary: 1 }, facts: { driver: 'pcieport' } },
        '0000:01:00.0': {
          ...NIC,
          capabilities: [{ kind: 'express' }],
          extended: [sriov],
          facts: { driver: 'ice' },
        },
        '0000:01:01.0': { ...NIC, vendor: 0xffff, device: 0xffff, facts: { driver: 'vfio-pci' } },
      },
      policy,
      'before',
    );
    expect(plan.steps).toEqual([]);
    expect(plan.skipped.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('a bridge: it is neither unbound nor reset'),
      'its virtual function 0000:01:01.0 is in use, and would go with it',
      'a guest has it',
    ]);
  });

  it('preserves the physical function of a virtual one that is preserved', async () => {
    const rules = [
      { id: 'keep', match: { id: '15b3:101e' }, action: 'preserve', reason: 'live update' },
      { id: 'all', match: {}, action: 'reset', reason: 'test' },
    ];
    const policy = parsePolicy(JSON.stringify({ ...GATE_ALL, rules }), 'test');
    const ids = { vendor: 0x15b3, device: 0x101e, classCode: 0x020000 };
    const { plan } = await planFor(
      {
        '0000:01:00.0': { ...NIC, facts: { driver: 'mlx5_core' } },
        '0000:01:00.2': {
          ...NIC,
          vendor: 0xffff,
          device: 0xffff,
          facts: { driver: 'vfio-pci', ids, physfn: slotOf('01:00.0') },
        },
      },
      policy,
      'before',
    );
    expect(plan.steps).toEqual([]);
    expect(plan.skipped.every(({ rule }) => rule === 'keep')).toBe(true);
  });

  it('waits before it turns MSI off, and turns it off only behind INTx-disable', async () => {
    const capabilities = [{ kind: 'msix', enable: true, tableSize: 8 }, { kind: 'express' }] as const;
    const { plan } = await planFor({ '0000:00:02.0': { ...NIC, capabilities } });
    expect(plan.steps.map((s) => [s.kind, 'register' in s ? s.register : ''])).toEqual([
      ['write', 'PCI_COMMAND'],
      ['wait', 'PCI_EXP_DEVSTA'],
      ['write', 'PCI_MSIX_FLAGS'],
    ]);
    expect(plan.steps[2]).toMatchObject({
      onlyIf: 'intx-disabled',
      before: 0x8007,
      value: 0x4000,
      mask: 0xc000,
    });
  });

  it('leaves what it may not reach or wake, each with its reason', async () => {
    const { plan } = await planFor({
      '0000:00:01.0': { ...NIC, capabilities: [{ kind: 'pm', state: 3 }] },
      '0000:00:02.0': { ...NIC, facts: { driver: null, powerState: 'D3cold' } },
      '0000:00:03.0': { command: 0xffff, status: 0xffff },
      '10000:00:04.0': NIC,
    });
    expect(plan.steps).toEqual([]);
    expect(plan.skipped.map(({ reason }) => reason.slice(0, 12))).toEqual([
      'in D3hot: it',
      'in D3cold: i',
      'reads all on',
      'in another P',
    ]);
  });

  it('leaves between the kernels what is behind a bridge that sleeps, and the bridges above that', async () => {
    const root = { ...BRIDGE, bridge: { secondary: 1, subordinate: 2 } };
    const reasons = async (middle: MemoryFunction, at: 'between' | 'after' = 'between') => {
      const functions = { '0000:00:1c.0': root, '0000:01:00.0': middle, '0000:02:00.0': NIC };
      const { plan } = await planFor(functions, GATE_ALL, at);
      return Object.fromEntries(plan.skipped.map(({ slot, reason }) => [slot, reason]));
    };
    const pm = (state: 0 | 3) => [{ kind: 'pm', state }] as const;
    const middle = { ...BRIDGE, bridge: { primary: 1, secondary: 2 } };
    expect(await reasons({ ...middle, capabilities: pm(0) })).toEqual({});
    const asleep = { ...middle, capabilities: pm(3) };
    expect((await reasons(asleep))['0000:02:00.0']).toBe(
      'below 0000:01:00.0, which is in D3hot: not reached',
    );
    expect(await reasons(asleep, 'after')).not.toHaveProperty('0000:02:00.0');
    const quiet = { ...asleep, command: 0x0003 };
    const { plan } = await planFor({ '0000:00:1c.0': root, '0000:01:00.0': quiet });
    expect(plan.skipped[0]?.reason).toBe(
      '0000:01:00.0 below it is in D3hot: what is behind it cannot be looked at',
    );
  });

  it('keeps a bridge open between the kernels above what cannot be looked at', async () => {
    const root = { ...BRIDGE, bridge: { secondary: 1 } };
    const ids = { vendor: 0x8086, device: 0x2940, classCode: 0x060400 };
    const reason = async (functions: Record<string, MemoryFunction>) =>
      (await planFor(functions)).plan.skipped[0]?.reason;
    const suspended = { ...BRIDGE, facts: { driver: 'pcieport', asleep: true, ids } };
    expect(await reason({ '0000:00:1c.0': root, '0000:01:00.0': suspended })).toBe(
      '0000:01:00.0 below it is suspended: what is behind it cannot be looked at',
    );
    const vmd = { classCode: 0x010400, command: 0x0006 };
    const behind = { ...NIC, command: 0, facts: { parent: slotOf('00:0e.0') } };
    expect(await reason({ '0000:00:0e.0': vmd, '10000:e1:00.0': behind })).toBe(
      '10000:e1:00.0 below it is in another PCI segment: what is behind it cannot be looked at',
    );
  });

  it('preserves a function with every bridge above it', async () => {
    const policy = parsePolicy(
      JSON.stringify({
        ...GATE_ALL,
        rules: [{ id: 'keep', match: { slot: '02:00.0' }, action: 'preserve', reason: 'live update' }],
      }),
      'test',
    );
    const { plan } = await planFor(
      {
        '0000:00:1c.0': { ...BRIDGE, bridge: { secondary: 1, subordinate: 2 } },
        '0000:01:00.0': { ...BRIDGE, bridge: { primary: 1, secondary: 2 } },
        '0000:02:00.0': NIC,
      },
      policy,
    );
    expect(plan.steps).toEqual([]);
    expect(plan.skipped.every(({ rule }) => rule === 'keep')).toBe(true);
  });

  it('unbinds first where a rule says so, and only before the jump', async () => {
    const rules = [{ id: 'xhci', match: { driver: 'xhci*' }, action: 'reset', reason: 'it is left running' }];
    const policy = parsePolicy(JSON.stringify({ ...GATE_ALL, rules }), 'test');
    const functions = { '0000:00:14.0': { ...NIC, facts: { driver: 'xhci_hcd' } } };
    const kinds = async (at: 'before' | 'between') =>
      (await planFor(functions, policy, at)).plan.steps.map((s) => s.kind);
    expect(await kinds('before')).toEqual(['unbind', 'reset', 'write']);
    expect(await kinds('between')).toEqual(['write']);
  });

  it('never lets a bridge go before or above a live child, in whatever order siblings come', async () => {
    await fc.assert(
      fc.asyncProperty(
        machines,
        fc.constantFrom('before', 'between', 'after'),
        fc.boolean(),
        async (functions, at, all) => {
          const { machine, plan } = await planFor(functions, all ? GATE_ALL : defaultPolicy(), at);
          const order = new Map(gated(plan).map((slot, index) => [slot, index]));
          for (const [slot, { function: fn }] of machine.topology.nodes) {
            if (isBridge(fn) || verdictOf(fn) === 'quiet') continue;
            const at = order.get(slot);
            for (const above of ancestors(machine.topology, slot)) {
              const bridge = order.get(above);
              if (bridge === undefined) continue;
              expect(at, `${above} is gated while ${slot} below it is ${verdictOf(fn)}`).toBeDefined();
              expect(at).toBeLessThan(bridge);
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('says of every function either what is done or why not', async () => {
    await fc.assert(
      fc.asyncProperty(machines, fc.constantFrom('before', 'between', 'after'), async (functions, at) => {
        const { machine, plan } = await planFor(functions, defaultPolicy(), at);
        const touched = new Set(plan.steps.map(({ slot }) => slot));
        const skipped = plan.skipped.map(({ slot }) => slot);
        expect(new Set(skipped).size).toBe(skipped.length);
        expect([...touched, ...skipped].sort()).toEqual([...machine.topology.nodes.keys()].sort());
        expect(plan.skipped.every(({ reason }) => reason.length > 0)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('has a fingerprint that register values in normal work do not change', async () => {
    const one = await planFor({ '0000:00:02.0': NIC });
    const idle = await planFor({ '0000:00:02.0': { ...NIC, command: 0, status: 8 } });
    const other = await planFor({ '0000:00:02.0': { ...NIC, device: 0x4321 } });
    expect(idle.plan.fingerprint).toBe(one.plan.fingerprint);
    expect(other.plan.fingerprint).not.toBe(one.plan.fingerprint);
    expect(slotOf('02:00.0')).toBe('0000:02:00.0');
  });
});
