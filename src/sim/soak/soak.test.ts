import { expect, it } from 'vitest';
import { brokenStub } from '../../../test/support/broken-ours.js';
import { newSoak, type SoakState, soak } from './soak.js';

const SETTINGS = { seed: 1, functions: 32, policy: 'ours' } as const;

it('ends in the middle of a case once its signal is aborted, and does not count that case', async () => {
  const from = newSoak(SETTINGS);
  const abort = new AbortController();
  let state: SoakState = from;
  for await (const next of soak(from, undefined, abort.signal)) {
    state = next.state;
    abort.abort();
  }
  expect(state.cases).toBeGreaterThan(0);
  expect(state.cases).toBeLessThan(100);
  let whole: SoakState = from;
  for await (const next of soak(from)) {
    if (next.state.cases > state.cases) break;
    whole = next.state;
  }
  expect(state).toEqual(whole);
});

it('counts every violation, and keeps the first twenty', async () => {
  const firstOf = async (before: SoakState['violations']) => {
    const from = { ...newSoak({ ...SETTINGS, functions: 8 }), violations: before };
    for await (const next of soak(from, brokenStub('everything exempt'))) if (next.violation) return next;
    throw new Error('no violation');
  };
  const { state, violation } = await firstOf({ count: 19, first: [] });
  expect(state.violations).toEqual({ count: 20, first: [violation] });
  expect((await firstOf(state.violations)).state.violations).toEqual({ count: 21, first: [violation] });
});
