import { expect, it } from 'vitest';
import type { JumpResult } from '../sim/jump/result.js';
import { stuckWords, timelineText } from './jump-text.js';

const plain = (text: string) => text;
const style = { width: 100, bold: plain, dim: plain, red: plain, yellow: plain, green: plain };

it('names beside what a processor is stuck on those who are not in its words', () => {
  expect(stuckWords({ on: 'an NMI: 0000:00:02.0 reports it', slots: ['0000:00:02.0'] })).toBe(
    'an NMI: 0000:00:02.0 reports it',
  );
  expect(stuckWords({ on: 'interrupts', slots: ['0000:01:00.0', '0000:02:00.0'] })).toBe(
    'interrupts (0000:01:00.0, 0000:02:00.0)',
  );
  expect(stuckWords({ on: 'a timer', slots: [] })).toBe('a timer');
});

it('says in words how many functions did the same', () => {
  const timeline = (count: number) =>
    Array.from({ length: count }, (_, fn) => ({ tick: 10, slot: `0000:02:00.${fn}`, text: 'writes' }));
  const said = (count: number) =>
    timelineText({ timeline: timeline(count), wantedLost: [], startTick: 0 } as unknown as JumpResult, style);
  expect(said(2)).toMatch(/02:00\.0 02:00\.1 +writes/);
  expect(said(7)).toMatch(/02:00\.0 and 6 more +writes/);
});
