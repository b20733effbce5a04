import { describe, expect, it } from 'vitest';
import type { Slot } from '../../pci/slot.js';
import type { JumpResult } from '../jump/result.js';
import { type Expectation, unmetExpectations } from './expect.js';

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

  const NIC = '0000:01:00.0' as Slot;
  const DISK = '0000:02:00.0' as Slot;
  const HUNG = { on: 'the timer', slots: [DISK], cause: 'timer' as const };
  const PAGE = { address: 0, region: 'image', owner: null, firstTick: null } as const;
  const DUMP = { torn: [{ ...PAGE, writers: [NIC] }] } as unknown as JumpResult['dump'];
  const LOST = { slot: NIC, driver: 'nvme', cause: 'busy', why: 'it is busy' } as const;

  it.each<[Omit<Expectation, 'verdict'>, Partial<JumpResult>, string]>([
    [{ also: ['faulted'] }, { verdicts: ['clean', 'faulted'] }, 'faulted does not apply'],
    [{ slots: [NIC] }, { stuckOn: { ...HUNG, slots: [NIC] } }, `${NIC} had no part in it, only nobody`],
    [{ slots: [NIC] }, { corrupted: [{ ...PAGE, writers: ['platform', NIC] }] }, `${NIC} had no part in it`],
    [{ slots: [NIC] }, { dump: DUMP }, `${NIC} had no part in it`],
    [{ slots: [NIC] }, { storms: [{ line: 16, slots: [NIC], tick: 0 }] }, `${NIC} had no part in it`],
    [{ slots: [NIC] }, { lost: [LOST] }, `${NIC} had no part in it`],
    [{ slots: [NIC] }, { faults: [{ slot: NIC, count: 1 }] }, `${NIC} had no part in it`],
    [{ slots: [NIC] }, { wantedLost: [{ slot: NIC, by: DISK, count: 1 }] }, `${NIC} had no part in it`],
    [{ on: 'timer' }, { stuckOn: HUNG }, 'it is stuck on nothing, not on timer'],
    [{ reached: 'reboot' }, { reached: 'reboot' }, 'it came to running, not to reboot'],
    [{ line: 16 }, { storms: [{ line: 16, slots: [], tick: 0 }] }, 'line 16 was not given up'],
    [{ atLeastMs: 2 }, { startTick: 10, endTick: 30 }, 'it took 1 ms, less than 2'],
    [{ atMostMs: 0.5 }, { startTick: 10, endTick: 15 }, 'it took 1 ms, more than 0.5'],
  ])('%j: is said, and is not where it came true', (of, met, said) => {
    expect(unmetExpectations(result({}), { verdict: 'clean', ...of })).toEqual([
      expect.stringContaining(said),
    ]);
    expect(unmetExpectations(result(met), { verdict: 'clean', ...of })).toEqual([]);
  });

  it('names those who had a part where it expects others', () => {
    const stuckOn = { ...HUNG, slots: [DISK, 'no slot', NIC, DISK] };
    expect(
      unmetExpectations(result({ stuckOn }), { verdict: 'clean', slots: ['0000:03:00.0' as Slot] }),
    ).toEqual([`0000:03:00.0 had no part in it, only ${NIC}, ${DISK}`]);
  });

  it('is nothing where chance may make another verdict of it', () => {
    expect(unmetExpectations(result({}), { verdict: 'corrupted', or: ['clean'] })).toEqual([]);
  });
});
