import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machines } from '../../test/support/arbitrary.js';
import { memoryHost } from '../../test/support/memory-host.js';
import { policies } from '../../test/support/policies.js';
import { type Machine, scan } from '../host/scan.js';
import { decider } from '../quiesce/decide.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import type { Policy, PolicyRule } from '../quiesce/policy.js';
import { gateDecisions, isWholeTable } from './gate-decide.js';
import { compileGateTable } from './gate-table.js';

const tableOf = (policy: Policy, machine?: Machine) =>
  compileGateTable(policy, { machine, when: 'crash', tool: 't' }).text;

const RULES: readonly PolicyRule[] = [
  { id: 'undriven', match: { class: '02', driver: null }, action: 'exempt', reason: 'drawn' },
  { id: 'nvme', match: { driver: 'nv*' }, action: 'preserve', reason: 'drawn' },
  { id: 'below', match: { rootBus: false, id: '8086:' }, action: 'reset', reason: 'drawn' },
];

describe('gateDecisions', () => {
  it('are those of the policy for after the jump, whatever the machine', async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(
      machines,
      policies,
      fc.subarray([0, 1, 2]),
      async (functions, drawn, n) => {
        const policy = { ...drawn, rules: [...n.flatMap((one) => RULES[one] ?? []), ...drawn.rules] };
        const machine = await scan(memoryHost(functions));
        const decide = decider(policy, machine, 'after');
        const table = tableOf(policy, machine);
        expect(isWholeTable(table)).toBe(true);
        for (const [slot, { action }] of gateDecisions(table, machine)) {
          const isPhysical = (machine.topology.nodes.get(slot)?.vfs.length ?? 0) > 0;
          if (isPhysical) continue;
          const wanted = decide(slot).action.replace('unbind', 'gate');
          expect(action.replace('preserve', 'exempt'), table).toBe(wanted.replace('preserve', 'exempt'));
          seen.add(action);
        }
      },
    );
    await fc.assert(property, { numRuns: 200, seed: 20061 });
    expect([...seen].sort()).toEqual(expect.arrayContaining(['exempt', 'gate', 'reset']));
  });

  it('take the safe way for what has no line, or one with other IDs', async () => {
    const usb = (device: number) =>
      scan(memoryHost({ '00:14.0': { classCode: 0x0c0330, device, facts: { driver: 'xhci_hcd' } } }));
    const [machine, other] = [await usb(1), await usb(2)];
    const told = (table: string) => [...gateDecisions(table, machine).values()];
    expect(told(tableOf(defaultPolicy(), machine))).toEqual([{ action: 'gate', known: true }]);
    for (const table of [tableOf(defaultPolicy(), other), tableOf(defaultPolicy())])
      expect(told(table)).toEqual([{ action: 'exempt', known: false }]);
  });

  it('are none for bridges and displays', async () => {
    const machine = await scan(
      memoryHost({ '00:01.0': { bridge: { secondary: 1 } }, '00:02.0': { classCode: 0x030000 } }),
    );
    expect(gateDecisions(tableOf(defaultPolicy(), machine), machine).size).toBe(0);
  });
});

it('a table that was cut short, or has more behind its end, is not whole', () => {
  const table = tableOf(defaultPolicy());
  expect(isWholeTable(table)).toBe(true);
  const cut = table.split('\n').slice(0, -3).join('\n');
  for (const broken of ['', cut, `${cut}\n`, `${table}rule`, table.replace(/^end \d+$/m, 'end 3')])
    expect(isWholeTable(broken), broken).toBe(false);
});
