import { describe, expect, it } from 'vitest';
import { ioError, type MemoryFunction, memoryHost, slotOf } from '../../test/support/memory-host.js';
import type { MachineFacts } from '../host/facts.js';
import { scan } from '../host/scan.js';
import { audit, writers } from './audit.js';
import { defaultPolicy } from './default-policy.js';
import { FINDINGS, type FindingId, type JumpPath } from './findings.js';
import { parsePolicy } from './policy.js';

const NIC: MemoryFunction = { classCode: 0x020000, command: 0x0006, interruptPin: 1 };
const driven = (driver: string, more: MemoryFunction = NIC): MemoryFunction => ({
  ...more,
  facts: { driver },
});

async function auditOf(
  functions: Record<string, MemoryFunction>,
  path: JumpPath = 'crash',
  facts: MachineFacts = {},
) {
  return audit(await scan(memoryHost(functions, facts)), defaultPolicy(), path);
}

async function idsOf(
  functions: Record<string, MemoryFunction>,
  path: JumpPath = 'crash',
  facts: MachineFacts = {},
) {
  return (await auditOf(functions, path, facts)).findings.map(({ id }) => id);
}

describe('verdicts', () => {
  const verdictOf = async (fn: MemoryFunction) => {
    const { functions } = await auditOf({ '00:02.0': fn });
    return functions[0]?.verdict;
  };
  const bridge = { classCode: 0x060400, bridge: { secondary: 1 } };
  it.each([
    ['BME set', NIC, 'live'],
    ['BME clear', { ...NIC, command: 0x0002 }, 'quiet'],
    ['INTx asserted and free', { ...NIC, command: 0, status: 8 }, 'live'],
    ['INTx asserted and disabled', { ...NIC, command: 0x0400, status: 8 }, 'quiet'],
    [
      'MSI enabled without BME',
      { ...NIC, command: 0, capabilities: [{ kind: 'msi', enable: true }] },
      'quiet',
    ],
    ['all ones', { command: 0xffff, status: 0xffff }, 'unknown'],
    ['D3cold', { ...NIC, facts: { powerState: 'D3cold' } }, 'unknown'],
    ['a VF, vendor ID ffff', { ...NIC, vendor: 0xffff, device: 0xffff }, 'live'],
    ['a bridge that is open', { ...bridge, command: 0x0407 }, 'open'],
    ['a bridge without a pin', { ...bridge, command: 0x0007 }, 'open'],
    ['a bridge whose INTx is free', { ...bridge, command: 0x0007, interruptPin: 1 }, 'live'],
    [
      'a bridge with its own MSI',
      { ...bridge, command: 0x0407, capabilities: [{ kind: 'msi', enable: true }] },
      'live',
    ],
    [
      'a bridge of which 64 bytes are seen',
      { ...bridge, command: 0x0407, size: 64, capabilities: [{ kind: 'pm' }] },
      'live',
    ],
    ['a gated bridge', { ...bridge, command: 0x0403 }, 'quiet'],
  ] as [string, MemoryFunction, string][])('%s is %s', async (_, fn, verdict) => {
    expect(await verdictOf(fn)).toBe(verdict);
  });
});

