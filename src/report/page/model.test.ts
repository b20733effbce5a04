import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machines } from '../../../test/support/arbitrary.js';
import { type MemoryFunction, memoryHost } from '../../../test/support/memory-host.js';
import { groupedMachine } from '../../../test/support/page-machines.js';
import { policies } from '../../../test/support/policies.js';
import type { FunctionFacts, MachineFacts } from '../../host/facts.js';
import { type Machine, scan } from '../../host/scan.js';
import { lookupNames } from '../../pci/pci-ids.js';
import { audit } from '../../quiesce/audit.js';
import { parseAudit } from '../../quiesce/audit-data.js';
import { machineFromAudit } from '../../quiesce/audit-machine.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import type { JumpPath } from '../../quiesce/findings.js';
import { makePlan } from '../../quiesce/plan.js';
import type { Policy } from '../../quiesce/policy.js';
import { createMachine } from '../../sim/index.js';
import { auditJson } from '../audit-json.js';
import { auditText, headline } from '../audit-text.js';
import { foldedTree, type PictureNode, rows } from './fold.js';
import { layoutOf } from './layout.js';
import { type PageModel, type PageSources, pageModel } from './model.js';
import { jumpsHtml, reportHtml } from './page.js';
import { asSaid } from './said.js';
import { treeSvg } from './svg.js';
import type { TreeNode } from './view.js';

const NAMES = lookupNames(new Uint8Array(), []);

function sourcesOf(
  machine: Machine,
  policy: Policy = defaultPolicy(),
  path: JumpPath = 'crash',
): PageSources {
  return {
    audit: audit(machine, policy, path),
    topology: machine.topology,
    plan: makePlan(machine, policy, { at: path === 'crash' ? 'between' : 'before' }),
    names: NAMES,
  };
}

const modelOf = async (name: string) => pageModel(sourcesOf(await scan(createMachine(name).host)));

function slotsIn(nodes: readonly TreeNode[]): string[] {
  return nodes.flatMap((node) => {
    if (node.kind === 'alike') return node.views.map(({ slot }) => slot);
    return [...(node.kind === 'function' ? [node.view.slot] : []), ...slotsIn(node.children)];
  });
}

function slotsDrawn(nodes: readonly PictureNode[]): string[] {
  return nodes.flatMap(({ kind, slots, children }) => [
    ...(kind === 'root' ? [] : slots),
    ...slotsDrawn(children),
  ]);
}

const anyModel = fc
  .record({ machine: machines, policy: policies, path: fc.constantFrom<JumpPath[]>('normal', 'crash') })
  .map(({ machine, policy, path }) => async () => {
    const scanned = await scan(memoryHost(machine));
    return { scanned, policy, path, sources: sourcesOf(scanned, policy, path) };
  });

