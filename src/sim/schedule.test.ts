import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Schedule } from './schedule.js';

describe('the schedule', () => {
  it('keeps the order of time, and in one tick that in which it was asked', () => {
    const delay = fc.oneof(fc.nat(5), fc.nat(1030), fc.nat(5000));
    // Each event asks for others when it happens.
    const event = fc.record({ delay, children: fc.array(delay, { maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.array(fc.nat(1500)), (events, steps) => {
        const schedule = new Schedule();
        const asked: { tick: number; order: number }[] = [];
        const happened: { tick: number; order: number }[] = [];
        const ask = (ticks: number, children: readonly number[]): void => {
          const mine = { tick: schedule.now + ticks, order: asked.length };
          asked.push(mine);
          schedule.at(mine.tick, () => {
            expect(schedule.now).toBe(mine.tick);
            happened.push(mine);
            for (const child of children) ask(child, []);
          });
        };
        for (const [i, { delay: ticks, children }] of events.entries()) {
          ask(ticks, children);
          schedule.runTo(schedule.now + (steps[i] ?? 0));
        }
        const end = schedule.now + 20_000;
        schedule.runTo(end);
        expect([schedule.now, schedule.happened]).toEqual([end, asked.length]);
        expect(happened).toEqual(asked.toSorted((a, b) => a.tick - b.tick || a.order - b.order));
      }),
    );
  });

  it('lets what lies in the past happen with the next step', () => {
    const schedule = new Schedule();
    schedule.runTo(100);
    const seen: number[] = [];
    schedule.at(3, () => seen.push(schedule.now));
    schedule.runTo(100);
    expect(seen).toEqual([100]);
  });

  it('stops where it is told to, and goes on from there', () => {
    const schedule = new Schedule();
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      schedule.at(7, () => {
        seen.push(i);
        if (i === 1) schedule.stop();
      });
    }
    schedule.at(2000, () => seen.push(2000));
    schedule.runTo(3000);
    expect([schedule.now, seen]).toEqual([7, [0, 1]]);
    schedule.runTo(3000);
    expect([schedule.now, seen]).toEqual([3000, [0, 1, 2, 3, 2000]]);
  });

  it('forgets all at once', () => {
    const schedule = new Schedule();
    const seen: number[] = [];
    for (const tick of [0, 1, 1000, 5000]) schedule.at(tick, () => seen.push(tick));
    schedule.clear();
    schedule.runTo(10_000);
    expect([schedule.now, seen, schedule.happened]).toEqual([10_000, [], 0]);
  });

  it('knows whole ticks only: between two of them, events would be lost', () => {
    const schedule = new Schedule();
    expect(() => schedule.runTo(0.5)).toThrow(RangeError);
    expect(() => schedule.at(Number.NaN, () => {})).toThrow(RangeError);
  });
});
