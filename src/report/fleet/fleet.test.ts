import fc from 'fast-check';
import { parse } from 'valibot';
import { beforeAll, describe, expect, it } from 'vitest';
import { machines } from '../../../test/support/arbitrary.js';
import { auditOf, fleetLines, type LooseAudit, without } from '../../../test/support/fleet.js';
import { type MemoryFunction, memoryHost } from '../../../test/support/memory-host.js';
import { scan } from '../../host/scan.js';
import { lookupNames } from '../../pci/pci-ids.js';
import { audit } from '../../quiesce/audit.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import { makePlan } from '../../quiesce/plan.js';
import { parsePolicy } from '../../quiesce/policy.js';
import { auditJson } from '../audit-json.js';
import { Fleet, type FleetOptions, type MachineRow } from './fleet.js';
import { csvLines } from './fleet-csv.js';
import { type FleetData, fleetSchema } from './fleet-data.js';
import { fleetHtml } from './fleet-page.js';

let server: LooseAudit;
beforeAll(async () => {
  server = await auditOf('server');
});

const CRASH: FleetOptions = { path: 'crash', failOn: 'error' };

function named(name: string, change: (one: LooseAudit) => void = () => {}): LooseAudit {
  const one = structuredClone(server);
  one.machine.hostname = name;
  one.machine.kernel = '6.1.0-18-amd64';
  change(one);
  return one;
}

function report(audits: readonly (object | string)[], options = CRASH): FleetData {
  const fleet = new Fleet(options);
  audits.forEach((one, i) => {
    fleet.add(typeof one === 'string' ? one : JSON.stringify(one), `f.ndjson:${i + 1}`, `f.ndjson:${i + 1}`);
  });
  const data = fleet.result();
  expect(parse(fleetSchema, structuredClone(data))).toEqual(data);
  return data;
}

const many = (count: number, prefix = 'web') =>
  Array.from({ length: count }, (_, i) => named(`${prefix}${String(i).padStart(3, '0')}`));
const endpoint = (one: LooseAudit) => {
  const found = one.functions.find(
    (fn) => fn.verdict === 'live' && fn.driver !== null && fn.policy.action === 'gate',
  );
  if (!found) throw new Error('no live endpoint with a driver');
  return found;
};

/** Another number for every bus; bus 0 of a domain too. */
function renumbered(one: LooseAudit, to: (bus: number) => number): LooseAudit {
  const slotOf = (slot: string) =>
    slot.replace(
      /:(..):/,
      (_, bus: string) => `:${to(Number.parseInt(bus, 16)).toString(16).padStart(2, '0')}:`,
    ) as never;
  const copy = structuredClone(one);
  for (const fn of copy.functions) {
    fn.slot = slotOf(fn.slot);
    if (fn.parent !== null) fn.parent = slotOf(fn.parent);
    if (fn.physfn !== null) fn.physfn = slotOf(fn.physfn);
    if (fn.bridge) fn.bridge.secondary = to(fn.bridge.secondary);
  }
  for (const finding of copy.findings) if (finding.slot !== null) finding.slot = slotOf(finding.slot);
  copy.functions.sort((a, b) => (a.slot < b.slot ? -1 : 1));
  return copy;
}

