import { describe, expect, it } from 'vitest';
import type { FlightRecord } from '../image/flight.js';
import { traceAgrees, tracedWrites } from './guest-flight.js';

const LINE = (slot: string, value: string) => `pci_cfg_write e1000 ${slot} @0x4 <- 0x${value}`;

function record(writes: number, slots: readonly string[]): FlightRecord {
  const entries = slots.map((slot) => ({
    slot: `0000:${slot}`,
    outcome: 'done',
    command: { before: 0x0107, after: 0x0503 },
    msi: { offset: null, before: null, became: 'none' },
    msix: { offset: null, before: null, became: 'none' },
  }));
  return { summary: false, counts: { writes }, entries } as unknown as FlightRecord;
}

describe("QEMU's trace", () => {
  const trace = tracedWrites(
    [LINE('00:02.0', '107'), LINE('00:03.0', '503'), LINE('00:04.0', '503'), LINE('00:04.0', '100')].join(
      '\n',
    ),
  );

  it('is read', () => {
    expect(trace[1]).toEqual({ slot: '00:03.0', offset: 4, value: 0x503 });
    expect(trace).toHaveLength(4);
  });

  it('bears out the writes that a record tells of, and no more and no fewer', () => {
    expect(traceAgrees(trace, record(2, ['00:03.0', '00:04.0']))).toBe(true);
    expect(traceAgrees(trace, record(1, ['00:03.0']))).toBe(true);
    expect(traceAgrees(trace, record(2, ['00:03.0']))).toBe(false);
    expect(traceAgrees(trace, record(2, ['00:03.0', '00:05.0']))).toBe(false);
    expect(traceAgrees(tracedWrites(''), record(0, []))).toBe(true);
  });

  it('does not, where something came in between', () => {
    const torn = tracedWrites(
      [LINE('00:03.0', '503'), LINE('00:02.0', '107'), LINE('00:04.0', '503')].join('\n'),
    );
    expect(traceAgrees(torn, record(2, ['00:03.0', '00:04.0']))).toBe(false);
  });
});
