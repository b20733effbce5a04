import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machines } from '../../test/support/arbitrary.js';
import { type MemoryFunction, memoryHost, slotOf } from '../../test/support/memory-host.js';
import { policies } from '../../test/support/policies.js';
import { tableDecisions } from '../../test/support/table-decider.js';
import { type Machine, scan } from '../host/scan.js';
import { slotParts } from '../pci/slot.js';
import { decider } from '../quiesce/decide.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { type Policy, parsePolicy } from '../quiesce/policy.js';
import { createMachine, randomMachine } from '../sim/index.js';
import { BUS_FLAGS, CONDITIONS, FACTS_MAX, TABLE } from './layout.js';
import { compileTable } from './table.js';
import { encodeTable, type Table } from './table-data.js';
import { parseTable } from './table-parse.js';

const TOOL = 'shootdown 0.0.0';
const BRIDGE = { classCode: 0x060400, command: 0x0007 } as const;
const NIC = { classCode: 0x020000, command: 0x0006 } as const;

function policyOf(rules: readonly object[], more: object = {}): Policy {
  const named = rules.map((rule, n) => ({ id: `r${n}`, action: 'gate', reason: 'test', ...rule }));
  const otherwise = { action: 'gate', reason: 'test' };
  const whole = { schema: 'shootdown.policy/1', name: 'test', rules: named, otherwise, ...more };
  return parsePolicy(JSON.stringify(whole), 'test');
}

const machineOf = (functions: Record<string, MemoryFunction>): Promise<Machine> =>
  scan(memoryHost(functions));

/** A table says of each function what the policy says of it between the kernels. */
function expectSameDecisions(policy: Policy, machine: Machine): void {
  const { bytes } = compileTable(policy, { machine, tool: TOOL });
  const table = parseTable(bytes);
  const decide = decider(policy, machine, 'between');
  for (const [slot, { action, rule }] of tableDecisions(table, machine)) {
    const wanted = decide(slot);
    const acts = wanted.action === 'unbind' || wanted.action === 'reset' ? 'gate' : wanted.action;
    expect({ slot, action }).toEqual({ slot, action: acts });
    const preserved = acts === 'preserve';
    if (!preserved) expect(table.template.rules[rule] ?? 'otherwise').toBe(wanted.rule);
  }
}

