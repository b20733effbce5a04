import { describe, expect, it } from 'vitest';
import type { FunctionDescription } from '../description.js';
import type { SoakCase, SoakJump } from './case.js';
import { shrinkCase, withoutSlots } from './shrink.js';

const NIC = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000 };
const JUMP: SoakJump = {
  ...{ path: 'crash', policy: 'none', bridges: false, rules: [], pendingTimeoutMs: 10, ticks: 1 },
};

function caseOf(functions: readonly FunctionDescription[], jumps: readonly SoakJump[] = [JUMP]): SoakCase {
  return { machine: { name: 'small', captureDrivers: [], functions }, seed: 1, faults: {}, jumps };
}

const slots = ({ machine }: SoakCase) => machine.functions.map(({ slot }) => slot);

describe('the smallest case', () => {
  it('has a function with nothing that it can do without', async () => {
    const bare = { slot: '00:05.0', ...NIC, express: 'endpoint' } as const;
    const full: FunctionDescription = {
      ...{ ...bare, vfs: 1, vfDriver: null, faults: { ignoreBme: true }, repeatsMessages: true, flr: true },
      ...{ wedgesWhenCut: true, holds: ['root'], messages: 'msi', wanted: true },
    };
    const smallest = await shrinkCase(caseOf([full]), { shows: async (of) => slots(of).length === 1 });
    expect(smallest.machine.functions).toEqual([bare]);
  });

  it('has one jump, the last', async () => {
    const jumps = [1, 2, 3].map((ticks) => ({ ...JUMP, ticks }));
    const smallest = await shrinkCase(caseOf([], jumps), { shows: async () => true });
    expect(smallest.jumps.map(({ ticks }) => ticks)).toEqual([3]);
  });

  it('keeps the host bridge of a root bus on which something is left', async () => {
    const far = { slot: '07:03.0', ...NIC };
    const host = { slot: '07:00.0', vendor: 0x8086, device: 0x29c0, classCode: 0x060000 };
    const shows = async (of: SoakCase) => slots(of).includes(far.slot);
    expect(slots(await shrinkCase(caseOf([host, far]), { shows }))).toEqual(['07:00.0', '07:03.0']);
  });

  it('is what was found by the time that it is enough, or that as many were tried as may be', async () => {
    const many = caseOf([1, 2, 3, 4].map((at) => ({ slot: `00:0${at}.0`, ...NIC })));
    let tried = 0;
    const shows = async () => ++tried > 0;
    expect(slots(await shrinkCase(many, { shows, enough: () => tried > 0 }))).toEqual(['00:03.0', '00:04.0']);
    expect(tried).toBe(1);
    await shrinkCase(many, { shows, tries: 2 });
    expect(tried).toBe(3);
  });
});

describe('a case without a bridge', () => {
  it('is without all that is below it, too', () => {
    const bridge = { vendor: 0x8086, device: 0x2940, classCode: 0x060400 };
    const functions = [
      { slot: '00:01.0', ...bridge, secondary: 1 },
      { slot: '01:00.0', ...bridge, secondary: 2 },
      { slot: '02:00.0', ...NIC },
      { slot: '00:05.0', ...NIC },
    ];
    expect(slots(withoutSlots(caseOf(functions), ['00:01.0']))).toEqual(['00:05.0']);
  });
});
