import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MemoryFunction, memoryHost } from '../../test/support/memory-host.js';
import type { MachineFacts } from '../host/facts.js';
import { type Machine, scan } from '../host/scan.js';
import { lookupNames } from '../pci/pci-ids.js';
import { formatSlot, type Slot, slotParts } from '../pci/slot.js';
import { audit } from '../quiesce/audit.js';
import { type AuditData, parseAudit } from '../quiesce/audit-data.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import type { Policy } from '../quiesce/policy.js';
import { createMachine, randomMachine } from '../sim/index.js';
import { auditData } from './audit-json.js';
import { type DiffData, diffAudits, type FailOn, isSame } from './diff.js';
import { diffText } from './diff-text.js';

const auditOf = (machine: Machine, policy: Policy = defaultPolicy()) =>
  auditData(audit(machine, policy, 'crash'));
const audited = async (
  functions: Record<string, MemoryFunction>,
  facts: MachineFacts = {},
  policy?: Policy,
) => auditOf(await scan(memoryHost(functions, facts)), policy);
const diff = (old: AuditData, now: AuditData, failOn: FailOn = 'error') =>
  diffAudits({ name: 'old.json', audit: old }, { name: 'new.json', audit: now }, failOn);

const drawn = fc
  .record({ seed: fc.nat(), domains: fc.integer({ min: 1, max: 2 }) })
  .map(({ seed, domains }) => randomMachine(seed, { functions: 40, depth: 4, domains }).description);
const randomAudit = async (description: Parameters<typeof createMachine>[0]) =>
  auditOf(await scan(createMachine(description).host));

/** As if something with so many buses had been plugged in before the bus that this bridge leads to. */
function renumbered(of: AuditData, from: { domain: number; bus: number }, by: number): AuditData {
  const busOf = (domain: number, bus: number) => (domain === from.domain && bus >= from.bus ? bus + by : bus);
  const moved = (slot: Slot) => {
    const parts = slotParts(slot);
    return formatSlot({ ...parts, bus: busOf(parts.domain, parts.bus) });
  };
  const movedOr = (slot: Slot | null) => slot && moved(slot);
  return {
    ...of,
    functions: of.functions.map((fn) => {
      const { domain } = slotParts(fn.slot);
      const { bridge } = fn;
      return {
        ...fn,
        slot: moved(fn.slot),
        parent: movedOr(fn.parent),
        physfn: movedOr(fn.physfn),
        bridge: bridge && {
          ...bridge,
          primary: busOf(domain, bridge.primary),
          secondary: busOf(domain, bridge.secondary),
          subordinate: busOf(domain, bridge.subordinate),
        },
      };
    }),
    findings: of.findings.map((finding) => ({ ...finding, slot: movedOr(finding.slot) })),
  };
}

const PORT: MemoryFunction = {
  vendor: 0x8086,
  device: 0xa110,
  classCode: 0x060400,
  command: 0x0407,
  capabilities: [{ kind: 'express', type: 4 }],
};
const port = (secondary: number, subordinate = secondary): MemoryFunction => ({
  ...PORT,
  bridge: { secondary, subordinate },
});
const NIC: MemoryFunction = {
  vendor: 0x8086,
  device: 0x10d3,
  classCode: 0x020000,
  command: 6,
  interruptPin: 1,
};
const NVME: MemoryFunction = { vendor: 0x144d, device: 0xa80a, classCode: 0x010802, command: 6 };
const bound = (fn: MemoryFunction, driver: string): MemoryFunction => ({ ...fn, facts: { driver } });
const quiet = (fn: MemoryFunction): MemoryFunction => ({ ...fn, command: 0x0402 });
const moves = ({ moved }: DiffData) => moved.map(({ was, slot }) => `${was} ${slot}`);

