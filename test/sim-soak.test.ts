import { describe, expect, it } from 'vitest';
import { interpretedStub } from '../src/cli/sim-stub.js';
import { ShootdownError } from '../src/pci/error.js';
import { drawCase, type SoakSettings } from '../src/sim/soak/case.js';
import { playCase } from '../src/sim/soak/play.js';
import { newSoak, parseSoak, type SoakState, soak } from '../src/sim/soak/soak.js';

const JUMPS = Number(process.env['SHOOTDOWN_SOAK_JUMPS'] ?? 150);

async function play(from: SoakState, jumps: number): Promise<SoakState> {
  let state = from;
  for await (const next of soak(from, interpretedStub())) {
    state = next.state;
    if (state.jumps.all >= jumps) break;
  }
  return state;
}

const settings = (policy: SoakSettings['policy'], functions = 64): SoakSettings => ({
  ...{ seed: 1, functions, policy },
});

describe('a soak', () => {
  it('with ours has no violation', { timeout: 600_000 }, async () => {
    const state = await play(newSoak(settings('ours')), JUMPS);
    expect(state.violations).toEqual({ count: 0, first: [] });
    expect(state.jumps.normal).toBeGreaterThan(0);
    expect(state.jumps.crash).toBeGreaterThan(0);
    expect(state.jumps.chained).toBeGreaterThan(0);
  });

  it('with none hits memory within the first hundred jumps', { timeout: 600_000 }, async () => {
    const state = await play(newSoak(settings('none')), 100);
    expect(state.violations).toEqual({ count: 0, first: [] });
    expect(state.firstCorruption).not.toBeNull();
    expect(state.firstCorruption).toBeLessThanOrEqual(100);
  });

  it('has bridges that refuse what is below them, in one jump of eight where nobody does anything', {
    timeout: 120_000,
  }, async () => {
    const share = async (policy: SoakSettings['policy']) => {
      let [jumps, refusing] = [0, 0];
      for (let number = 0; number < 80; number++) {
        await playCase(drawCase({ ...settings(policy), seed: 7 }, number), {
          onJump: ({ result: { timeline } }) => {
            jumps++;
            if (timeline.some(({ text }) => text.startsWith('Unsupported Request on a request of')))
              refusing++;
          },
        });
      }
      return refusing / jumps;
    };
    const [ours, none] = [await share('ours'), await share('none')];
    expect(ours).toBeGreaterThan(1 / 16);
    expect(none).toBeGreaterThan(1 / 8);
  });

  it('comes to the same when it is cut in two', { timeout: 120_000 }, async () => {
    const small = settings('ours', 12);
    const whole = await play(newSoak(small), 40);
    const first = await play(newSoak(small), 15);
    const second = await play(parseSoak(JSON.stringify(first), 'state'), 40);
    expect(second).toEqual(whole);
  });

  it('plays a case again as it was', { timeout: 60_000 }, async () => {
    for (const number of [0, 7, 1234]) {
      const once = await playCase(drawCase(settings('ours', 20), number));
      const again = await playCase(drawCase(settings('ours', 20), number));
      expect(again).toEqual(once);
    }
  });

  it('names the first case for each verdict and excuse, and takes a state that names none', {
    timeout: 120_000,
  }, async () => {
    const state = await play(newSoak(settings('ours', 12)), 60);
    const harm = Object.entries(state.verdicts).filter(([what, count]) => what !== 'clean' && count > 0);
    expect(Object.keys(state.examples.verdicts).sort()).toEqual(harm.map(([what]) => what).sort());
    expect(Object.keys(state.examples.excuses).sort()).toEqual(Object.keys(state.excuses).sort());
    for (const [excuse, number] of Object.entries(state.examples.excuses)) {
      const { jumps } = await playCase(drawCase(state, number), { stub: interpretedStub() });
      expect(jumps.flatMap(({ excuses }) => excuses)).toContain(excuse);
    }
    const { examples: _, ...before } = state;
    expect(parseSoak(JSON.stringify(before), 'state').examples).toEqual({ verdicts: {}, excuses: {} });
  });

  it('says what is wrong with a state that is none', () => {
    const bad = (text: string) => {
      try {
        parseSoak(text, 'state.json');
      } catch (error) {
        return error instanceof ShootdownError ? error.message : String(error);
      }
      return 'nothing';
    };
    expect(bad('{')).toMatch(/^state\.json: not JSON/);
    expect(bad('{}')).toMatch(/^state\.json: not a valid soak's state: schema: is missing/);
    expect(bad(JSON.stringify({ ...newSoak(settings('ours')), cases: -1 }))).toMatch(/cases/);
  });
});
