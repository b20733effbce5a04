import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alone, atWork, makeDevice } from '../../../test/support/device-bench.js';
import { WORKLOADS, type Workload } from '../description.js';
import { createDevice } from './create.js';

const WRITERS = WORKLOADS.filter((workload) => workload !== 'hotplug-port');
/** Their work does not end by itself. */
const ENDLESS: readonly Workload[] = ['xhci', 'gpu', 'egpu', 'dma-engine'];
/** What is refused ends their work until a driver programs them anew. */
const ENDING: readonly Workload[] = ['ahci', 'display'];

describe('every device', () => {
  it('is made only where there is work', () => {
    expect(createDevice({ slot: '00:01.0', vendor: 1, device: 1, classCode: 0x050000 })).toBeUndefined();
  });

  it.each(WORKLOADS)('%s does nothing before it is programmed, nor without memory', (workload) => {
    const bench = makeDevice(workload);
    bench.run(5000);
    bench.program(0);
    bench.run(5000);
    bench.serve();
    bench.run(5000);
    expect([bench.writes, bench.reads, bench.interrupts, bench.acts]).toEqual([[], [], [], 0]);
    expect([bench.device.busy, bench.device.wedged]).toEqual([false, null]);
  });

  it.each(WRITERS)('%s writes where it was told to, and interrupts', (workload) => {
    const bench = makeDevice(workload);
    bench.driver = true;
    const { from, to } = bench.program();
    bench.run(3000);
    expect(bench.writes.length).toBeGreaterThan(10);
    expect(bench.interrupts.length).toBeGreaterThan(5);
    expect(bench.device.busy).toBe(true);
    for (const { address, length } of [...bench.writes, ...bench.reads]) {
      expect(address).toBeGreaterThanOrEqual(from);
      expect(address + length - 1).toBeLessThanOrEqual(to);
    }
  });

  it.each(WRITERS)('%s is told new places, and never goes back to the old ones', (workload) => {
    const bench = atWork(workload);
    const old = bench.pagesSince(0);
    bench.stop();
    bench.program();
    const tick = bench.now + 1;
    bench.run(2000);
    expect(bench.pagesSince(tick).size).toBeGreaterThan(0);
    for (const page of bench.pagesSince(tick)) expect(old).not.toContain(page);
  });

  it.each(WORKLOADS)('%s is silent once it is stopped, and costs nothing', (workload) => {
    const bench = atWork(workload);
    bench.stop();
    const [{ acts }, writes, interrupts] = [bench, bench.writes.length, bench.interrupts.length];
    bench.run(10_000);
    expect([bench.acts, bench.writes.length, bench.interrupts.length]).toEqual([acts, writes, interrupts]);
    expect([bench.device.busy, bench.device.wedged]).toEqual([false, null]);
  });

  it.each(WORKLOADS)('%s with bus mastering off gets nothing through and seldom tries', (workload) => {
    const bench = alone(atWork(workload));
    bench.busMaster = false;
    const [tick, tried, { acts }] = [bench.now + 1, bench.writes.length, bench];
    bench.run(10_000);
    expect(bench.passedSince(tick)).toBe(0);
    expect(bench.writes.length - tried).toBeLessThan(1000);
    expect(bench.acts - acts).toBeLessThan(1000);
  });

  it.each(WRITERS.filter((workload) => !ENDING.includes(workload)))(
    '%s holds its work meanwhile, and goes on when bus mastering returns',
    (workload) => {
      const bench = atWork(workload);
      bench.driver = false;
      bench.busMaster = false;
      bench.run(200);
      expect(bench.device.busy).toBe(true);
      bench.driver = true;
      const tick = bench.now;
      bench.busMaster = true;
      bench.run(1500);
      expect(bench.passedSince(tick)).toBeGreaterThan(5);
    },
  );

  it.each(WRITERS)('%s without anybody who serves it goes on as long as it has work', (workload) => {
    const bench = alone(atWork(workload));
    const tick = bench.now + 1;
    bench.run(100_000);
    const late = bench.now - 5000;
    expect(bench.passedSince(tick)).toBeGreaterThan(0);
    expect(bench.device.busy).toBe(ENDLESS.includes(workload));
    if (workload === 'egpu') expect(bench.interruptsSince(late)).toBeGreaterThan(100_000);
    else expect(bench.passedSince(late) > 0).toBe(ENDLESS.includes(workload));
  });

  it.each(WORKLOADS)('%s is the same in two runs of one seed, and keeps within bounds in any', (workload) => {
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.array(fc.tuple(fc.constantFrom('on', 'off', 'serve', 'stop', 'program', 'dark'), fc.nat(300)), {
          maxLength: 20,
        }),
        (seed, steps) => {
          const play = () => {
            const bench = atWork(workload, {}, seed);
            for (const [what, ticks] of steps) {
              if (what === 'on' || what === 'off') bench.busMaster = what === 'on';
              else if (what === 'dark') bench.driver = !bench.driver;
              else bench[what]();
              bench.run(ticks);
            }
            return bench;
          };
          const bench = play();
          expect(bench.acts).toBeLessThan(4 * bench.now + 100);
          const { writes, reads, interrupts } = play();
          expect({ writes, reads, interrupts }).toEqual({
            writes: bench.writes,
            reads: bench.reads,
            interrupts: bench.interrupts,
          });
        },
      ),
      { numRuns: 25 },
    );
  });
});
