import { describe, expect, it } from 'vitest';
import type { Machine } from '../src/host/scan.js';
import type { ConfigBus } from '../src/image/config-ports.js';
import { ConfigImage } from '../src/pci/config-image.js';
import { decodeFunction } from '../src/pci/decode.js';
import { slotOfKey } from '../src/pci/slot.js';
import { buildTopology } from '../src/pci/topology.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { StubRun, type StubRunOptions } from './support/stub-run.js';

// Machines that are not any more what they were when the kernel was wrapped, and bridges that contradict each other.

type Board = Record<number, Record<number, number>>;

/** Dwords of configuration space by routing ID; what is missing of a function reads 0, other functions are not there. */
function board(described: Board): ConfigBus & { written: string[] } {
  const functions = structuredClone(described);
  const written: string[] = [];
  return {
    written,
    read: (rid, offset, width) => {
      const dword = functions[rid] ? (functions[rid][offset & 0xfc] ?? 0) : 0xffff_ffff;
      return (dword >>> ((offset & 3) * 8)) & (width === 4 ? -1 : width === 2 ? 0xffff : 0xff);
    },
    write: (rid, offset, _width, value) => {
      written.push(`${rid.toString(16)}+${offset.toString(16)}=${value.toString(16)}`);
      const fn = functions[rid];
      if (fn) fn[offset & 0xfc] = ((fn[offset & 0xfc] ?? 0) & 0xffff_0000) | value;
    },
  };
}

const MASTER = 0x0010_0006;
const NIC = { 0: 0x10d3_8086, 4: MASTER, 8: 0x0200_0000, 12: 0, 52: 0x80 };
const bridge = (secondary: number, subordinate: number) => ({
  0: 0x3420_8086,
  4: MASTER,
  8: 0x0604_0000,
  12: 0x0001_0000,
  24: (subordinate << 16) | (secondary << 8),
  52: 0x80,
});
/** Power management at 80, Express (a root port) at 90. */
const PORT_CAPABILITIES = { 128: 0x0003_9001, 132: 0, 144: 0x0042_0010, 148: 0x8002 };

const withoutBridgeRules = {
  ...defaultPolicy(),
  rules: defaultPolicy().rules.filter(({ match }) => match.headerType === undefined),
};

/** The machine as `wrap --for` would have seen it. */
function known(functions: Board): Machine {
  const decoded = Object.entries(functions).map(([rid, dwords]) => {
    const bytes = new Uint8Array(256);
    const view = new DataView(bytes.buffer);
    for (const [at, dword] of Object.entries(dwords)) view.setUint32(Number(at), dword, true);
    return decodeFunction(slotOfKey(Number(rid)), ConfigImage.of(bytes));
  });
  const topology = buildTopology(decoded);
  return { host: 'test', topology, facts: new Map(), machineFacts: {}, notes: [] };
}

function run(bus: ConfigBus, options: StubRunOptions): StubRun {
  const stub = new StubRun(options);
  expect(stub.problems(stub.on(bus))).toEqual([]);
  expect(stub.record?.end).toBe('complete');
  return stub;
}

describe('a stub whose machine has changed', () => {
  it('looks where the capabilities are now, if they are not where they were', () => {
    const before = { 8: { ...bridge(1, 1), ...PORT_CAPABILITIES }, 256: { ...NIC, 128: 0x0003_0001 } };
    // New firmware: Express comes first. Where PMCSR was, Device Capabilities has bits that read as D2.
    const now = {
      8: { ...bridge(1, 1), 128: 0x0042_9010, 132: 0x8002, 144: 0x0003_0001, 148: 0 },
      256: { ...NIC, 128: 0x0002_9010, 132: 0x8002, 144: 0x0003_0001 },
    };
    const bus = board(now);
    run(bus, { machine: known(before) });
    expect(bus.written).toEqual(['100+4=402']);
  });

  it('enters a bridge that is awake, whatever range one that sleeps claims', () => {
    const asleep = { ...bridge(1, 0x20), ...PORT_CAPABILITIES, 132: 3 };
    const bus = board({ 8: { ...bridge(1, 1), ...PORT_CAPABILITIES }, 16: asleep, 256: NIC });
    run(bus, { policy: withoutBridgeRules, scanAll: false });
    expect(bus.written).toEqual(['100+4=402', '8+4=402']);
    const other = board({ 8: asleep, 16: { ...bridge(1, 1), ...PORT_CAPABILITIES }, 256: NIC });
    run(other, { policy: withoutBridgeRules, scanAll: false });
    expect(other.written).toEqual(['100+4=402', '10+4=402']);
  });

  it('tells of a bridge that sleeps, although a rule exempts it', () => {
    const asleep = { ...bridge(1, 1), ...PORT_CAPABILITIES, 132: 3 };
    const stub = run(board({ 8: asleep, 256: NIC }), { scanAll: false });
    expect(stub.record?.entries.map(({ outcome }) => outcome)).toEqual(['asleep']);
  });
});
