import { describe, expect, it, vi } from 'vitest';
import { functionAt } from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import { SimMachine } from '../machine.js';
import type { PlayedJump } from '../policies/play.js';
import type { SoakCase, SoakJump } from './case.js';
import { playCase } from './play.js';

const CARD = '0000:00:05.0' as Slot;
const PORT = '0000:00:01.0' as Slot;
const JUMP: SoakJump = {
  ...{ path: 'normal', policy: 'none', bridges: false, rules: [], pendingTimeoutMs: 10, ticks: 1 },
};
const CRASH: SoakJump = { ...JUMP, path: 'crash' };
const NIC = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000, express: 'endpoint' } as const;

/** A card that never masters the bus. */
const QUIET: SoakCase = {
  machine: { name: 'quiet', captureDrivers: [], functions: [{ slot: CARD, ...NIC }] },
  ...{ seed: 1, faults: {}, jumps: [JUMP, JUMP] },
};

/** What the machine, or who watches it, does wrong once the first jump is over. */
async function wrongAfter(wrong: (machine: SimMachine, played: PlayedJump) => void) {
  const jumps = vi.spyOn(SimMachine.prototype, 'jump');
  try {
    return await playCase(QUIET, {
      onJump: (played) => {
        const machine = jumps.mock.contexts[0] as SimMachine | undefined;
        if (jumps.mock.calls.length === 1 && machine) wrong(machine, played);
      },
    });
  } finally {
    jumps.mockRestore();
  }
}

describe('a case', () => {
  it('plays all its jumps where nothing is wrong', async () => {
    const { jumps } = await wrongAfter(() => {});
    expect(jumps.map(({ violations }) => violations)).toEqual([[], []]);
  });

  it.each<[string, (machine: SimMachine, played: PlayedJump) => void, RegExp]>([
    [
      'a write passes a gate',
      (machine) => {
        const sent = machine.now;
        const write = { slot: CARD, address: 0, length: 64, owner: null, refusedBy: null, faulted: false };
        machine.emit({ kind: 'dma', tick: sent, sent, ...write });
      },
      /writes with its own BME clear/,
    ],
    [
      'a message lands late',
      (machine) => {
        const { now: tick } = machine;
        machine.emit({ kind: 'message', tick, slot: CARD, count: 1, sent: tick - 9, refusedBy: CARD });
      },
      /lands late/,
    ],
    [
      'a shootdown changes what is not its to change',
      (machine) => machine.configWrite(functionAt(machine, CARD), regs.PCI_COMMAND, 2, 0, 'host'),
      /which is not its to change/,
    ],
    [
      'the result does not fit together',
      (_, { result }) => Object.assign(result, { reached: 'shutdown' }),
      /it ended at shutdown and does not say why/,
    ],
  ])('ends with the jump in which %s', async (_, wrong, said) => {
    const { jumps } = await wrongAfter(wrong);
    expect(jumps.map(({ violations }) => violations)).toEqual([
      expect.arrayContaining([expect.stringMatching(said)]),
    ]);
  });

  it('goes on after a hang with a machine whose power was off', async () => {
    const port = { vendor: 0x8086, device: 0x2940, classCode: 0x060400, express: 'root-port' } as const;
    const { jumps } = await playCase({
      ...{ ...QUIET, jumps: [CRASH, CRASH] },
      machine: {
        ...{ name: 'hpe', platform: 'hpe-like', captureDrivers: [] },
        functions: [
          { slot: PORT, ...port, secondary: 1, driver: { name: 'pcieport', shutdown: 'disables' } },
          { slot: '01:00.0', ...NIC, workload: 'nic', driver: { name: 'e1000e', shutdown: true } },
        ],
      },
    });
    expect(jumps.map(({ verdict, violations }) => [verdict, violations])).toEqual([
      ['hung', []],
      ['hung', []],
    ]);
  });
});