describe('a fleet', () => {
  it('is the same in any order', async () => {
    const lines: string[] = [];
    const options = {
      machines: 60,
      functions: 24,
      topologies: 5,
      seed: 3,
      deviatingOneIn: 4,
      brokenOneIn: 12,
    };
    for await (const line of fleetLines(options)) lines.push(line);
    // Which of two audits of one machine counts is the one thing that depends on the order.
    const unique = lines.filter((line, i) => i === 0 || !line.includes('"node000000.example"'));
    const sorted = (data: FleetData) => {
      const broken = data.broken.map(({ problem }) => problem).sort();
      const outcomes = data.outcomes.map(({ listed, ...rest }) => ({
        ...rest,
        listed: listed.map(({ place: _, ...one }) => one),
      }));
      return { ...data, broken, outcomes };
    };
    const first = sorted(report(unique));
    expect(first.machines.broken).toBeGreaterThan(0);
    expect(first.deviations.length).toBeGreaterThan(0);
    fc.assert(
      fc.property(fc.shuffledSubarray(unique, { minLength: unique.length }), (shuffled) => {
        expect(sorted(report(shuffled))).toEqual(first);
      }),
      { numRuns: 8 },
    );
  });

  it('groups by what is where, not by bus numbers', async () => {
    await fc.assert(
      fc.asyncProperty(machines, fc.nat(), async (functions, seed) => {
        const one = structuredClone(
          auditJson(audit(await scan(memoryHost(functions)), defaultPolicy(), 'crash')),
        ) as LooseAudit;
        const row = (changed: LooseAudit): MachineRow | null =>
          new Fleet(CRASH).add(JSON.stringify(changed), 'x', 'x');
        const again = row(renumbered(one, (bus) => (bus * 77 + seed) % 256));
        const before = row(one);
        expect(before?.outcome).not.toBe('broken');
        expect(again).toEqual(before);
        const [fn] = one.functions;
        if (fn) fn.device = fn.device === '0001' ? '0002' : '0001';
        if (fn) expect(row(one)?.topology).not.toBe(before?.topology);
      }),
      { numRuns: 60 },
    );
  });

  it('names machines that are not as their like, and in what', () => {
    const data = report([
      ...many(20),
      named('db1', (one) => {
        endpoint(one).driver = 'vfio-pci';
      }),
      named('db2', (one) => {
        one.machine.lockdown = 'integrity';
      }),
      named('db3', (one) => {
        one.machine.kernel = '6.12.6';
      }),
    ]);
    expect(data.topologies).toHaveLength(1);
    const { slot, driver } = endpoint(server);
    expect(data.deviations.map(({ examples, differences }) => ({ examples, differences }))).toEqual([
      { examples: ['db1'], differences: [{ slot, what: 'driver', usual: driver, here: 'vfio-pci' }] },
      {
        examples: ['db2'],
        differences: [{ slot: null, what: 'lockdown', usual: 'none', here: 'integrity' }],
      },
      {
        examples: ['db3'],
        differences: [{ slot: null, what: 'kernel', usual: '6.1.0-18-amd64', here: '6.12.6' }],
      },
    ]);
  });

  it('takes nothing for usual that less than three of four have', () => {
    const half = many(10, 'b').map((one) => {
      one.machine.kernel = '6.12.6';
      return one;
    });
    const data = report([...many(10), ...half]);
    expect(data.deviations).toEqual([]);
    expect(data.topologies[0]?.kernels.map(({ machines: count }) => count)).toEqual([10, 10]);
    expect(
      report([named('a'), named('b', (one) => (one.machine.lockdown = 'integrity'))]).deviations,
    ).toEqual([]);
  });

  it('says which function is missing, more, or another', () => {
    const gone = endpoint(server);
    const bridge = server.functions.find(
      ({ bridge: one, slot }) => one && server.functions.some((f) => f.parent === slot && f.bridge === null),
    );
    if (!bridge) throw new Error('a bridge with something below it');
    const below = new Set<string>([bridge.slot]);
    for (const fn of server.functions) if (fn.parent !== null && below.has(fn.parent)) below.add(fn.slot);
    const data = report([
      ...many(20),
      named('less', (one) => without(one, gone.slot)),
      named('other', (one) => {
        endpoint(one).device = 'abcd';
      }),
      named('more', (one) => {
        const slot = '0000:00:1e.7' as never;
        const extra = { ...structuredClone(one.functions[0]), slot, device: 'beef', parent: null };
        one.functions.push(extra as LooseAudit['functions'][number]);
      }),
      named('branch', (one) => {
        for (const slot of below) without(one, slot);
      }),
    ]);
    const found = new Map(data.nearly.map((one) => [one.examples[0], one.differences]));
    const ids = (fn: LooseAudit['functions'][number]) => ({
      vendor: fn.vendor,
      device: fn.device,
      class: fn.class,
    });
    expect(found.get('less')).toEqual([
      { kind: 'missing', slot: gone.slot, ...ids(gone), below: 0, usual: null },
    ]);
    expect(found.get('other')).toEqual([
      { kind: 'other', slot: gone.slot, ...ids(gone), device: 'abcd', below: 0, usual: ids(gone) },
    ]);
    expect(found.get('more')).toMatchObject([{ kind: 'extra', slot: '0000:00:1e.7', device: 'beef' }]);
    expect(found.get('branch')).toEqual([
      { kind: 'missing', slot: bridge.slot, ...ids(bridge), below: below.size - 1, usual: null },
    ]);
  });

  it('ranks what to mend, and says what becomes clear by it', () => {
    const free = server.findings.find(({ id }) => id === 'SD001');
    const clean = (one: LooseAudit) => {
      for (const finding of one.findings) if (finding.severity !== 'info') finding.severity = 'info';
    };
    const say = (one: LooseAudit, id: string, severity: 'error' | 'warning') => {
      clean(one);
      one.findings.push({ ...structuredClone(free as LooseAudit['findings'][number]), id, severity });
    };
    const data = report([
      ...many(3),
      ...['a', 'b'].map((name) => named(name, (one) => say(one, 'SD016', 'error'))),
      named('c', (one) => say(one, 'SD008', 'warning')),
      named('d', clean),
    ]);
    const errors = data.fixes.filter(({ severity }) => severity === 'error');
    expect(
      errors.map(({ id, machines: count, clears, clearAfter }) => [id, count, clears, clearAfter]),
    ).toEqual([
      ['SD001', 3, 3, 3],
      ['SD016', 2, 2, 5],
    ]);
    const warning = data.fixes.find(({ id }) => id === 'SD008');
    expect(warning).toMatchObject({ machines: 1, findings: 1, clears: 1 });
    expect(data.fixes.at(-1)?.clearAfter).toBe(6);
    expect(data.machines).toEqual({ read: 7, clean: 2, broken: 0, otherPath: 0 });
    expect(errors[0]?.on[0]).toMatchObject({ vendor: expect.any(String), machines: 3 });
  });

  it('gives the advice of most findings, and the others with their counts, in any order', () => {
    const advise = (name: string, rest: string) =>
      named(name, (one) => {
        const ours = one.findings.filter(({ id, severity }) => id === 'SD003' && severity === 'warning');
        for (const [i, finding] of ours.entries()) finding.advice = i === 0 ? 'A rare one.' : rest;
      });
    const audits = [advise('a', 'Z the usual.'), advise('b', 'Z the usual.'), advise('c', 'M else.')];
    const fixOf = (data: FleetData) => data.fixes.find(({ id }) => id === 'SD003');
    const fix = fixOf(report(audits));
    const per = (fix?.findings ?? 0) / 3 - 1;
    expect(per).toBeGreaterThan(3);
    expect(fix).toMatchObject({
      advice: 'Z the usual.',
      otherAdvice: [
        { advice: 'M else.', findings: per },
        { advice: 'A rare one.', findings: 3 },
      ],
      moreAdvice: 0,
    });
    expect(fixOf(report(audits.toReversed()))).toEqual(fix);
    const many = Array.from({ length: 12 }, (_, i) => advise(`m${i}`, `Advice ${i}.`));
    expect(fixOf(report(many))).toMatchObject({ moreAdvice: 4 });
    const html = fleetHtml(report(audits), lookupNames(new Uint8Array(0), []));
    expect(html).toContain('Z the usual. For ');
    const commands = report([advise('x', 'Use `shootdown apply`, then look.')]);
    expect(fleetHtml(commands, lookupNames(new Uint8Array(0), []))).toContain(
      'Use <code>shootdown apply</code>, then look.',
    );
  });

  it('names the functions that an outcome is about', () => {
    const unread = (one: LooseAudit) => {
      const fn = one.functions.find(({ verdict }) => verdict === 'quiet') ?? one.functions.at(-1);
      Object.assign(fn as object, {
        presence: 'all-ones',
        command: null,
        status: null,
        busMaster: null,
        intxDisable: null,
        intxAsserted: null,
        interruptPin: null,
        verdict: 'unknown',
      });
    };
    const protectedOne = named('a', (one) => {
      one.machine.captureKernelProtected = true;
      unread(one);
    });
    const fleet = new Fleet(CRASH);
    expect(fleet.add(JSON.stringify(protectedOne), 'x', 'x')).toMatchObject({
      outcome: 'unknown',
      curable: 0,
      unread: 1,
    });
    const { outcomes } = fleet.result();
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      'exposed',
      'no-capture-kernel',
      'unprotected',
      'unknown',
      'ready',
    ]);
    const listed = (data: FleetData) => data.outcomes.flatMap(({ listed: all }) => all);
    expect(listed(fleet.result())[0]?.functions.map(({ why }) => why)).toEqual([
      'does not answer (all-ones)',
    ]);
    const exposed = report([
      named('b', (one) => {
        endpoint(one).policy.action = 'exempt';
        unread(one);
      }),
    ]);
    expect(listed(exposed)[0]?.functions.map(({ why }) => why)).toEqual([
      expect.stringContaining('leaves it alone'),
    ]);
    const nothing = report([named('c', (one) => (one.machine.captureKernelLoaded = false))]);
    expect(listed(nothing)[0]?.functions).toEqual([]);
    expect(fleetHtml(nothing, lookupNames(new Uint8Array(0), []))).toContain(
      '<td data-label="in the way">after a panic nothing would start</td>',
    );
  });

  it('calls a machine without a name by its place', () => {
    for (const hostname of ['', '  ']) {
      expect(new Fleet(CRASH).add(JSON.stringify(named(hostname)), 'x', 'web01')?.machine).toBe('web01');
    }
  });

  it('tells what a jump would meet', () => {
    const outcomeOf = (change: (one: LooseAudit) => void, options = CRASH) => {
      const fleet = new Fleet(options);
      return fleet.add(JSON.stringify(named('a', change)), 'x', 'x')?.outcome;
    };
    const quiet = (one: LooseAudit) => {
      for (const fn of one.functions) {
        if (fn.verdict === 'live' && fn.command !== null) {
          Object.assign(fn, {
            command: '0400',
            status: '0010',
            busMaster: false,
            intxDisable: true,
            intxAsserted: false,
            verdict: 'quiet',
          });
        }
      }
      one.findings = [];
    };
    expect(outcomeOf(() => {})).toBe('unprotected');
    expect(outcomeOf((one) => (one.machine.captureKernelProtected = true))).toBe('ready');
    expect(outcomeOf((one) => (one.machine.captureKernelLoaded = false))).toBe('no-capture-kernel');
    expect(outcomeOf((one) => (endpoint(one).policy.action = 'exempt'))).toBe('exposed');
    expect(outcomeOf(quiet)).toBe('ready');
    expect(
      outcomeOf((one) => {
        quiet(one);
        Object.assign(endpoint(server) && (one.functions.at(-1) as object), {
          presence: 'all-ones',
          command: null,
          status: null,
          busMaster: null,
          intxDisable: null,
          intxAsserted: null,
          interruptPin: null,
          verdict: 'unknown',
        });
      }),
    ).toBe('unknown');
    const normal = (one: LooseAudit) => {
      one.for = 'normal';
      one.machine.lockdown = 'integrity';
    };
    expect(outcomeOf(normal, { path: 'normal', failOn: 'error' })).toBe('exposed');
    expect(outcomeOf(normal)).toBeUndefined();
  });

  describe('before a normal jump', () => {
    const NORMAL: FleetOptions = { path: 'normal', failOn: 'error' };
    const namedIn = async (functions: Record<string, MemoryFunction>, policy = defaultPolicy()) => {
      const machine = await scan(memoryHost(functions));
      const fleet = new Fleet(NORMAL);
      const row = fleet.add(JSON.stringify(auditJson(audit(machine, policy, 'normal'))), 'x', 'x');
      const listed = fleet.result().outcomes.flatMap(({ listed: all }) => all);
      const gated = makePlan(machine, policy, { at: 'before' }).steps.map(({ slot }) => slot);
      return { outcome: row?.outcome, whys: listed.flatMap((one) => one.functions), gated: new Set(gated) };
    };
    const nic = (more: MemoryFunction): MemoryFunction => ({ classCode: 0x020000, command: 6, ...more });

    it('a bound function is left to its driver, as in the plan', async () => {
      const shutdown = { driver: 'nvidia', driverShutdown: 'unknown' } as const;
      expect(await namedIn({ '00:02.0': nic({ facts: shutdown }) })).toMatchObject({
        outcome: 'exposed',
        whys: [{ slot: '0000:00:02.0', why: "bound to nvidia: left to its driver's shutdown" }],
        gated: new Set(),
      });
      expect(await namedIn({ '00:02.0': nic({ facts: { driver: undefined } as never }) })).toMatchObject({
        outcome: 'exposed',
        whys: [{ slot: '0000:00:02.0', why: 'driver not known: apply does not gate it' }],
        gated: new Set(),
      });
      expect(await namedIn({ '00:02.0': nic({ facts: { driver: null } }) })).toMatchObject({
        outcome: 'unprotected',
        whys: [{ slot: '0000:00:02.0', why: 'rule otherwise would gate it' }],
        gated: new Set(['0000:00:02.0']),
      });
    });

    it('one that the policy unbinds is not', async () => {
      const rules = [{ id: 'let-go', match: { class: '02' }, action: 'unbind', reason: 'a test' }];
      const policy = parsePolicy(JSON.stringify({ ...defaultPolicy(), rules }), 'test');
      expect(await namedIn({ '00:02.0': nic({ facts: { driver: 'nvidia' } }) }, policy)).toMatchObject({
        outcome: 'unprotected',
        whys: [{ why: 'rule let-go would unbind it' }],
      });
    });

    it('names as unprotected only what the plan writes', async () => {
      await fc.assert(
        fc.asyncProperty(machines, async (functions) => {
          const { outcome, whys, gated } = await namedIn(functions);
          if (outcome !== 'unprotected') return;
          for (const { slot } of whys) expect(gated).toContain(slot);
        }),
        { numRuns: 200 },
      );
    });
  });

  it('does not count what sleeps', async () => {
    const asleep: MemoryFunction = {
      ...{ classCode: 0x020000, command: 6, facts: { driver: 'x' } },
      capabilities: [{ kind: 'pm', state: 3 }],
    };
    const rowOf = async (functions: Record<string, MemoryFunction>) => {
      const facts = { captureKernelLoaded: true, captureKernelProtected: true };
      const audited = audit(await scan(memoryHost(functions, facts)), defaultPolicy(), 'crash');
      return new Fleet(CRASH).add(JSON.stringify(auditJson(audited)), 'x', 'x');
    };
    expect(await rowOf({ '0001:00:02.0': asleep })).toMatchObject({ outcome: 'ready', exposed: 0 });
    const awake = { ...asleep, capabilities: [] };
    expect(await rowOf({ '0001:00:02.0': awake })).toMatchObject({ outcome: 'exposed', exposed: 1 });
    // SD016 warns of it, and nobody writes to what sleeps.
    const pin = { ...asleep, status: 8, interruptPin: 1 };
    expect(await rowOf({ '00:02.0': pin })).toMatchObject({ outcome: 'exposed', curable: 0 });
  });

  it('goes on after what is broken, and keeps the first audit of a machine', () => {
    const data = report([named('a'), '{"schema":', named('a'), { schema: 'shootdown.plan/1' }, named('b')]);
    expect(data.machines).toEqual({ read: 2, clean: 0, broken: 3, otherPath: 0 });
    expect(data.broken.map(({ place, problem }) => `${place} ${problem}`)).toEqual([
      expect.stringMatching(/^f\.ndjson:2 not JSON/),
      'f.ndjson:3 a: a second audit of this machine: the first one, f.ndjson:1, counts',
      expect.stringMatching(/^f\.ndjson:4 its schema is shootdown\.plan\/1/),
    ]);
    const bad = report(Array(150).fill('x'));
    expect(bad.broken).toHaveLength(100);
    expect(bad.machines.broken).toBe(150);
    expect(bad.leftOut).toEqual(['not read: 50 more']);
  });

  it('says where the first audit of a machine is, and what has its name and is another', () => {
    const fleet = new Fleet(CRASH);
    const other = named('a');
    const leaf = other.functions.findLast(({ bridge }) => bridge === null);
    without(other, leaf?.slot ?? '');
    const rows = [named('a'), named('a'), other].map((one, i) =>
      fleet.add(JSON.stringify(one), `f.ndjson:${i + 1}`, ''),
    );
    expect(rows.map((row) => `${row?.machine} ${row?.outcome} ${row?.problem}`)).toEqual([
      expect.stringMatching(/^a (exposed|unprotected) $/),
      'a broken a: a second audit of this machine: the first one, f.ndjson:1, counts',
      'a broken a: a second audit by this name, and other functions than in the first one, f.ndjson:1, which counts: another machine of this name?',
    ]);
  });

  it('keeps names from outside harmless', () => {
    const evil = '=cmd|"/C calc"!A1\u001b[2J<script>alert(1)</script>';
    const fleet = new Fleet(CRASH);
    const rows = [named(evil), named('+1'), named('-1'), named('@a'), named(`x${'y'.repeat(500)}`)].map(
      (one, i) => fleet.add(JSON.stringify(one), `f:${i}`, 'f'),
    );
    const csv = csvLines(rows.filter((row) => row !== null));
    expect(csv.split('\n').map((line) => line.slice(0, 4))).toEqual([
      `"'=c`,
      `'+1,`,
      `'-1,`,
      `'@a,`,
      'xyyy',
      '',
    ]);
    expect(csv).not.toContain('\u001b');
    const html = fleetHtml(fleet.result(), lookupNames(new Uint8Array(0), []));
    expect(html).toContain('&lt;script>alert(1)');
    expect(html).not.toMatch(/<script|\u001b/);
    expect(html).toContain("default-src 'none'");
    expect(rows[4]?.machine.length).toBe(128);
  });
});
