import { describe, expect, it } from 'vitest';
import type { JumpResult } from '../jump/result.js';
import { unmetExpectations } from './expect.js';

const result = (of: Partial<JumpResult>) =>
  ({
    ...{ verdict: 'clean', verdicts: ['clean'], stuckOn: null, reached: 'running', dump: null },
    ...{ corrupted: [], storms: [], lost: [], faults: [], wantedLost: [], startTick: 0, endTick: 10 },
    ...of,
  }) as unknown as JumpResult;

describe('what of an expectation did not come true', () => {
  it('names what it is stuck on only where it is', () => {
    expect(unmetExpectations(result({}), { verdict: 'corrupted' })).toEqual([
      'the verdict is clean, not corrupted',
    ]);
    const stuckOn = { on: 'a timer', slots: [], cause: 'timer' as const };
    expect(unmetExpectations(result({ verdict: 'hung', stuckOn }), { verdict: 'clean' })).toEqual([
      'the verdict is hung, not clean (stuck on a timer)',
    ]);
  });

  it('is nothing where chance may make another verdict of it', () => {
    expect(unmetExpectations(result({}), { verdict: 'corrupted', or: ['clean'] })).toEqual([]);
  });
});
