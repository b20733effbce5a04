import { expect, it } from 'vitest';
import { soakProgress } from './soak-progress.js';

function told(watched: boolean): { status: string[]; err: string[] } {
  const said = { status: [] as string[], err: [] as string[] };
  let now = 1000;
  const say = soakProgress(
    { watched, status: (text) => said.status.push(text), err: (text) => said.err.push(text) },
    { now: () => now },
  );
  for (let second = 1; second <= 65; second++) {
    now += 1000;
    say(`${second} jumps`);
  }
  return said;
}

it('says on a terminal how far it is, on the line that it clears', () => {
  const { status, err } = told(true);
  expect([status.length, status[0], err]).toEqual([65, '1 jumps', []]);
});

it('says elsewhere a line now and then, and none at once', () => {
  expect(told(false)).toEqual({ status: [], err: ['shootdown: 30 jumps\n', 'shootdown: 60 jumps\n'] });
});
