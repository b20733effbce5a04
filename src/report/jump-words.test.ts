import { describe, expect, it } from 'vitest';
import { parseSlot, type Slot } from '../pci/slot.js';
import type { PlayedJump } from '../sim/policies/play.js';
import { recordGaps, whyNoRecord } from '../sim/policies/record-gaps.js';
import { counted, scenarioStory, someSlots, verdictRemark, whyLive } from './jump-words.js';

const slot = parseSlot('00:02.0') as Slot;

const played = (policy: string, path: string, reached: string, records: readonly object[]) =>
  recordGaps({ policy, result: { path, reached }, records } as unknown as PlayedJump);

describe('what is missing in what ours says', () => {
  const record = (place: string, end = 'complete') => ({ place, end, tick: 1, functions: [] });

  it('is nothing where all was done, or nobody says anything', () => {
    expect(played('ours', 'normal', 'running', [record('before'), record('between')])).toEqual([]);
    expect(played('ours', 'crash', 'reboot', [record('between')])).toEqual([]);
    expect(played('none', 'crash', 'reboot', [])).toEqual([]);
    expect(played('before', 'crash', 'reboot', [])).toEqual([]);
    expect(played('between', 'crash', 'stub', [])).toEqual([]);
  });

  it('is named beside a verdict', () => {
    expect(verdictRemark(played('ours', 'normal', 'running', [record('before', 'stopped')]))).toBe(
      ', but ours before ended early: stopped, ours between left no record',
    );
    expect(verdictRemark(played('after', 'crash', 'running', []))).toBe(', but ours after left no record');
    expect(verdictRemark([])).toBe('');
  });
});

describe('why there is no record at all', () => {
  const why = (policy: string, path: string, reached: string, records: readonly object[] = []) =>
    whyNoRecord({ policy, result: { path, reached }, records } as unknown as PlayedJump);

  it('is that it had no turn, or that something failed', () => {
    expect(why('before', 'crash', 'reboot')).toBe(
      'Ours before does nothing at a crash: no userspace runs between the panic and the next kernel.',
    );
    expect(why('after', 'crash', 'early')).toBe('Ours had no turn: the jump ended before it, at early.');
    expect(why('after', 'crash', 'reboot')).toBe('Ours left no record.');
    expect(why('ours', 'normal', 'running', [{}])).toBeNull();
    expect(why('none', 'crash', 'reboot')).toBeNull();
  });
});

it('a story is said to be of its own path where another was played', () => {
  const scenario = { story: 'It crashes.', path: 'crash' as const };
  expect(scenarioStory(scenario, { path: 'crash' })).toBe('It crashes.');
  expect(scenarioStory(scenario, { path: 'normal' })).toBe(
    'This is the normal path. The story of the scenario, which is of the crash path: It crashes.',
  );
});

describe('why a function stays live', () => {
  const claim = (outcome: 'exempt' | 'ignored', reason: string) => ({ slot, outcome, reason });

  it('names the rule, or what it is', () => {
    const exempt = () => ({ action: 'exempt' as const, rule: 'mine', reason: 'I said so' });
    const preserve = () => ({ action: 'preserve' as const, rule: 'guest', reason: 'its DMA is wanted' });
    expect(whyLive(claim('exempt', 'I said so'), exempt)).toBe('exempt by rule mine: I said so');
    expect(whyLive(claim('exempt', 'not in D0'), exempt)).toBe('not in D0');
    expect(whyLive(claim('exempt', ''), preserve)).toBe('preserved by rule guest: its DMA is wanted');
    expect(whyLive(claim('ignored', 'BME reads set'), exempt)).toBe('BME reads set');
  });
});

it('counts', () => {
  expect(counted(1, 'function is', 'functions are')).toBe('1 function is');
  expect(counted(0, 'function is', 'functions are')).toBe('0 functions are');
  expect([someSlots([slot]), someSlots([slot, slot, slot])]).toEqual([
    '0000:00:02.0',
    '0000:00:02.0 and 2 more',
  ]);
});
