import { describe, expect, it } from 'vitest';
import { alone, atWork, makeDevice } from '../../../test/support/device-bench.js';

const PAGE = 4096;

describe('nic', () => {
  it('fills its ring once, and then frames are lost', () => {
    const bench = alone(atWork('nic'));
    const tick = bench.now + 1;
    bench.run(20_000);
    const frames = bench.passedSince(tick) / 2;
    expect(frames).toBeGreaterThan(120);
    expect(frames).toBeLessThan(128);
    // Long enough to meet the next kernel.
    expect(Math.max(...bench.writes.map((write) => write.tick)) - tick).toBeGreaterThan(2500);
  });

  it('does not go beyond the tail of a full ring when it is called again', () => {
    const bench = alone(atWork('nic'));
    bench.run(20_000);
    const tick = bench.now;
    for (let i = 0; i < 3; i++) bench.busMaster = true;
    expect(bench.writes.filter((write) => write.tick >= tick)).toEqual([]);
  });

  it('fetches descriptors before it uses them', () => {
    const bench = makeDevice('nic');
    bench.answerTicks = 1000;
    bench.program();
    bench.run(900);
    expect([bench.reads.length, bench.writes.length]).toEqual([1, 0]);
    bench.run(1000);
    expect(bench.writes.length).toBeGreaterThan(10);
  });

  it('fetches more when it has used those that it has, and none of an old ring', () => {
    const bench = atWork('nic');
    bench.run(20_000);
    const frames = bench.writes.length / 2;
    expect(bench.reads.length).toBeGreaterThanOrEqual(Math.floor(frames / 16));
    expect(bench.reads.length).toBeLessThan(frames / 16 + 3);
    const tick = bench.now + 1;
    bench.program();
    bench.run(500);
    const first = bench.reads.findIndex((read) => read.tick >= tick);
    expect(bench.reads[first]?.tick).toBeLessThan(
      bench.writes.find((write) => write.tick >= tick)?.tick ?? 0,
    );
  });

  it('tries the same buffer again while it may not write', () => {
    const bench = alone(atWork('nic'));
    bench.busMaster = false;
    bench.run(1000);
    const tried = bench.writes.filter(({ passed }) => !passed);
    expect(tried.length).toBeGreaterThan(10);
    expect(new Set(tried.map(({ address }) => address)).size).toBe(1);
  });
});

describe('buffering-nic', () => {
  const gated = (ticks: number) => {
    const bench = alone(atWork('buffering-nic'));
    const old = bench.pagesSince(0);
    bench.busMaster = false;
    bench.run(ticks);
    return { bench, old };
  };

  it('keeps frames while bus mastering is off, and replays them in the tick in which it returns', () => {
    const { bench, old } = gated(2000);
    const tick = bench.now;
    expect(bench.passedSince(tick)).toBe(0);
    expect(bench.interruptsSince(tick - 1999)).toBe(0);
    bench.busMaster = true;
    expect(bench.passedSince(tick)).toBeGreaterThan(50);
    expect(bench.interruptsSince(tick)).toBe(1);
    expect([...bench.pagesSince(tick)].some((page) => old.has(page))).toBe(true);
  });

  it('replays to where the last driver wanted them, before the next one programs it', () => {
    const { bench } = gated(2000);
    const tick = bench.now;
    bench.busMaster = true;
    bench.stop();
    const { from } = bench.program();
    bench.run(500);
    const [replayed, fresh] = [
      bench.writes.filter((write) => write.tick === tick && write.address < from),
      0,
    ];
    expect(replayed.length).toBeGreaterThan(50);
    expect(bench.writes.filter((write) => write.tick > tick && write.address < from)).toHaveLength(fresh);
    expect(Math.min(...[...bench.pagesSince(tick + 1)]) * PAGE).toBeGreaterThanOrEqual(from);
  });

  it('a reset empties it', () => {
    const { bench } = gated(2000);
    bench.stop();
    const tick = bench.now;
    bench.busMaster = true;
    bench.run(2000);
    expect(bench.passedSince(tick)).toBe(0);
    expect(bench.device.busy).toBe(false);
  });

  it('keeps no more than it has room for', () => {
    const replayed = (ticks: number) => {
      const { bench } = gated(ticks);
      const tick = bench.now;
      bench.busMaster = true;
      return bench.passedSince(tick);
    };
    expect(replayed(60)).toBeLessThan(40);
    expect(replayed(20_000)).toBeLessThanOrEqual(128);
  });

  it('what an ordinary one may not write is lost', () => {
    const bench = alone(atWork('nic'));
    bench.busMaster = false;
    bench.run(2000);
    const tick = bench.now;
    bench.busMaster = true;
    expect(bench.passedSince(tick)).toBeLessThanOrEqual(2);
  });
});