describe('what became different', () => {
  it('is nothing between an audit and itself, also read back', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (description) => {
        const one = await randomAudit(description);
        const again = parseAudit(JSON.stringify(one), 'test');
        expect(isSame(diff(one, again, 'info'))).toBe(true);
        expect(diff(one, again, 'info').worse).toEqual({ live: [], findings: [] });
      }),
      { numRuns: 15 },
    );
  });

  it('is moves and nothing else where buses were numbered anew', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, fc.nat(), fc.integer({ min: 1, max: 9 }), async (description, pick, by) => {
        const old = await randomAudit(description);
        const roots = old.functions.filter(({ bridge, parent }) => bridge !== null && parent === null);
        const bridge = roots[pick % roots.length];
        fc.pre(bridge?.bridge != null);
        const { domain } = slotParts(bridge.slot);
        const last = Math.max(...old.functions.map(({ slot }) => slotParts(slot).bus));
        fc.pre(last + by < 255);
        const now = renumbered(old, { domain, bus: bridge.bridge.secondary }, by);
        const found = diff(old, now, 'info');
        expect(isSame({ ...found, moved: [] })).toBe(true);
        const slots = now.functions.map(({ slot }, n) => [old.functions[n]?.slot, slot]);
        const wanted = slots.filter(([was, slot]) => was !== slot).map(([was, slot]) => `${was} ${slot}`);
        expect(moves(found).sort()).toEqual(wanted.sort());
      }),
      { numRuns: 30 },
    );
  });

  it('is the same the other way round when the two are exchanged', async () => {
    await fc.assert(
      fc.asyncProperty(
        drawn,
        fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
        async (description, chance) => {
          const old = await randomAudit(description);
          const next = () => chance.next().value;
          const now = renumbered(
            {
              ...old,
              functions: old.functions
                .filter(() => next() > 0)
                .map((fn) => {
                  if (next() === 0) return { ...fn, verdict: 'live' as const };
                  if (next() === 0) return { ...fn, driver: 'other', driverKnown: true };
                  return next() === 0 ? { ...fn, policy: { ...fn.policy, rule: 'mine' } } : fn;
                }),
              findings: old.findings.filter(() => next() > 0),
            },
            { domain: 0, bus: 1 + next() },
            next(),
          );
          const [there, back] = [diff(old, now), diff(now, old)];
          const ids = (list: readonly { slot: Slot }[]) => list.map(({ slot }) => slot);
          const turned = (list: readonly { slot: Slot; was: Slot; from?: unknown; to?: unknown }[]) =>
            list.map(({ slot, was, from, to }) => JSON.stringify([was, slot, to, from])).sort();
          const straight = (list: readonly { slot: Slot; was: Slot; from?: unknown; to?: unknown }[]) =>
            list.map(({ slot, was, from, to }) => JSON.stringify([slot, was, from, to])).sort();
          expect(ids(there.appeared)).toEqual(ids(back.gone));
          expect(ids(there.gone)).toEqual(ids(back.appeared));
          for (const part of ['moved', 'verdicts', 'decisions', 'drivers'] as const)
            expect(straight(there[part])).toEqual(turned(back[part]));
          expect(there.findings.new).toEqual(back.findings.gone);
          expect(there.findings.gone).toEqual(back.findings.new);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is a card in another slot, both its functions, and not the ports', async () => {
    const old = await audited({ '00:1c.0': port(1), '00:1d.0': port(2), '01:00.0': NIC, '01:00.1': NIC });
    const now = await audited({ '00:1c.0': port(1), '00:1d.0': port(2), '02:00.0': NIC, '02:00.1': NIC });
    expect(moves(diff(old, now))).toEqual(['0000:01:00.0 0000:02:00.0', '0000:01:00.1 0000:02:00.1']);
    expect(isSame({ ...diff(old, now), moved: [] })).toBe(true);
  });

  it('is not guessed where there are several of a kind', async () => {
    const ports = { '00:1b.0': port(1), '00:1c.0': port(2), '00:1d.0': port(3), '00:1e.0': port(4) };
    const old = await audited({ ...ports, '01:00.0': NVME, '02:00.0': NVME });
    const now = await audited({ ...ports, '03:00.0': NVME, '04:00.0': NVME });
    const found = diff(old, now);
    expect(found.moved).toEqual([]);
    expect(found.gone.map(({ slot }) => slot)).toEqual(['0000:01:00.0', '0000:02:00.0']);
    expect(found.appeared.map(({ slot }) => slot)).toEqual(['0000:03:00.0', '0000:04:00.0']);
    // Their drivers tell them apart.
    const told = diff(
      await audited({ ...ports, '01:00.0': bound(NVME, 'nvme'), '02:00.0': bound(NVME, 'vfio-pci') }),
      await audited({ ...ports, '03:00.0': bound(NVME, 'vfio-pci'), '04:00.0': bound(NVME, 'nvme') }),
    );
    expect(moves(told)).toEqual(['0000:02:00.0 0000:03:00.0', '0000:01:00.0 0000:04:00.0']);
  });

  it('is another card in the same slot: one gone, one there', async () => {
    const found = diff(
      await audited({ '00:1c.0': port(1), '01:00.0': NIC }),
      await audited({ '00:1c.0': port(1), '01:00.0': NVME }),
    );
    expect(found.gone).toMatchObject([{ slot: '0000:01:00.0', device: '10d3' }]);
    expect(found.appeared).toMatchObject([{ slot: '0000:01:00.0', device: 'a80a' }]);
  });

  it('is a function that no longer answers, and not one that is gone', async () => {
    const dead = { ...NIC, vendor: 0xffff, device: 0xffff, command: 0xffff, status: 0xffff };
    const found = diff(
      await audited({ '00:1c.0': port(1), '01:00.0': NIC }),
      await audited({ '00:1c.0': port(1), '01:00.0': dead }),
    );
    expect(found).toMatchObject({ gone: [], appeared: [], moved: [] });
    expect(found.verdicts).toMatchObject([{ slot: '0000:01:00.0', from: 'live', to: 'unknown' }]);
    expect(found.findings.new).toMatchObject([{ id: 'SD008' }]);
  });

  it('is worse for what is live, whatever went quiet elsewhere, and for findings from --fail-on', async () => {
    const old = await audited({ '00:02.0': NIC, '00:03.0': quiet(NVME) });
    const now = await audited({ '00:02.0': quiet(NIC), '00:03.0': NVME });
    expect(diff(old, now).worse).toEqual({ live: ['0000:00:03.0'], findings: ['SD001'] });
    expect(diff(old, now, 'never').worse).toEqual({ live: ['0000:00:03.0'], findings: [] });
    const appeared = diff(
      await audited({ '00:02.0': NIC }),
      await audited({ '00:02.0': NIC, '00:03.0': NVME }),
    );
    expect(appeared.worse.live).toEqual(['0000:00:03.0']);
    const better = diff(await audited({ '00:02.0': NIC }), await audited({ '00:02.0': quiet(NIC) }), 'info');
    expect(better.worse).toEqual({ live: [], findings: [] });
    expect(better.verdicts).toMatchObject([{ from: 'live', to: 'quiet' }]);
  });

  it('is a finding of another severity, worse only where it is graver', async () => {
    const old = await audited({ '00:02.0': NIC });
    const findings = old.findings.map((one) => ({ ...one, severity: 'warning' as const }));
    const changed = diff({ ...old, findings }, old).findings.changed;
    expect(changed).toMatchObject([{ id: 'SD001', from: 'warning', severity: 'error' }]);
    expect(diff({ ...old, findings }, old).worse.findings).toEqual(['SD001']);
    expect(diff(old, { ...old, findings }, 'info').worse.findings).toEqual([]);
  });

  it('comes to an end for audits that say nonsense of who is below whom', async () => {
    const old = await audited({ '00:1c.0': port(1), '01:00.0': NIC, '00:05.0': NVME });
    const slots = old.functions.map(({ slot }) => slot);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 6, maxLength: 6 }), async (picks) => {
        const functions = old.functions.map((fn, n) => ({
          ...fn,
          parent: slots[picks[n] ?? 3] ?? null,
          physfn: slots[picks[n + 3] ?? 3] ?? null,
        }));
        const odd = { ...old, functions: [...functions, ...functions] };
        expect(isSame(diff(odd, odd))).toBe(true);
        expect(diff(old, odd).appeared).toEqual(diff(odd, old).gone);
      }),
      { numRuns: 100 },
    );
  });

  it('does not overflow where functions lie below each other without end', async () => {
    const { functions, ...rest } = await audited({ '00:05.0': NVME });
    const [one] = functions;
    if (!one) throw new Error('no function');
    const slots = Array.from({ length: 30_000 }, (_, n) =>
      formatSlot({ domain: n >> 8, bus: n & 255, device: 0, function: 0 }),
    );
    const chain = slots.map((slot, n) => ({ ...one, slot, parent: slots[n - 1] ?? null }));
    expect(isSame(diff({ functions: chain, ...rest }, { functions: chain, ...rest }))).toBe(true);
  });
});

