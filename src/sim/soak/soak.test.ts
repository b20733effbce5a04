import { expect, it } from 'vitest';
import { newSoak, type SoakState, soak } from './soak.js';

it('ends in the middle of a case once its signal is aborted, and does not count that case', async () => {
  const from = newSoak({ seed: 1, functions: 32, policy: 'ours' });
  let state: SoakState = from;
  for await (const next of soak(from, undefined, AbortSignal.abort())) state = next.state;
  for await (const next of soak(from)) {
    if (next.state.cases > state.cases) break;
    if (next.state.cases === state.cases) expect(state).toEqual(next.state);
  }
  expect(state.cases).toBeLessThan(100);
});
