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
  const first = Array.from({ length: 20 }, (_, number) => ({ number, jump: 0, what: ['it did'] }));
  const from = { ...newSoak(SETTINGS), violations: { count: 20, first } };
  for await (const { state, violation } of soak(from, brokenStub('everything exempt'))) {
    if (violation === null) continue;
    expect(state.violations).toEqual({ count: 21, first });
    break;
  }
  const none = newSoak(SETTINGS);
  for await (const { state, violation } of soak(none, brokenStub('everything exempt'))) {
    if (violation === null) continue;
    expect(state.violations).toEqual({ count: 1, first: [violation] });
    break;
  }
});
