import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machines } from '../../test/support/arbitrary.js';
import type { CapabilityDescription } from '../../test/support/encode.js';
import { type MemoryFunction, memoryHost, slotOf } from '../../test/support/memory-host.js';
import { policies } from '../../test/support/policies.js';
import { type Machine, scan } from '../host/scan.js';
import { compileTable } from '../image/table.js';
import type { TopologyNode } from '../pci/topology.js';
import { audit } from '../quiesce/audit.js';
import { parseAudit } from '../quiesce/audit-data.js';
import { machineFromAudit } from '../quiesce/audit-machine.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import type { Policy } from '../quiesce/policy.js';
import { createMachine, randomMachine } from '../sim/index.js';
import { auditJson } from './audit-json.js';

const textOf = (machine: Machine, policy = defaultPolicy()) =>
  JSON.stringify(auditJson(audit(machine, policy, 'crash')));

/** A kernel that is wrapped for a machine and one that is wrapped for its audit are told the same. */
function expectSameTable(machine: Machine, policy: Policy): void {
  const again = machineFromAudit(textOf(machine, policy), 'test');
  const options = { tool: 'test' };
  expect(compileTable(policy, { ...options, machine: again }).table).toEqual(
    compileTable(policy, { ...options, machine }).table,
  );
}

describe('the audit as JSON', () => {
  it('is what its schema says, and makes the same table as the machine itself', async () => {
    await fc.assert(
      fc.asyncProperty(machines, policies, async (functions, policy) => {
        expectSameTable(await scan(memoryHost(functions)), policy);
      }),
      { numRuns: 200 },
    );
  });

  it('does so for simulated machines, with virtual functions and other segments', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 2 }), policies, async (seed, domains, policy) => {
        const { description } = randomMachine(seed, { functions: 40, domains });
        expectSameTable(await scan(createMachine(description).host), policy);
      }),
      { numRuns: 60 },
    );
  });

  it('does so for what is odd: Intel VMD, sleep, drivers not known, 64 bytes, virtual functions without a parent', async () => {
    const ids = { vendor: 0x15b3, device: 0x1018, classCode: 0x020000 };
    const bridge: MemoryFunction = {
      classCode: 0x060400,
      command: 7,
      bridge: { secondary: 1, subordinate: 2, control: 8 },
      capabilities: [{ kind: 'express', type: 4 }],
    };
    const machine = await scan(
      memoryHost({
        '00:01.0': bridge,
        '00:02.0': { classCode: 0x030000, command: 7, facts: { bootVga: false, holds: ['console'] } },
        '00:03.0': { classCode: 0x060400, facts: { asleep: true, ids: { ...ids, classCode: 0x060400 } } },
        '00:0e.0': { classCode: 0x010400, command: 6 },
        '01:00.0': {
          capabilities: [
            { kind: 'af', hasPending: true },
            { kind: 'pm', state: 3 },
          ],
        },
        '01:00.1': { capabilities: [{ kind: 'msi', is64bit: true, vectorsLog2: 3 }], size: 64 },
        '02:00.0': { vendor: 0xffff, device: 0xffff, facts: { ids, physfn: slotOf('01:00.0') } },
        '02:00.1': { vendor: 0xffff, device: 0xffff },
        '03:00.0': { facts: { asleep: true, ids, parent: slotOf('00:03.0') } },
        '10000:00:00.0': { command: 6, facts: { parent: slotOf('00:0e.0') } },
      }),
    );
    expectSameTable(machine, defaultPolicy());
    const facts = new Map([...machine.facts].map(([slot, { driver: _, ...rest }]) => [slot, rest]));
    expectSameTable({ ...machine, facts }, defaultPolicy());
  });

  it('validates by the JSON Schema that is exported', async () => {
    const schema = JSON.parse(
      readFileSync(join(import.meta.dirname, '../../schemas/audit.schema.json'), 'utf8'),
    );
    const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema);
    const json = JSON.parse(textOf(await scan(createMachine('server').host)));
    expect(validate(json), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...json, functions: [{ ...json.functions[0], class: '2' }] })).toBe(false);
    expect(validate({ ...json, functions: [{ ...json.functions[0], iommuGroup: 1.5 }] })).toBe(false);
    expect(validate({ ...json, functions: [{ ...json.functions[0], numaNode: 0.5 }] })).toBe(false);
  });

  it('keeps message control as far as it is printed', async () => {
    const capabilities = [
      {
        kind: 'msi',
        enable: true,
        is64bit: true,
        perVectorMasking: true,
        vectorsWantedLog2: 5,
        vectorsLog2: 5,
      },
      { kind: 'msix', enable: true, functionMask: true, tableSize: 2048 },
    ] as const;
    const machine = await scan(memoryHost({ '00:01.0': { capabilities } }));
    const before = machine.topology.nodes.get(slotOf('00:01.0'))?.function;
    const after = machineFromAudit(textOf(machine), 'test').topology.nodes.get(slotOf('00:01.0'))?.function;
    expect(after?.msix).toEqual(before?.msix);
    expect(after?.msi).toMatchObject({ vectors: 32, enable: true, offset: 0x40 });
  });

  it('says nothing of transactions pending where the register was not answered', async () => {
    const pendingIn = async (capability: CapabilityDescription, more: object = {}) => {
      const machine = await scan(memoryHost({ '00:01.0': { command: 6, capabilities: [capability] } }));
      const node = machine.topology.nodes.get(slotOf('00:01.0')) as TopologyNode;
      if (node.function.express) Object.assign(node.function.express, more);
      return parseAudit(textOf(machine), 'test').functions[0]?.transactionsPending;
    };
    const express = { kind: 'express', transactionsPending: true } as const;
    expect(await pendingIn(express)).toBe(true);
    expect(await pendingIn({ ...express, transactionsPending: false })).toBe(false);
    expect(await pendingIn(express, { deviceStatus: 0xffff })).toBeNull();
    // That of conventional PCI stands in `af`.
    expect(await pendingIn({ kind: 'af', hasPending: true, transactionsPending: true })).toBeNull();
  });

  it('is refused where it is not whole or not an audit', async () => {
    const machine = await scan(createMachine('server').host);
    const whole = audit(machine, defaultPolicy(), 'normal');
    const part = { ...whole, functions: whole.functions.filter(({ node }) => node.parent !== null) };
    expect(() => machineFromAudit(JSON.stringify(auditJson(part)), 'part.json')).toThrow(
      /^part\.json: 0000:01:00\.0 is below 0000:00:01\.0, which is missing: make an audit of the whole machine/,
    );
    expect(() => parseAudit('{}', 'x.json')).toThrow(/x\.json: not a valid audit: schema: is missing/);
    expect(() => parseAudit('{"schema": "shootdown.audit/2", "new": 1}', 'x.json')).toThrow(
      /^x\.json: its schema is shootdown\.audit\/2: read it with a newer shootdown$/,
    );
    expect(() => parseAudit('{"schema": "shootdown.audit/0"}', 'x.json')).toThrow(/not a valid audit/);
    const twice = JSON.parse(textOf(machine));
    twice.functions.push(twice.functions[0]);
    expect(() => parseAudit(JSON.stringify(twice), 'x.json')).toThrow(
      /^x\.json: 0000:00:00\.0 stands twice$/,
    );
    const json = JSON.parse(textOf(machine));
    json.functions[0].surprise = 1;
    expect(() => parseAudit(JSON.stringify(json), 'x.json')).toThrow(/functions\.0\.surprise: is not a key/);
  });
});
