import fc from 'fast-check';
import { Random } from '../../src/sim/random.js';
import type { CapabilityDescription } from './encode.js';
import { policies } from './policies.js';
import type { BoardFunction } from './stub-board.js';
import type { KillCase } from './stub-kill.js';
import { BRIDGES_TOO, HOST_BRIDGE, virtual } from './stub-kill-boards.js';

const CLASSES = [0x020000, 0x010802, 0x0c0330, 0x030000, 0x040300, 0x120000];
const BUSES_MAX = 12;

/** A machine drawn by a seed: bridges above each other, virtual functions, and everything that a function can do wrong. */
export function randomBoard(seed: number): Record<string, BoardFunction> {
  const random = new Random(seed).fork('board');
  const board: Record<string, BoardFunction> = { '00:00.0': HOST_BRIDGE };
  let buses = 0;
  const fill = (bus: number, depth: number): void => {
    const devices = random.between(1, depth === 0 ? 6 : 3);
    for (let device = 1; device <= devices; device++) {
      const functions = random.chance(25) ? random.between(2, 4) : 1;
      for (let number = 0; number < functions; number++) {
        const slot = `${hex2(bus)}:${hex2(device)}.${number}`;
        const multiFunction = functions > 1 && number === 0;
        if (depth < 4 && buses < BUSES_MAX && random.chance(35)) {
          const secondary = ++buses;
          const bridge = drawBridge(random);
          // Its place in the order comes before that of what is below it.
          board[slot] = bridge;
          fill(secondary, depth + 1);
          board[slot] = {
            ...bridge,
            multiFunction,
            bridge: { ...bridge.bridge, secondary, subordinate: buses },
          };
        } else {
          board[slot] = { ...drawFunction(random), multiFunction };
          if (number === 0 && functions === 1 && random.chance(15))
            board[`${hex2(bus)}:${hex2(device)}.1`] = virtual(slot);
        }
      }
    }
  };
  fill(0, 0);
  return board;
}

function drawBridge(random: Random): BoardFunction {
  return {
    ...{ device: 0x3420, command: random.pick([7, 7, 6, 3]), interruptPin: random.pick([0, 1]) },
    bridge: { secondary: 1, control: random.pick([0, 8]) },
    capabilities: [
      ...(random.chance(70) ? [{ kind: 'pm', state: random.chance(12) ? 3 : 0 } as const] : []),
      ...(random.chance(30) ? [{ kind: 'msi', enable: true } as const] : []),
      ...(random.chance(60) ? [{ kind: 'express', type: 5 } as const] : []),
    ],
  };
}

function drawFunction(random: Random): BoardFunction {
  const kinds: readonly CapabilityDescription[] = [
    { kind: 'pm', state: random.chance(10) ? 3 : 0 },
    { kind: 'msi', enable: random.chance(70) },
    {
      kind: 'msix',
      enable: random.chance(70),
      functionMask: random.chance(20),
      tableSize: random.between(1, 9),
    },
    { kind: 'express', transactionsPending: random.chance(10) },
    { kind: 'af', hasPending: random.chance(70) },
    { kind: 'vendor' },
  ];
  return {
    ...{ device: random.pick([0x1234, 0x10d3]), classCode: random.pick(CLASSES) },
    ...{ command: random.pick([6, 6, 7, 0x406, 0, 3]), interruptPin: random.pick([0, 1]) },
    ...{ status: random.chance(20) ? 8 : 0, noIntxDisable: random.chance(15) },
    ...(random.chance(8) ? { stuck: true } : {}),
    ...(random.chance(8) ? { stuckMessages: true } : {}),
    ...(random.chance(6) ? { vanishes: random.pick(['command', 'messages'] as const) } : {}),
    facts: { driver: random.pick([null, 'e1000e', 'nvme']), bootVga: random.chance(20) },
    capabilities: kinds.filter(() => random.chance(45)),
  };
}

function hex2(value: number): string {
  return value.toString(16).padStart(2, '0');
}

const COUNT = 20;
const SEED = 2006;

export const RANDOM_CASES: readonly KillCase[] = fc
  .sample(policies, { numRuns: COUNT, seed: SEED })
  .map((policy, index): KillCase => {
    const drawn = index % 2 === 0 ? BRIDGES_TOO : policy;
    const board = Object.entries(randomBoard(index + 1));
    const isUnknown = index % 4 === 2;
    return {
      name: `random ${index}`,
      // Nobody finds a virtual function that nobody told of.
      board: Object.fromEntries(board.filter(([, { vendor }]) => !isUnknown || vendor !== 0xffff)),
      policy: { ...drawn, onFailure: 'continue' },
      ...(isUnknown ? { known: null } : {}),
    };
  });