describe('nvme', () => {
  it('finishes what it was told, reports its few events, and is silent', () => {
    const bench = alone(atWork('nvme'));
    const tick = bench.now + 1;
    bench.run(400);
    const commands = bench.writes.filter((write) => write.tick >= tick && write.length === PAGE).length;
    expect(commands).toBeGreaterThan(4);
    expect(commands).toBeLessThanOrEqual(8);
    const ticks = [...new Set(bench.writes.map((write) => write.tick))];
    const gaps = ticks.slice(1).map((at, i) => at - (ticks[i] ?? 0));
    expect(gaps.filter((gap) => gap < 30).length).toBeGreaterThan(3);
    expect(bench.device.busy).toBe(true);
    bench.run(4000);
    expect(bench.device.busy).toBe(false);
  });
});

describe('ahci', () => {
  const wedgesWhenCut = true;

  it('loses its commands if bus mastering is cut under them, and works again once it is programmed', () => {
    const bench = atWork('ahci');
    bench.busMaster = false;
    bench.run(200);
    expect([bench.device.busy, bench.device.wedged]).toEqual([false, null]);
    bench.busMaster = true;
    const cut = bench.now + 1;
    bench.run(500);
    expect(bench.passedSince(cut)).toBe(0);
    bench.program();
    const tick = bench.now + 1;
    bench.run(500);
    expect(bench.passedSince(tick)).toBeGreaterThan(5);
  });

  it('that wedges does so if bus mastering is cut under its commands, whatever is done to it afterwards', () => {
    const bench = atWork('ahci', { wedgesWhenCut });
    expect(bench.device.busy).toBe(true);
    bench.busMaster = false;
    expect(bench.device.wedged).toMatch(/cut under \d disk commands/);
    bench.busMaster = true;
    bench.stop();
    bench.program();
    const tick = bench.now + 1;
    bench.run(2000);
    expect(bench.device.wedged).not.toBeNull();
    expect(bench.passedSince(tick)).toBe(0);
  });

  it('that wedges is sound if its driver stops it first', () => {
    const bench = atWork('ahci', { wedgesWhenCut });
    bench.stop();
    bench.busMaster = false;
    bench.run(100);
    bench.busMaster = true;
    bench.program();
    const tick = bench.now;
    bench.run(500);
    expect(bench.device.wedged).toBeNull();
    expect(bench.passedSince(tick)).toBeGreaterThan(5);
  });

  it('drains within 10 ms if nobody submits, and then a cut does not matter', () => {
    const bench = alone(atWork('ahci', { wedgesWhenCut }));
    bench.run(100);
    expect(bench.device.busy).toBe(false);
    bench.busMaster = false;
    expect(bench.device.wedged).toBeNull();
  });

  it('that wedges does so, too, if a bridge refuses what it asks for', () => {
    const bench = atWork('ahci', { wedgesWhenCut });
    bench.bridgeOpen = false;
    bench.run(200);
    expect(bench.device.wedged).not.toBeNull();
  });

  it('late answers do not wedge it', () => {
    const bench = makeDevice('ahci', { wedgesWhenCut });
    bench.driver = true;
    bench.answerTicks = 700;
    bench.program();
    bench.run(10_000);
    expect(bench.device.wedged).toBeNull();
    expect(bench.writes.length).toBeGreaterThan(50);
  });
});

