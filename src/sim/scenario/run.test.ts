import { expect, it } from 'vitest';
import { shippedScenario } from '../index.js';
import { runSimMatrix } from './matrix.js';
import { runScenario } from './run.js';

it('a scenario that is played on the other path expects nothing of it', async () => {
  const scenario = shippedScenario('crash-busy-nic');
  if (!scenario) throw new Error('no such scenario');
  expect(await runScenario(scenario, 'none')).toMatchObject({
    expected: { verdict: 'corrupted' },
    unmet: [],
  });
  expect(await runScenario(scenario, 'none', { path: 'normal' })).toMatchObject({
    expected: null,
    unmet: [],
  });
});

it('says whose load it is that a crash cannot have', async () => {
  const scenario = shippedScenario('driverless-nic');
  if (!scenario) throw new Error('no such scenario');
  const relocated = { ...scenario, jump: { load: 'relocated' as const } };
  await expect(runScenario(relocated, 'none', { path: 'crash' })).rejects.toThrow(
    'driverless-nic: its own jump.load is relocated',
  );
});

it('a matrix names what cannot be played', async () => {
  const scenario = shippedScenario('crash-busy-nic');
  if (!scenario) throw new Error('no such scenario');
  const scenarios = [{ ...scenario, name: 'mine', jump: { load: 'relocated' as const } }];
  await expect(runSimMatrix({ scenarios, policies: ['none'], seed: 1 })).rejects.toThrow(/^mine/);
});

it('a matrix that is stopped within a cell has the rows before it', async () => {
  const scenario = shippedScenario('crash-busy-nic');
  if (!scenario) throw new Error('no such scenario');
  const stop = new AbortController();
  const stub = async () => {
    stop.abort();
    throw stop.signal.reason;
  };
  const policies = ['none', 'between'] as const;
  const matrix = await runSimMatrix({ scenarios: [scenario], policies, seed: 1, stub, signal: stop.signal });
  expect([matrix.interrupted, matrix.rows.map(({ policy }) => policy)]).toEqual([true, ['none']]);
});
