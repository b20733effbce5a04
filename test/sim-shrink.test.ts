import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { soakText } from '../src/report/soak-text.js';
import { judgeOurs } from '../src/sim/checkers/violations.js';
import type { FunctionDescription } from '../src/sim/description.js';
import { SimMachine } from '../src/sim/machine.js';
import { runScenario } from '../src/sim/scenario/run.js';
import { parseScenario } from '../src/sim/scenario/scenario.js';
import { drawCase, type SoakCase } from '../src/sim/soak/case.js';
import { caseScenario } from '../src/sim/soak/case-scenario.js';
import { playCase } from '../src/sim/soak/play.js';
import { randomMachine } from '../src/sim/soak/random-machine.js';
import { shrinkCase, withoutSlots } from '../src/sim/soak/shrink.js';
import { newSoak } from '../src/sim/soak/soak.js';
import { brokenStub } from './support/broken-ours.js';

/** The planted defect: an engine that nobody looks after, among forty functions that have nothing to do with it. */
const CULPRIT: FunctionDescription = {
  slot: '00:1f.6',
  vendor: 0x8086,
  device: 0x3c20,
  classCode: 0x088000,
  workload: 'dma-engine',
  leftBy: 'driver',
};

/** It still writes after a jump. */
const hit = async (candidate: SoakCase): Promise<boolean> => {
  let wrote = false;
  await playCase(candidate, {
    onJump: ({ result }) => {
      if (result.writes.some(({ slot }) => slot === '0000:00:1f.6')) wrote = true;
    },
  });
  return wrote;
};

function planted(seed: number): SoakCase {
  const { description } = randomMachine(seed, { functions: 40 });
  const functions = [...description.functions.filter(({ slot }) => !slot.endsWith('00:1f.6')), CULPRIT];
  const jump = {
    path: 'crash',
    policy: 'none',
    bridges: false,
    rules: [],
    pendingTimeoutMs: 10,
    ticks: 200,
  } as const;
  return { machine: { ...description, functions }, seed, faults: {}, jumps: [jump, jump, jump] };
}

const CRASH = { path: 'crash', policy: 'between' } as const;
const VIOLATION = { count: 1, first: [{ number: 1, jump: 0, what: ['it did'] }] };
const STORY = {
  ...{ name: 'soak-1', title: 't', found: 'f', story: 's' },
  ...({ none: 'corrupted', seen: 'clean' } as const),
};
const same = (text: string) => text;
const STYLE = { width: 100, bold: same, dim: same, red: same, yellow: same, green: same };