describe('xhci', () => {
  it('has room for so many events, and writes its scratchpad for ever', () => {
    const bench = alone(atWork('xhci'));
    bench.run(50_000);
    const tick = bench.now;
    bench.run(20_000);
    const lengths = bench.writes.filter((write) => write.tick > tick).map(({ length }) => length);
    expect(lengths.length).toBeGreaterThan(50);
    expect(new Set(lengths)).toEqual(new Set([64]));
  });

  it('that firmware has set going needs no kernel, and tells none', () => {
    const bench = makeDevice('xhci', { leftBy: 'firmware' });
    bench.program();
    bench.run(50_000);
    expect(bench.interrupts).toEqual([]);
    expect(bench.writes.filter((write) => write.tick > 45_000 && write.length === 16).length).toBeGreaterThan(
      50,
    );
    bench.stop();
    bench.program();
    bench.run(1000);
    expect(bench.interrupts.length).toBeGreaterThan(5);
  });
});

describe('display', () => {
  it('reads for ever; without its driver it soon only reads', () => {
    const bench = alone(atWork('display'));
    const tick = bench.now;
    bench.run(50_000);
    expect(bench.passedSince(tick)).toBeLessThanOrEqual(2);
    expect(bench.reads.filter((read) => read.tick > 45_000).length).toBeGreaterThan(200);
  });

  it('that firmware has set up only reads', () => {
    const bench = makeDevice('display', { leftBy: 'firmware' });
    bench.program();
    expect(bench.device.busy).toBe(false);
    bench.run(5000);
    expect([bench.writes, bench.interrupts]).toEqual([[], []]);
    expect(bench.reads.length).toBeGreaterThan(200);
    bench.stop();
    bench.program();
    expect(bench.device.busy).toBe(true);
  });

  it.each(['its own bus mastering', 'a bridge'])('is wedged if %s refuses a read', (who) => {
    const bench = alone(atWork('display'));
    if (who === 'a bridge') bench.bridgeOpen = false;
    else bench.busMaster = false;
    bench.run(50);
    expect(bench.device.wedged).toMatch(/scan-out/);
    bench.bridgeOpen = true;
    bench.busMaster = true;
    bench.stop();
    bench.program();
    const tick = bench.now + 1;
    bench.run(500);
    expect(bench.device.wedged).not.toBeNull();
    expect(bench.reads.filter((read) => read.tick >= tick)).toEqual([]);
  });

  it('late answers do not wedge it', () => {
    const bench = makeDevice('display');
    bench.answerTicks = 400;
    bench.program();
    bench.run(4000);
    expect(bench.device.wedged).toBeNull();
    expect(bench.reads.length).toBeGreaterThan(5);
    expect(bench.reads.length).toBeLessThan(12);
  });
});

describe('egpu', () => {
  it('has something to say as soon as it was heard', () => {
    const bench = atWork('egpu');
    expect(bench.interrupts.length).toBeGreaterThan(400);
    expect(bench.interrupts.every(({ count }) => count === 1)).toBe(true);
  });

  it('that nobody serves floods, and with bus mastering off only its wire is left', () => {
    const bench = alone(atWork('egpu'));
    let tick = bench.now + 1;
    bench.run(100);
    expect(bench.interruptsSince(tick)).toBeGreaterThanOrEqual(9_900);
    bench.busMaster = false;
    tick = bench.now + 1;
    bench.run(1000);
    expect(bench.interruptsSince(tick)).toBe(0);
    bench.serve();
    expect(bench.interruptsSince(tick)).toBe(1);
  });

  it('a new driver gets it going again, whatever was not served before', () => {
    const bench = alone(atWork('egpu'));
    bench.run(100);
    bench.stop();
    bench.run(1);
    bench.program();
    expect(bench.interruptsSince(bench.now)).toBe(1);
  });
});

describe('a device that repeats its messages', () => {
  it('asks in bursts until it is served', () => {
    const bench = alone(atWork('nvme', { repeatsMessages: true }));
    expect(bench.interrupts.every(({ count }) => count === 1)).toBe(true);
    bench.run(10_000);
    let tick = bench.now + 1;
    bench.run(100);
    expect(bench.interruptsSince(tick)).toBe(10_000);
    expect(bench.device.busy).toBe(false);
    bench.driver = true;
    bench.serve();
    tick = bench.now + 1;
    bench.run(1000);
    expect(bench.interrupts.filter((raised) => raised.tick >= tick).every(({ count }) => count === 1)).toBe(
      true,
    );
  });

  it('another does not', () => {
    const bench = alone(atWork('nvme'));
    bench.run(10_000);
    const tick = bench.now;
    bench.run(1000);
    expect(bench.interruptsSince(tick)).toBe(0);
  });
});
