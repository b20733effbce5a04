import { describe, expect, it } from 'vitest';
import { interpretedStub } from '../src/cli/sim-stub.js';
import type { FunctionDescription } from '../src/sim/description.js';
import { SimMachine } from '../src/sim/machine.js';
import { performBetween } from '../src/sim/policies/between.js';
import { playJump } from '../src/sim/policies/play.js';

const port = (slot: string, secondary: number): FunctionDescription => ({
  ...{ slot, vendor: 0x8086, device: 0x2940, classCode: 0x060400, express: 'root-port', secondary },
  driver: { name: 'pcieport', shutdown: true },
});
const nic = (slot: string): FunctionDescription => ({
  ...{ slot, vendor: 0x8086, device: 0x1521, classCode: 0x020000, express: 'endpoint', messages: 'msix' },
  ...{ workload: 'nic', leftBy: 'driver' },
});

/** A crash of a machine with an adapter between two others, of which so many functions hang. */
async function crash(hanging: number, stub = interpretedStub()) {
  const adapter = Array.from({ length: 8 }, (_, i) => nic(`02:00.${i}`));
  const functions = [port('00:01.0', 1), port('00:02.0', 2), port('00:03.0', 3)];
  functions.push(nic('01:00.0'), ...adapter, nic('03:00.0'));
  const hung = adapter.slice(0, hanging).map(({ slot }) => [slot, { hangsAtJump: true }]);
  const machine = new SimMachine(
    { name: 'hung', captureDrivers: [], functions },
    { seed: 1, faults: Object.fromEntries(hung) },
  );
  const { records, untrue } = await playJump(machine, 'between', { path: 'crash', reboot: false, stub });
  const claims = records[0]?.functions ?? [];
  const gated = claims.filter(({ verdict }) => verdict === 'gated').map(({ slot }) => slot.slice(5));
  return { end: records[0]?.end, gated, untrue };
}

describe('an adapter that hangs between the kernels', () => {
  it.each([
    [0, 'complete'],
    [4, 'complete'],
    [5, 'time'],
    [8, 'time'],
  ] as const)('with %i of its functions: the stub’s own bytes end with %s', async (hanging, end) => {
    const all = ['01:00.0', ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `02:00.${i}`), '03:00.0'];
    const gated = end === 'time' ? ['01:00.0'] : all.filter((_, i) => i === 0 || i > hanging);
    expect(await crash(hanging)).toEqual({ end, gated, untrue: [] });
    expect(await crash(hanging, performBetween)).toEqual({ end, gated, untrue: [] });
  });
});