const plain = (text: string) => text;
const style = { width: 100, bold: plain, dim: plain, red: plain, yellow: plain, green: plain };

describe('the text', () => {
  it('says first how much changed, then what', async () => {
    const other = { ...defaultPolicy(), name: 'ours', otherwise: { action: 'exempt', reason: 'r' } } as const;
    const old = await audited(
      {
        '00:1c.0': port(1),
        '00:1d.0': port(2),
        '01:00.0': quiet(NIC),
        '02:00.0': bound(NVME, 'nvme'),
        '00:1f.0': NIC,
      },
      { captureKernelLoaded: true, lockdown: 'none' },
    );
    const now = await audited(
      {
        ...{ '00:1c.0': port(1, 3), '00:1d.0': port(4), '01:00.0': NIC },
        ...{ '04:00.0': bound(NVME, 'vfio-pci'), '00:05.0': { ...NVME, device: 0x0001 } },
      },
      { captureKernelLoaded: false, lockdown: 'none', iommu: false },
      other,
    );
    expect(
      diffText(diff(old, now), { names: lookupNames(new Uint8Array(), []), style, all: false }),
    ).toMatchInlineSnapshot(`
      "1 became live; 1 appeared; 1 is gone; 1 moved; 2 are decided differently; 1 has another driver; 4
      findings are new; 2 findings are gone; 2 facts of the machine changed.
      crash  functions  live  errors/warnings/infos  policy   audit
      old    5          2     1/2/0                  default  old.json (memory)
      new    5          3     2/1/2                  ours     new.json (memory)

      Became live
      slot          was    is    driver  device
      0000:01:00.0  quiet  live  -       Class 0200: Device 8086:10d3

      Appeared
      slot          verdict  driver  policy  device
      0000:00:05.0  live     -       exempt  Class 0108: Device 144d:0001

      Gone
      slot          verdict  driver  policy  device
      0000:00:1f.0  live     -       gate    Class 0200: Device 8086:10d3

      Moved
      from          to            what
      0000:02:00.0  0000:04:00.0  Class 0108: Device 144d:a80a

      The policy decides differently
      was   is      functions
      gate  exempt  0000:01:00.0, 0000:04:00.0

      Drivers
      slot          was   is        device
      0000:04:00.0  nvme  vfio-pci  Class 0108: Device 144d:a80a

      New findings
      severity  finding  of            evidence
      info      SD103    the machine   no capture kernel is loaded: kexec_crash_loaded is 0
      info      SD101    the machine   no IOMMU between devices and memory: no IOMMU group has a
                                       translating domain
      error     SD001    0000:00:05.0  live bus master without a driver: PCI_COMMAND 0006 (BME set,
                                       INTx-disable clear); no driver
      error     SD001    0000:01:00.0  live bus master without a driver: PCI_COMMAND 0006 (BME set,
                                       INTx-disable clear); no driver

      Findings gone
      severity  finding  of           evidence
      warning   SD104    the machine  capture kernel without protection: kexec_crash_loaded is 1
      Findings gone with their functions: 1.

      The machine
      fact                   was        is
      IOMMU translates       not known  no
      capture kernel loaded  yes        no
      "
    `);
  });

  it('counts what there is too much of', async () => {
    const ports = Object.fromEntries(
      Array.from({ length: 30 }, (_, n) => [`00:${n.toString(16).padStart(2, '0')}.0`, NIC]),
    );
    const text = (all: boolean) => async () =>
      diffText(diff(await audited({ '00:1f.0': NVME }), await audited({ ...ports, '00:1f.0': NVME })), {
        ...{ names: lookupNames(new Uint8Array(), []), style, all },
      });
    const short = await text(false)();
    expect(short).toContain('and 11 more: --all lists them');
    expect(short).not.toContain('0000:00:1d.0  live');
    expect(await text(true)()).toContain('0000:00:1d.0  live');
  });

  it('says first that the two look like different machines', async () => {
    const text = (old: AuditData, now: AuditData) =>
      diffText(diff(old, now), { names: lookupNames(new Uint8Array(), []), style, all: false });
    const one = await audited({ '00:02.0': NIC, '00:03.0': NVME, '00:04.0': NIC });
    const vm = { vendor: 0x1af4, classCode: 0x020000, command: 6 };
    const other = await audited({
      '00:03.0': NVME,
      '00:05.0': { ...vm, device: 0x1041 },
      '00:06.0': { ...vm, device: 0x1042 },
      '00:07.0': { ...vm, device: 0x1043 },
    });
    expect(text(one, other)).toMatch(
      /^These look like different machines: they have 1 of 3 and 4 functions in common\./,
    );
    const less = await audited({ '00:03.0': NVME });
    expect(text(one, less)).not.toContain('different machines');
  });

  it('lets no control character through', async () => {
    const evil = '\u001b[31m\u202e';
    const old = await audited({ '00:02.0': bound(NIC, 'e1000e') }, {}, { ...defaultPolicy(), name: evil });
    const now = await audited({ '00:02.0': bound(NIC, evil), '00:03.0': bound(NVME, evil) });
    const text = diffText(
      diffAudits({ name: evil, audit: old }, { name: 'b', audit: { ...now, host: evil } }, 'error'),
      { names: lookupNames(new Uint8Array(), []), style, all: true },
    );
    expect(text).toContain('?[31m?');
    expect(text).not.toMatch(/[\u001b\u202e]/);
  });
});
