import { expect, it } from 'vitest';
import type { ExcusedHarm } from '../sim/checkers/violations.js';
import { excusedLines } from './excused-text.js';

const harm = (what: string, excuse: ExcusedHarm['excuse'], verdict: ExcusedHarm['verdict']) => {
  return { what, excuse, verdict } satisfies ExcusedHarm;
};
const many = Array.from({ length: 28 }, (_, i) => harm(`0000:01:00.${i} wrote`, 'too-early', null));

it('begins with what the verdict is made of, and says once what many did', () => {
  const hang = harm('0001:02:00.2 has a part in a hang', 'unreachable', 'hung');
  const lost = harm('0000:03:00.0 is lost to nvme', 'remote-irr', 'device-lost');
  expect(excusedLines([...many, lost, hang], '--json')).toEqual([
    '0001:02:00.2 has a part in a hang: the function lies in a PCI segment that ports CF8 and CFC do not reach (unreachable)',
    expect.stringMatching(/^0000:03:00\.0 is lost to nvme: a kernel of 2006 .* \(remote-irr\)$/),
    '0000:01:00.0 wrote: it happened before ours had its turn (too-early); 27 more likewise (--json has all)',
  ]);
});

it('names no flag where none shows the rest, and says nothing of nothing', () => {
  expect(excusedLines(many.slice(0, 2))).toEqual([
    '0000:01:00.0 wrote: it happened before ours had its turn (too-early); 1 more likewise',
  ]);
  expect(excusedLines([])).toEqual([]);
});