describe('the model of a page', () => {
  it('says what the text of an audit says', async () => {
    const machine = await scan(createMachine('server').host);
    const sources = sourcesOf(machine);
    const model = pageModel(sources);
    expect(model.headline).toBe(headline(sources.audit));
    expect(model.findings.map(({ id, severity, cases }) => `${severity} ${id} ${cases.length}`)).toEqual([
      'error SD001 1',
      'warning SD003 5',
      'warning SD104 1',
      'info SD010 1',
      'info SD018 2',
      'info SD101 1',
    ]);
    const nic = model.functions.find(({ slot }) => slot === '0000:04:00.0');
    expect(nic).toMatchObject({
      ...{ verdict: 'live', driver: 'e1000e', action: 'gate', severity: 'warning', steps: [1, 7, 11] },
      above: ['0000:03:01.0', '0000:02:00.0', '0000:00:1c.0'],
    });
    expect(nic?.evidence).toContainEqual({
      term: 'PCI_COMMAND',
      value: '0406  I/O- Mem+ BusMaster+ DisINTx+',
    });
  });

  it('gives each advice with the functions that it is for, as the text does', async () => {
    const nic = (driver: string | null, classCode = 0x020000) => ({
      ...{ classCode, command: 6 },
      facts: { driver },
    });
    const machine = await scan(
      memoryHost({
        '00:02.0': nic('ntb_hw_intel', 0x068000),
        '00:03.0': nic('e1000e'),
        '00:04.0': nic('nvme'),
      }),
    );
    const sources = sourcesOf(machine);
    const [group] = pageModel(sources).findings;
    expect(group?.advice).toEqual([
      {
        places: '0000:00:02.0',
        text: 'Rule other-bridge leaves it alone: change the policy to gate it.',
      },
      { places: '0000:00:03.0, 0000:00:04.0', text: expect.stringMatching(/^Wrap the capture kernel/) },
    ]);
    const same = (text: string) => text;
    const style = { width: 200, bold: same, dim: same, red: same, yellow: same, green: same };
    const text = auditText(sources.audit, { names: NAMES, style });
    expect(text).toContain('→ 0000:00:02.0: Rule other-bridge leaves it alone');
    expect(text).toContain('→ 0000:00:03.0, 0000:00:04.0: Wrap the capture kernel');
    const html = reportHtml(pageModel(sources)).replace(/<[^>]*>/g, '');
    expect(html).toContain('What to do: 0000:00:02.0. Rule other-bridge');
    expect(html).toContain('What to do: 0000:00:03.0, 0000:00:04.0. Wrap the capture kernel');
    const one = await scan(memoryHost({ '00:03.0': nic('e1000e') }));
    expect(pageModel(sourcesOf(one)).findings[0]?.advice).toEqual([
      { places: '', text: expect.stringMatching(/^Wrap/) },
    ]);
  });

  it('of an audit in a file has what was pending, with Express and without', async () => {
    const af = { kind: 'af', hasPending: true, transactionsPending: true } as const;
    const express = (transactionsPending: boolean) => ({ kind: 'express', transactionsPending }) as const;
    const machine = await scan(
      memoryHost({
        '00:02.0': { command: 6, capabilities: [af] },
        '00:03.0': { command: 6, capabilities: [express(true)] },
        '00:04.0': { command: 6, capabilities: [express(false)] },
        '00:05.0': { command: 6 },
      }),
    );
    const sources = sourcesOf(machine);
    const text = JSON.stringify(auditJson(sources.audit));
    const again = sourcesOf(machineFromAudit(text, 'test'));
    const filed = pageModel({ ...again, audit: asSaid(again.audit, parseAudit(text, 'test')) });
    const pending = (model: PageModel) =>
      model.functions.map(({ evidence }) => evidence.find(({ term }) => term === 'Pending')?.value);
    expect(pending(filed)).toEqual(['transactions pending', 'transactions pending', 'none', undefined]);
    expect(pending(filed)).toEqual(pending(pageModel(sources)));
  });

  it('of an audit in a file says no more than is in the file', async () => {
    const msi = { kind: 'msi', vectorsLog2: 2, vectorsWantedLog2: 5 } as const;
    const machine = await scan(
      memoryHost({
        '00:02.0': { command: 6, capabilities: [msi], facts: { driver: null, powerState: 'D0' } },
        '00:03.0': { command: 6, capabilities: [{ kind: 'msi' }], facts: { driver: null } },
        '00:04.0': { command: 6, facts: { driver: 'x', powerState: 'unknown' } },
      }),
    );
    const sources = sourcesOf(machine, defaultPolicy(), 'normal');
    const text = JSON.stringify(auditJson(sources.audit));
    const again = sourcesOf(machineFromAudit(text, 'test'), defaultPolicy(), 'normal');
    const filed = pageModel({ ...again, audit: asSaid(again.audit, parseAudit(text, 'test')) });
    const said = (model: PageModel, wanted: string) =>
      model.functions.map(({ evidence }) => evidence.find(({ term }) => term === wanted)?.value);
    const direct = pageModel(sources);
    expect(filed.headline).toBe(direct.headline);
    expect(said(direct, 'System')).toEqual(['power_state D0', undefined, 'power_state unknown']);
    expect(said(filed, 'System')).toEqual([undefined, undefined, undefined]);
    expect(said(direct, 'Interrupts')[0]).toMatch(/MSI off, 4 of 32 vectors$/);
    expect(said(filed, 'Interrupts').map((one) => one?.split('; ')[1])).toEqual([
      'MSI off, 4 vectors',
      'MSI off, 1 vector',
      undefined,
    ]);
  });

  it('puts together only what the IOMMU treats alike, and says what is known of it', async () => {
    const ways = async (facts: (i: number) => FunctionFacts, machineFacts: MachineFacts = {}) => {
      const functions = Object.fromEntries(
        Array.from({ length: 8 }, (_, i): [string, MemoryFunction] => [
          `00:0${i + 1}.0`,
          { classCode: 0x020000, facts: facts(i) },
        ]),
      );
      const model = pageModel(sourcesOf(await scan(memoryHost(functions, machineFacts))));
      const [root] = model.tree;
      const kinds = root?.kind === 'root' ? root.children.map(({ kind }) => kind) : [];
      const cells = reportHtml(model).match(/<dd class="way">.*?<\/dd>/g) ?? [];
      return { kinds, ways: cells.map((cell) => cell.replace(/<[^>]*>/g, '')) };
    };
    const iommu = (i: number) => ({ iommuGroup: i, iommuDomain: i % 2 ? 'identity' : 'DMA-FQ' });
    expect(await ways(iommu, { iommu: true })).toEqual({
      kinds: ['alike', 'alike'],
      ways: [' → IOMMU group (DMA-FQ) → memory', ' → IOMMU group (identity: not translated) → memory'],
    });
    expect(await ways(() => ({}))).toEqual({ kinds: ['alike'], ways: [' → IOMMU not known → memory'] });
    expect(await ways((i) => (i < 4 ? { iommuGroup: null } : iommu(0)), { iommu: true })).toEqual({
      kinds: ['alike', 'alike'],
      ways: [' → no IOMMU group → memory', ' → IOMMU group (DMA-FQ) → memory'],
    });
  });

  it('puts alike siblings together, and tells who shares an IOMMU group', async () => {
    const model = pageModel(sourcesOf(await groupedMachine()));
    const [root, vmd] = model.tree;
    expect(root).toMatchObject({ kind: 'root', id: '0000:00', below: { live: 7, open: 2, quiet: 20 } });
    expect(vmd).toMatchObject({ kind: 'root', id: '10000:00' });
    const port = root?.kind === 'root' ? root.children[0] : undefined;
    const kinds = port?.kind === 'function' ? port.children.map(({ kind }) => kind) : [];
    expect(kinds).toEqual(['function', 'alike', 'function', 'function', 'function', 'function']);
    expect(model.sharedGroups).toEqual([
      {
        group: 2,
        domain: 'DMA',
        members: [
          { slot: '0000:00:02.0', bridge: true },
          { slot: '0000:02:00.0', bridge: false },
          { slot: '0000:02:00.1', bridge: false },
        ],
      },
    ]);
  });

  it('has every function once, in the tree and in the picture, and every step', async () => {
    await fc.assert(
      fc.asyncProperty(anyModel, async (make) => {
        const { sources } = await make();
        const model = pageModel(sources);
        const all = [...sources.topology.nodes.keys()].map(String).sort();
        expect(slotsIn(model.tree).sort()).toEqual(all);
        expect(slotsDrawn(foldedTree(model.tree)).sort()).toEqual(all);
        const runs = model.plan.passes.flatMap((pass) => pass.runs);
        expect(runs.flatMap(({ slots }) => slots)).toEqual(sources.plan.steps.map(({ slot }) => slot));
        expect(runs.map(({ from, to }) => to - from + 1)).toEqual(runs.map(({ slots }) => slots.length));
        const left = model.plan.left.flatMap(({ slots }) => slots);
        expect(left.sort()).toEqual(sources.plan.skipped.map(({ slot }) => String(slot)).sort());
        const places = layoutOf(foldedTree(model.tree)).nodes.filter(({ leaf }) => leaf);
        expect(new Set(places.map(({ y }) => y)).size).toBe(places.length);
      }),
      { numRuns: 60 },
    );
  });

  it('of an audit in a file says what the audit said', async () => {
    await fc.assert(
      fc.asyncProperty(anyModel, async (make) => {
        const { scanned, policy, path, sources } = await make();
        const json = JSON.stringify(auditJson(sources.audit));
        const machine = machineFromAudit(json, 'test');
        const again = sourcesOf(machine, policy, path);
        const model = pageModel({ ...again, audit: asSaid(again.audit, parseAudit(json, 'test')) });
        const direct = pageModel(sources);
        const told = ({ headline, breakdown, findings, facts, host }: PageModel) => ({
          ...{ headline, breakdown, findings, facts, host },
        });
        expect(told(model)).toEqual(told(direct));
        expect(model.functions.map(({ slot, verdict, rule }) => ({ slot, verdict, rule }))).toEqual(
          direct.functions.map(({ slot, verdict, rule }) => ({ slot, verdict, rule })),
        );
        expect(scanned.topology.nodes.size).toBe(model.functions.length);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the picture', () => {
  it('stays one for a large machine', async () => {
    const model = await modelOf('server');
    expect(rows(foldedTree(model.tree))).toBe(10);
    const [root] = model.tree;
    if (root?.kind !== 'root') throw new Error('no root bus');
    const many = Array.from({ length: 300 }, (_, index) => ({ ...root, id: `${1000 + index}:00` }));
    expect(rows(foldedTree(many))).toBe(10);
    const [port] = root.children.filter((node) => node.kind === 'function' && node.children.length > 0);
    if (!port) throw new Error('no port');
    const wide = { ...root, children: Array.from({ length: 1000 }, () => port) };
    expect(rows(foldedTree([wide]))).toBe(1);
  });
});

it('of 255 bridges below each other is made in time', async () => {
  const chain = Object.fromEntries(
    Array.from({ length: 255 }, (_, bus) => [
      `0000:${bus.toString(16).padStart(2, '0')}:00.0`,
      { command: 7, bridge: { primary: bus, secondary: bus + 1, subordinate: 255 } },
    ]),
  );
  const model = pageModel(sourcesOf(await scan(memoryHost({ ...chain, '0000:ff:00.0': { command: 6 } }))));
  expect(model.functions.at(-1)?.above).toHaveLength(255);
  expect(reportHtml(model).length).toBeLessThan(8e6);
});

/** The names of all elements in their order. */
const elements = (markup: string) => markup.match(/<[!/a-z?][^\s>]*/gi) ?? [];

describe('arbitrary strings', () => {
  const text = fc.oneof(
    fc
      .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 40 })
      .map((points) => String.fromCodePoint(...points)),
    fc.constantFrom('<script>', '"><img src=x>', "' onload='x", ']]>', '<!--', '&lt;', '</style>', '</svg>'),
  );

  it('never become markup', async () => {
    const machine = await scan(createMachine('server').host);
    const sources = sourcesOf(machine);
    const withText = (bad: string): PageModel =>
      pageModel({
        ...sources,
        names: { device: () => bad, className: () => bad },
        audit: {
          ...sources.audit,
          host: bad,
          policy: bad,
          notes: [bad],
          functions: sources.audit.functions.map((audited) => ({
            ...audited,
            facts: { ...audited.facts, driver: bad, iommuDomain: bad, iommuGroup: 1, resetMethods: [bad] },
            decision: { ...audited.decision, rule: bad, reason: bad },
          })),
          findings: sources.audit.findings.map((finding) => ({
            ...{ ...finding, evidence: bad, title: bad },
            // Between backticks is code, which is an element.
            advice: bad.replaceAll('`', ''),
          })),
        },
      });
    const plain = withText('x');
    const [html, svg] = [elements(reportHtml(plain)), elements(treeSvg(plain))];
    fc.assert(
      fc.property(text, (bad) => {
        fc.pre(bad.trim() !== '' && bad !== 'none' && bad !== 'otherwise');
        const model = withText(bad);
        expect(elements(reportHtml(model))).toEqual(html);
        const drawn = treeSvg(model);
        expect(elements(drawn)).toEqual(svg);
        expect(drawn.includes(']]>')).toBe(false);
        expect(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(drawn)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it('of jumps alone, likewise', () => {
    expect(elements(jumpsHtml([])).filter((name) => name === '<script')).toHaveLength(1);
  });
});