describe('compileTable', () => {
  it('decides as the policy does, on random machines with random policies', async () => {
    const holds = fc.array(
      fc.record({
        pick: fc.nat(),
        facts: fc.constantFrom<NonNullable<MemoryFunction['facts']>>(
          { holds: ['root'] },
          { holds: ['console', 'swap'], driver: 'nvme' },
          { bootVga: true },
          { bootVga: false },
        ),
      }),
      { maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(machines, policies, holds, async (functions, policy, more) => {
        const slots = Object.keys(functions);
        const changed = { ...functions };
        for (const { pick, facts } of more) {
          const slot = slots[pick % Math.max(slots.length, 1)];
          const fn = slot === undefined ? undefined : changed[slot];
          if (slot !== undefined && fn) changed[slot] = { ...fn, facts: { ...fn.facts, ...facts } };
        }
        expectSameDecisions(policy, await machineOf(changed));
      }),
      { numRuns: 400 },
    );
  });

  it('decides as the policy does on simulated machines, which have virtual functions and segments', async () => {
    const options = { functions: fc.constant(40), domains: fc.integer({ min: 1, max: 2 }) };
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.record(options), policies, async (seed, drawn, policy) => {
        const machine = await scan(createMachine(randomMachine(seed, drawn).description).host);
        expectSameDecisions(policy, machine);
      }),
      { numRuns: 150 },
    );
  });

  it('decides as the policy does where drivers are not known', async () => {
    await fc.assert(
      fc.asyncProperty(machines, policies, async (functions, policy) => {
        const machine = await machineOf(functions);
        expectSameDecisions(policy, { ...machine, facts: new Map() });
        // As of functions that the kernel was not wrapped for.
        const table = parseTable(compileTable(policy, { tool: TOOL }).bytes);
        const roots = compileTable(policy, { machine, tool: TOOL }).table.busFlags;
        const unknown = tableDecisions({ ...table, busFlags: roots }, machine);
        const decide = decider(policy, { ...machine, facts: new Map() }, 'between');
        for (const [slot, { action }] of unknown) {
          const wanted = decide(slot).action;
          expect(action).toBe(wanted === 'unbind' || wanted === 'reset' ? 'gate' : wanted);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('is read back as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(machines, policies, fc.nat(5_000_000), async (functions, policy, tscKhz) => {
        const machine = await machineOf(functions);
        const { bytes, table } = compileTable(policy, { machine, tscKhz, slowTicks: 7n, tool: TOOL });
        expect(bytes.length % 8).toBe(0);
        expect(parseTable(bytes)).toEqual(table);
        expect(encodeTable(parseTable(bytes))).toEqual(bytes);
      }),
      { numRuns: 100 },
    );
  });

  it('turns the default policy into masks', () => {
    const { table, notes } = compileTable(defaultPolicy(), { tool: TOOL });
    expect(notes).toEqual([
      'rule usb-without-driver counts whatever driver is bound: that is known only where a machine is named (--for)',
    ]);
    expect(table.template.rules).not.toContain('needed-to-run');
    const rule = (id: string) => table.rules[table.template.rules.indexOf(id)];
    expect(rule('memory-controller')).toMatchObject({ classMask: 0xff00_0000, classValue: 0x0500_0000 });
    expect(rule('pci-bridge')).toMatchObject({ headerType: 1, classMask: 0, action: 'exempt' });
    expect(rule('boot-display')).toMatchObject({ conditions: CONDITIONS.bootDisplay, factBit: null });
    expect(rule('usb-without-driver')).toMatchObject({ factBit: 0 });
    expect(table.defaultFacts).toBe(1);
    expect(table.busFlags[0]).toBe(BUS_FLAGS.root);
    expect(table).toMatchObject({ walkTicks: 750_000_000n, pendingTicks: 300_000_000n, hasPreserve: false });
  });

  it('takes bounds from the policy, and flags from it and from the options', () => {
    const between = { walkTimeoutMs: 40, scan: 'all', progress: true };
    const policy = policyOf([{ match: {}, action: 'preserve' }], { between, onFailure: 'stop' });
    const { table } = compileTable(policy, { tool: TOOL, tscKhz: 1000, progress: false });
    expect(table).toMatchObject({ scanAll: true, progress: false, hasPreserve: true, stopOnFailure: true });
    expect(table).toMatchObject({ walkTicks: 40_000n, pendingTicks: 250_000n, tscKhz: 1000 });
  });

  it('leaves out what cannot match, and says so', () => {
    const { table, notes } = compileTable(
      policyOf([
        { match: { slot: '0001:00:00.0' } },
        { match: { class: '02', id: '::0300' } },
        { match: { class: '0c03', id: '::0cxx:30' } },
        { match: { driver: 'x' }, at: ['before'] },
      ]),
      { tool: TOOL },
    );
    expect(table.template.rules).toEqual(['r2']);
    expect(table.rules[0]).toMatchObject({ classMask: 0xffff_ff00, classValue: 0x0c03_3000 });
    expect(notes).toEqual([
      'rule r0 is left out: it names PCI segment 0001, and only 0000 is reached',
      'rule r1 is left out: its class and its id contradict each other',
    ]);
  });

  it('refuses more fact rules than there are bits', () => {
    const rules = (count: number) => Array.from({ length: count }, () => ({ match: { driver: 'x' } }));
    expect(compileTable(policyOf(rules(FACTS_MAX)), { tool: TOOL }).table.rules).toHaveLength(FACTS_MAX);
    expect(() => compileTable(policyOf(rules(FACTS_MAX + 1)), { tool: TOOL })).toThrow(/room for 32: merge/);
  });

  it('uses the last fact bit', async () => {
    const rules = Array.from({ length: FACTS_MAX }, () => ({ match: { driver: 'x' }, action: 'exempt' }));
    const machine = await machineOf({ '00:01.0': { ...NIC, facts: { driver: 'x' } } });
    const { table } = compileTable(policyOf(rules), { machine, tool: TOOL });
    expect(table.defaultFacts).toBe(0xffff_ffff);
    expect(parseTable(encodeTable(table)).known[0]?.facts).toBe(0xffff_ffff);
  });

  it('has a digest that depends on what a policy says and not on how it is written', () => {
    const digest = (policy: Policy) => compileTable(policy, { tool: TOOL }).table.template.policy.sha256;
    const a = policyOf([{ match: { class: '02', vf: true } }]);
    const b = policyOf([{ match: { vf: true, class: '02' } }], { onFailure: 'continue' });
    expect(digest(a)).toMatch(/^[0-9a-f]{64}$/);
    expect(digest(b)).toBe(digest(a));
    expect(digest(policyOf([{ match: { class: '03', vf: true } }]))).not.toBe(digest(a));
  });
});

describe('known functions', () => {
  const sriov = { kind: 'sriov', vfEnable: true, numVfs: 2, vfOffset: 0x100, vfStride: 1 } as const;

  it('carry capability offsets and what the system knows', async () => {
    const machine = await machineOf({
      '00:01.0': {
        ...BRIDGE,
        bridge: { secondary: 1, subordinate: 2 },
        capabilities: [{ kind: 'express', type: 4 }],
      },
      '00:02.0': { classCode: 0x030000, facts: { bootVga: true } },
      '01:00.0': {
        ...NIC,
        capabilities: [
          { kind: 'pm' },
          { kind: 'msi' },
          { kind: 'msix' },
          { kind: 'express' },
          { kind: 'af' },
        ],
      },
      '01:00.1': { ...NIC, capabilities: [{ kind: 'af', hasPending: true }], size: 64 },
    });
    const { table } = compileTable(policyOf([]), { machine, tool: TOOL });
    expect(table.known.map(({ routingId }) => routingId)).toEqual([0x08, 0x10, 0x100, 0x101]);
    expect(table.known[0]).toMatchObject({ oneDevice: false, id: 0x1234_8086, bootVga: null });
    expect(table.known[1]).toMatchObject({ bootVga: true, capabilities: { pm: 0, express: 0 } });
    expect(table.known[2]?.capabilities).toEqual({ pm: 0x40, msi: 0x48, msix: 0x54, express: 0x60, af: 0 });
    expect(table.known[3]?.capabilities).toBeNull();
    // Function 0 says that it is alone.
    expect(table.busFlags[1]).toBe(BUS_FLAGS.everyRid);
  });

  it('name physical functions and the buses of virtual ones', async () => {
    const root = { ...BRIDGE, capabilities: [{ kind: 'express', type: 4 }] } as const;
    const vf = { ...NIC, vendor: 0xffff, device: 0xffff } as const;
    const machine = await machineOf({
      '00:01.0': { ...root, bridge: { secondary: 1, subordinate: 2 } },
      '00:02.0': { ...root, bridge: { secondary: 4, subordinate: 5 } },
      '00:03.0': { ...root, bridge: { secondary: 6 } },
      '01:00.0': { ...NIC, capabilities: [{ kind: 'express' }], extended: [sriov] },
      '02:00.0': { ...vf, facts: { ids: { vendor: 0x15b3, device: 0x1018, classCode: 0x020000 } } },
      '02:00.1': vf,
      '04:00.0': {
        ...NIC,
        capabilities: [{ kind: 'express' }],
        extended: [{ ...sriov, vfEnable: false, numVfs: 0, totalVfs: 1024 }],
      },
      '06:00.0': vf,
      '00:04.0': { ...root, bridge: { secondary: 8, subordinate: 10 } },
      '09:00.0': NIC,
    });
    const { table } = compileTable(policyOf([]), { machine, tool: TOOL });
    const at = (routingId: number) => table.known.find((fn) => fn.routingId === routingId);
    expect(at(0x200)).toMatchObject({ vf: true, physfn: 0x100, id: 0x1018_15b3 });
    expect(at(0x201)).toMatchObject({ vf: true, physfn: 0x100, id: 0xffff_ffff });
    expect(at(0x100)).toMatchObject({ vf: false, physfn: 0x100 });
    expect(at(0x600)).toMatchObject({ vf: true, physfn: 0x600 });
    const virtual = BUS_FLAGS.listed | BUS_FLAGS.everyRid;
    const { root: isRoot, listed, everyRid } = BUS_FLAGS;
    expect([...table.busFlags.slice(0, 11)]).toEqual([
      isRoot,
      0,
      virtual,
      0,
      0,
      virtual,
      everyRid,
      0,
      0,
      listed,
      0,
    ]);
    expect([0x08, 0x10, 0x18, 0x20].map((id) => at(id)?.oneDevice)).toEqual([true, true, false, true]);
  });

  it('tell ARI functions by their device numbers', async () => {
    const machine = await machineOf({
      '00:01.0': { ...BRIDGE, bridge: { secondary: 1 }, capabilities: [{ kind: 'express', type: 4 }] },
      '00:02.0': { ...BRIDGE, bridge: { secondary: 2 } },
      '01:00.0': { ...NIC, multiFunction: true },
      '01:01.0': NIC,
      '02:00.0': NIC,
      '02:01.0': NIC,
    });
    const { table } = compileTable(policyOf([]), { machine, tool: TOOL });
    expect([...table.busFlags.slice(0, 4)]).toEqual([BUS_FLAGS.root, BUS_FLAGS.everyRid, 0, 0]);
    expect(table.known[0]?.oneDevice).toBe(false);
  });

  it('do not make a root bus of what is below a sleeping bridge', async () => {
    const asleep = { asleep: true, driver: null } as const;
    const machine = await machineOf({
      '00:01.0': { ...BRIDGE, bridge: { secondary: 1 }, facts: asleep },
      '01:00.0': { ...NIC, facts: { ...asleep, parent: slotOf('00:01.0') } },
      '80:00.0': { classCode: 0x060000 },
    });
    const { table } = compileTable(policyOf([]), { machine, tool: TOOL });
    const roots = [...table.busFlags.keys()].filter((bus) => table.busFlags[bus] === BUS_FLAGS.root);
    expect(roots).toEqual([0, 0x80]);
    expect(table.busFlags[1]).toBe(0);
  });

  it('keep open what other segments hang behind', async () => {
    const vmd = slotOf('00:0e.0');
    const functions = {
      '00:0e.0': { classCode: 0x010400, command: 0x0006 },
      '10000:00:00.0': { ...NIC, facts: { parent: vmd } },
      '0001:40:00.0': NIC,
    };
    const machine = await machineOf(functions);
    const policy = policyOf([{ match: { class: '01' } }]);
    const { table, notes } = compileTable(policy, { machine, tool: TOOL });
    expect(table.busFlags[0x40]).toBe(0);
    expect(table.known.map(({ routingId }) => routingId)).toEqual([0x70]);
    expect(table.template.rules).toEqual(['ladder', 'r0']);
    expect(tableDecisions(table, machine).get(vmd)).toEqual({ action: 'preserve', rule: 0 });
    expect(notes).toEqual([
      'PCI segment 0001 is out of reach: functions 1, live 1, first 0001:40:00.0',
      'PCI segment 10000 (behind Intel VMD) is out of reach: functions 1, live 1, first 10000:00:00.0',
    ]);
    expect([...machine.topology.nodes.keys()].filter((slot) => slotParts(slot).domain === 0)).toEqual([vmd]);
  });
});

describe('parseTable', () => {
  const { bytes } = compileTable(defaultPolicy(), { tool: TOOL });

  it('says what is wrong with bytes that are no table', () => {
    const changed = (at: number, value: number) => {
      const copy = bytes.slice();
      new DataView(copy.buffer).setUint32(at, value, true);
      return copy;
    };
    expect(() => parseTable(bytes.subarray(0, 100))).toThrow(/shorter than its header/);
    expect(() => parseTable(changed(0, 0))).toThrow(/does not begin as one/);
    expect(() => parseTable(changed(TABLE.versionAt, 9))).toThrow(/version 9/);
    expect(() => parseTable(changed(TABLE.ruleCount, 0xffff_ffff))).toThrow(/rules lie outside/);
    expect(() => parseTable(changed(TABLE.known, 4))).toThrow(/known functions lie outside/);
    expect(() => parseTable(changed(TABLE.otherwise, 7))).toThrow(/action 7/);
    expect(() => parseTable(changed(TABLE.templateBytes, 8))).toThrow(/template|JSON/);
  });

  it('never fails but with a clear error, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
        const copy = bytes.slice();
        for (const [at, value] of changes) copy[at] = value;
        let table: Table | undefined;
        try {
          table = parseTable(copy);
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad-input' });
        }
        if (table) expect(table.busFlags).toHaveLength(256);
      }),
    );
  });
});