describe('findings', () => {
  const cases: [FindingId, JumpPath, Record<string, MemoryFunction>, MachineFacts?][] = [
    ['SD001', 'normal', { '00:02.0': NIC }],
    ['SD001', 'crash', { '00:02.0': NIC }],
    ['SD002', 'normal', { '00:02.0': { ...NIC, facts: { driver: 'e1000', driverShutdown: 'unknown' } } }],
    ['SD003', 'crash', { '00:02.0': driven('e1000') }],
    [
      'SD004',
      'crash',
      { '00:02.0': driven('e1000', { ...NIC, capabilities: [{ kind: 'msi', enable: true }] }) },
    ],
    [
      'SD005',
      'crash',
      { '00:02.0': driven('x', { ...NIC, capabilities: [{ kind: 'express', transactionsPending: true }] }) },
    ],
    [
      'SD005',
      'crash',
      {
        '00:02.0': driven('x', {
          ...NIC,
          capabilities: [{ kind: 'af', hasPending: true, transactionsPending: true }],
        }),
      },
    ],
    ['SD006', 'crash', { '00:02.0': { ...NIC, capabilities: [{ kind: 'pm', state: 3 }] } }],
    ['SD006', 'crash', { '00:02.0': { ...NIC, facts: { driver: null, asleep: true } } }],
    ['SD007', 'crash', { '00:02.0': { ...NIC, facts: { powerState: 'D3cold' } } }],
    ['SD008', 'crash', { '00:02.0': { command: 0xffff, status: 0xffff } }],
    [
      'SD009',
      'crash',
      {
        '00:1c.0': { classCode: 0x060400, command: 0x0403, bridge: { secondary: 1 } },
        '01:00.0': driven('x'),
      },
    ],
    ['SD010', 'crash', { '00:02.0': driven('i915', { classCode: 0x030000, command: 7 }) }],
    ['SD011', 'crash', { '00:14.0': { classCode: 0x0c0330, command: 6 } }],
    [
      'SD013',
      'normal',
      { '00:17.0': { ...NIC, classCode: 0x010802, facts: { driver: 'nvme', holds: ['root'] } } },
    ],
    ['SD014', 'crash', { '00:02.0': { ...NIC, vendor: 0xffff, device: 0xffff, facts: { driver: 'iavf' } } }],
    ['SD015', 'crash', { '00:02.0': driven('x', { ...NIC, size: 64, capabilities: [{ kind: 'pm' }] }) }],
    ['SD016', 'crash', { '00:02.0': driven('x', { ...NIC, status: 8 }) }],
    ['SD018', 'crash', { '00:00.0': { classCode: 0x060000, command: 6 } }],
    [
      'SD019',
      'crash',
      {
        '00:1c.0': { classCode: 0x060400, command: 7, bridge: { secondary: 1, subordinate: 5 } },
        '03:00.0': driven('x'),
      },
    ],
    [
      'SD021',
      'crash',
      {
        '00:1c.0': {
          classCode: 0x060400,
          command: 0x0407,
          bridge: { secondary: 1 },
          capabilities: [{ kind: 'msi', enable: true }],
        },
      },
    ],
    ['SD022', 'crash', { '0001:00:02.0': NIC }],
    ['SD101', 'crash', { '00:02.0': NIC }, { iommu: false }],
    [
      'SD101',
      'crash',
      { '00:02.0': { ...NIC, facts: { driver: 'x', iommuDomain: 'identity' } } },
      { iommu: true },
    ],
    ['SD102', 'crash', { '10000:00:02.0': NIC }],
    ['SD103', 'crash', { '00:02.0': NIC }, { captureKernelLoaded: false }],
    ['SD104', 'crash', { '00:02.0': NIC }, { captureKernelLoaded: true }],
    ['SD105', 'normal', { '00:02.0': NIC }, { lockdown: 'integrity' }],
  ];
  it.each(cases)('%s on the %s path', async (id, path, functions, facts) => {
    expect(await idsOf(functions, path, facts)).toContain(id);
  });

  it('SD022 says what is behind Intel VMD, and is for crashes only', async () => {
    const functions = {
      '00:0e.0': { classCode: 0x010400 },
      '10000:00:02.0': { ...NIC, facts: { driver: 'nvme', parent: slotOf('00:0e.0') } },
    };
    const { findings } = audit(await scan(memoryHost(functions)), defaultPolicy(), 'crash');
    expect(findings.find(({ id }) => id === 'SD022')?.evidence).toMatch(
      /^PCI segment 10000, behind Intel VMD below 0000:00:0e\.0; PCI_COMMAND/,
    );
    expect(await idsOf(functions, 'normal')).not.toContain('SD022');
  });

  it('SD022 and SD102 are not for what sleeps', async () => {
    const asleep: MemoryFunction = { ...driven('x'), capabilities: [{ kind: 'pm', state: 3 }] };
    expect(await idsOf({ '0001:00:02.0': asleep })).toEqual(['SD006']);
    expect(await idsOf({ '0001:00:02.0': asleep, '0001:00:03.0': driven('x') })).toContain('SD102');
    const { findings } = await auditOf({ '0001:00:02.0': asleep, '0001:00:03.0': driven('x') });
    expect(findings[0]?.evidence).toBe('1 live, 0001:00:03.0 the first of them');
  });

  it('SD020 where the host refuses', async () => {
    const host = memoryHost({ '00:02.0': NIC });
    host.interfere.read = (slot) => {
      throw ioError(slot);
    };
    const { findings, functions } = audit(await scan(host), defaultPolicy(), 'crash');
    expect(findings.map(({ id }) => id)).toEqual(['SD020']);
    expect(functions[0]?.verdict).toBe('unknown');
  });

  it('SD012 where a policy preserves a function', async () => {
    const rules = [{ id: 'keep', match: { slot: '00:02.0' }, action: 'preserve', reason: 'live update' }];
    const policy = parsePolicy(JSON.stringify({ ...defaultPolicy(), rules }), 'test');
    const { findings } = audit(await scan(memoryHost({ '00:02.0': driven('vfio-pci') })), policy, 'crash');
    expect(findings.map(({ id }) => id)).toEqual(['SD012']);
  });

  it('SD017 where a capability list loops', async () => {
    const host = memoryHost({ '00:02.0': driven('x', { ...NIC, capabilities: [{ kind: 'pm' }] }) });
    await host.write(slotOf('00:02.0'), 0x41, 1, 0x40);
    const { findings } = audit(await scan(host), defaultPolicy(), 'crash');
    expect(findings.map(({ id }) => id)).toContain('SD017');
  });

  it('covers every finding', () => {
    const covered = new Set<string>([...cases.map(([id]) => id), 'SD012', 'SD017', 'SD020']);
    expect(Object.keys(FINDINGS).filter((id) => !covered.has(id))).toEqual([]);
  });

  it('is silent about a machine that is quiet and protected', async () => {
    const functions = {
      '00:02.0': { ...NIC, command: 0x0402 },
      '00:1c.0': { classCode: 0x060400, command: 0x0407, bridge: { secondary: 1 } },
    };
    const facts = {
      iommu: true,
      captureKernelLoaded: true,
      captureKernelProtected: true,
      lockdown: 'none',
    } as const;
    expect(await idsOf(functions, 'crash', facts)).toEqual([]);
  });

  it('does not blame a driven function on the normal path', async () => {
    const functions = {
      '00:02.0': { ...NIC, facts: { driver: 'e1000', driverShutdown: 'likely' as const } },
    };
    expect(await idsOf(functions, 'normal')).toEqual([]);
    expect(await idsOf(functions, 'crash')).toEqual(['SD003']);
  });

  it('notes what the policy exempts as chipset, with a driver or without, and warns of the others', async () => {
    const functions = {
      '00:00.0': driven('ie31200_edac', { classCode: 0x060000, command: 6 }),
      '00:05.0': driven('amd_iommu', { classCode: 0x080600, command: 6 }),
      '00:06.0': driven('cxl_pci', { classCode: 0x050210, command: 6 }),
      '00:07.0': driven('ntb_hw_intel', { classCode: 0x068000, command: 6 }),
      '00:08.0': driven('sdhci-pci', { classCode: 0x080501, command: 6 }),
      '00:1f.0': driven('lpc_ich', { classCode: 0x060100, command: 7 }),
    };
    for (const path of ['crash', 'normal'] as const) {
      const audited = await auditOf(functions, path);
      const warned = path === 'crash' ? 'SD003' : 'SD002';
      expect(audited.findings.map(({ slot, id }) => `${slot?.slice(5)} ${id}`)).toEqual([
        '00:00.0 SD018',
        '00:05.0 SD018',
        '00:06.0 SD018',
        `00:07.0 ${warned}`,
        `00:08.0 ${warned}`,
        '00:1f.0 SD018',
      ]);
      expect(writers(audited).map(({ facts }) => facts.driver)).toEqual(['ntb_hw_intel', 'sdhci-pci']);
    }
  });

  it('names only the nearest gated bridge', async () => {
    const gated = { classCode: 0x060400, command: 0x0403 };
    const { findings } = await auditOf({
      '00:1c.0': { ...gated, bridge: { secondary: 1, subordinate: 2 } },
      '01:00.0': { ...gated, bridge: { primary: 1, secondary: 2 } },
      '02:00.0': driven('x'),
    });
    expect(findings.filter(({ id }) => id === 'SD009').map(({ slot }) => slot)).toEqual(['0000:01:00.0']);
  });

  it('gives evidence with the register and its bits', async () => {
    const { findings } = await auditOf({ '00:02.0': NIC });
    expect(findings[0]).toMatchObject({
      id: 'SD001',
      slot: '0000:00:02.0',
      severity: 'error',
      evidence: 'PCI_COMMAND 0006 (BME set, INTx-disable clear); no driver',
    });
  });
});
