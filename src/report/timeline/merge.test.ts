import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeMarks } from './merge.js';
import { MARK_KINDS, MARKS_MAX, type MarkKind, type StoryMark } from './story.js';

const KINDS = Object.keys(MARK_KINDS) as MarkKind[];

const anyMark = fc
  .record({
    lane: fc.nat(5),
    kind: fc.constantFrom(...KINDS),
    tick: fc.integer({ min: -50, max: 5000 }),
    count: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ lane, kind, tick, count }): StoryMark => {
    const ms = tick / 10;
    return { lane, kind, startMs: ms, endMs: ms, count, text: '' };
  });

const total = (marks: readonly StoryMark[], lane: number, kind: MarkKind) =>
  marks.reduce((sum, mark) => (mark.lane === lane && mark.kind === kind ? sum + mark.count : sum), 0);

describe('merging', () => {
  it('keeps every count, stays within what was there, and within its bound', () => {
    fc.assert(
      fc.property(fc.array(anyMark, { maxLength: 400 }), fc.integer({ min: 100, max: 300 }), (marks, max) => {
        const merged = mergeMarks(marks, max);
        expect(merged.length).toBeLessThanOrEqual(Math.max(max, 6 * KINDS.length));
        for (const kind of KINDS)
          for (let lane = 0; lane <= 5; lane++)
            expect(total(merged, lane, kind)).toBe(total(marks, lane, kind));
        const times = marks.map(({ startMs }) => startMs);
        for (const { startMs, endMs } of merged) {
          expect(times).toContain(startMs);
          expect(times).toContain(endMs);
          expect(endMs).toBeGreaterThanOrEqual(startMs);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('leaves what stands for itself alone where there is room', () => {
    const gates = Array.from({ length: 40 }, (_, i): StoryMark => {
      return { lane: 1, kind: 'gate', startMs: i / 10, endMs: i / 10, count: 1, text: `gate ${i}` };
    });
    expect(mergeMarks(gates)).toEqual(gates);
  });

  it('takes hundreds of thousands of writes to a bounded number of marks', () => {
    const writes = Array.from({ length: 150_000 }, (_, i): StoryMark => {
      const ms = i % 4 === 0 ? i / 100 : i / 1000;
      return {
        lane: i % 30,
        kind: i % 3 === 0 ? 'stray' : 'refused',
        startMs: ms,
        endMs: ms,
        count: 1,
        text: '',
      };
    });
    const merged = mergeMarks(writes);
    expect(merged.length).toBeLessThanOrEqual(MARKS_MAX);
    expect(merged.reduce((sum, { count }) => sum + count, 0)).toBe(writes.length);
  });
});