describe('a case that shows something', () => {
  it('is made as small as it can be: one function, one jump', { timeout: 120_000 }, async () => {
    for (const seed of [1, 2, 3]) {
      const smallest = await shrinkCase(planted(seed), { shows: hit });
      expect(smallest.machine.functions.map(({ slot }) => slot)).toEqual(['00:1f.6']);
      expect(smallest.jumps).toHaveLength(1);
      expect(await hit(smallest)).toBe(true);
    }
  });

  it('is made small where ours breaks its word', { timeout: 120_000 }, async () => {
    const stub = brokenStub('intx-disable');
    const shows = async (candidate: SoakCase) => {
      const { jumps } = await playCase(candidate, { stub });
      return jumps.some(({ violations }) => violations.length > 0);
    };
    const drawn = drawCase(newSoak({ seed: 5, functions: 40, policy: 'ours' }), 1);
    const crash = { ...drawn, jumps: drawn.jumps.slice(0, 1).map((jump) => ({ ...jump, ...CRASH })) };
    expect(await shows(crash)).toBe(true);
    const smallest = await shrinkCase(crash, { shows });
    // A function, and the bridges that lead to it; or a bridge alone.
    const { functions } = smallest.machine;
    expect(functions.length).toBeLessThanOrEqual(4);
    expect(functions.filter(({ secondary }) => secondary === undefined).length).toBeLessThanOrEqual(1);
    const said = soakText(
      { ...newSoak({ seed: 5, functions: 40, policy: 'ours' }), violations: VIOLATION },
      {
        ...{ seconds: 2, jumpsInThisRun: 0 },
        smallest: {
          ...{ case: smallest, what: ['something is wrong'], file: null },
          ...{ command: 'shootdown sim soak --replay 1', why: 'it takes 2 jumps' },
        },
        again: (number) => `shootdown sim soak --replay ${number}`,
      },
      STYLE,
    );
    expect(said).toContain('1 violation');
    expect(said).toContain(smallest.machine.functions.at(-1)?.slot);
    expect(said).toContain('Again: shootdown sim soak --replay 1');
    expect(said).toMatch(
      /something is wrong\nIt is not written as a scenario: it takes 2 jumps\. .*--replay 1/,
    );

    // And as a file that `sim run` plays, it shows the same.
    const text = JSON.stringify(caseScenario(smallest, STORY, defaultPolicy().bounds.pendingTimeoutMs));
    const played = await runScenario(parseScenario(text, 'soak.json'), 'between', {
      ...{ seed: smallest.seed, stub },
    });
    expect(judgeOurs(played).violations).toEqual(
      (await playCase(smallest, { stub })).jumps.flatMap(({ violations }) => violations),
    );
  });

  it('says as a scenario file what it is', () => {
    const settings = newSoak({ seed: 3, functions: 30, policy: 'ours' });
    fc.assert(
      fc.property(fc.nat(10_000), (number) => {
        const drawn = drawCase(settings, number);
        const of = {
          ...drawn,
          jumps: drawn.jumps.slice(0, 1).map((jump) => ({ ...jump, pendingTimeoutMs: 10 })),
        };
        const { machine, faults, jump, path } = parseScenario(
          JSON.stringify(caseScenario(of, STORY, 10)),
          'soak.json',
        );
        const { name: _, captureDrivers, ...same } = machine;
        expect({ platform: 'x86-server', era: 'today', ...of.machine }).toMatchObject(same);
        expect(of.machine.captureDrivers).toEqual(expect.arrayContaining([...captureDrivers]));
        expect(faults).toEqual(of.faults);
        expect({ path, ...of.jumps[0] }).toMatchObject({ ...jump, path });
        const notPrevented = { ...of, jumps: of.jumps.map((one) => ({ ...one, policy: 'ours' as const })) };
        const hung = caseScenario(notPrevented, { ...STORY, seen: 'hung' }, 10);
        expect(parseScenario(JSON.stringify(hung), 'soak.json').expect.ours).toMatchObject({
          ...{ verdict: 'hung', why: STORY.story },
        });
        expect(caseScenario(of, STORY, 11)).toMatch(/waits 10 ms/);
        expect(caseScenario({ ...of, jumps: [...of.jumps, ...of.jumps] }, STORY, 10)).toMatch(
          /takes 2 jumps/,
        );
        expect(caseScenario(of, { ...STORY, none: 'clean', seen: 'clean' }, 10)).toMatch(/itself is clean/);
      }),
      { numRuns: 100 },
    );
  });

  it('stays a sound machine whatever is taken away', { timeout: 120_000 }, async () => {
    const settings = newSoak({ seed: 9, functions: 30, policy: 'ours' });
    await fc.assert(
      fc.asyncProperty(fc.nat(1000), fc.infiniteStream(fc.boolean()), async (number, chosen) => {
        const of = drawCase(settings, number);
        const slots = of.machine.functions.map(({ slot }) => slot).filter(() => chosen.next().value === true);
        const { machine, faults } = withoutSlots(of, slots);
        const kept = new Set(machine.functions.map(({ slot }) => slot));
        for (const slot of slots) expect(kept.has(slot)).toBe(false);
        expect(() => new SimMachine(machine, { seed: 1, faults })).not.toThrow();
      }),
      { numRuns: 60 },
    );
  });

  it('is made small by fast-check as well', { timeout: 120_000 }, async () => {
    const of = planted(4);
    const one = { ...of, jumps: of.jumps.slice(0, 1) };
    const { functions } = of.machine;
    const details = await fc.check(
      fc.asyncProperty(fc.subarray([...functions.keys()]), async (left) => {
        const gone = functions.filter((_, at) => !left.includes(at)).map(({ slot }) => slot);
        return !(await hit(withoutSlots(one, gone)));
      }),
      { seed: 1, numRuns: 50 },
    );
    expect(details.failed).toBe(true);
    expect(details.counterexample?.[0]).toEqual([functions.length - 1]);
  });
});
