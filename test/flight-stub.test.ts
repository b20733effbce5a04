import { describe, expect, it } from 'vitest';
import type { Host } from '../src/host/port.js';
import { scan } from '../src/host/scan.js';
import { parseBzImage } from '../src/image/bzimage.js';
import { runOnHost } from '../src/image/config-ports.js';
import { type ImageEntry, ImageRun } from '../src/image/enter-image.js';
import { type FlightRecord, parseFlight } from '../src/image/flight.js';
import { flightFinds, flightResults } from '../src/image/flight-results.js';
import { BOOT_PARAMS, RECORD, SETUP } from '../src/image/layout.js';
import { STUB } from '../src/image/stub.generated.js';
import { compileTable } from '../src/image/table.js';
import { wrapImage } from '../src/image/wrap.js';
import { Decoder } from '../src/image/x86-decode.js';
import { hex, slotKey, slotParts } from '../src/pci/slot.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { type FunctionResult, functionResults } from '../src/quiesce/journal.js';
import { makePlan } from '../src/quiesce/plan.js';
import { performPlan } from '../src/quiesce/shootdown.js';
import { flightJson } from '../src/report/flight-json.js';
import { createMachine, randomMachine, type SimMachine } from '../src/sim/index.js';
import { makeBzImage } from './support/bzimage.js';

// The stub's own bytes, run by the interpreter on simulated machines: does the reader tell what the stub did?

const policy = defaultPolicy();
const decoder = new Decoder();
const TAIL = 0x8000;
const SEEDS = Array.from({ length: 40 }, (_, n) => n + 1);

function makeMachine(seed: number): SimMachine {
  return betweenKernels(createMachine(randomMachine(seed, { functions: 24 }).description, { seed }));
}

function betweenKernels(machine: SimMachine): SimMachine {
  machine.kernel = null;
  machine.interrupts.attach(null);
  return machine;
}

interface RunOptions {
  readonly tailBytes?: number;
  readonly ticks?: ImageEntry['ticks'];
}

async function runStub(
  machine: SimMachine,
  commandLine: string,
  { tailBytes = TAIL, ticks }: RunOptions = {},
) {
  const known = await scan(machine.host);
  const table = compileTable(policy, { machine: known, tool: 'test' }).bytes;

  const wrapped = wrapImage(makeBzImage(), { stub: STUB, table, tailBytes });
  const { codeAt, codeEnd } = parseBzImage(wrapped);
  const bootParams = new Uint8Array(BOOT_PARAMS.size);
  bootParams.set(wrapped.subarray(SETUP.setupSects, 0x290), SETUP.setupSects);
  const code = wrapped.slice(codeAt, codeEnd);
  const run = new ImageRun({ code, bootParams, decoder, commandLine, ...(ticks ? { ticks } : {}) });
  const exit = await runOnHost(run.run(), machine.host);
  expect(exit.kind).toBe('arrived');
  return { run, found: recordOf(run) };
}

/** As the next kernel would find it: in its setup data, or in its boot_params. */
function recordOf(run: ImageRun): { record: FlightRecord; inSetupData: boolean } | undefined {
  const { memory } = run.machine;
  const u32 = (at: number) => memory.read32(at) >>> 0;
  const bytes = (at: number, length: number) => Uint8Array.from({ length }, (_, i) => memory.read8(at + i));
  const node = u32(run.bootParamsAddress + SETUP.setupData);
  if (node !== 0) {
    expect(u32(node + 8)).toBe(RECORD.setupDataType);
    return { record: parseFlight(bytes(node + 16, u32(node + 12))), inSetupData: true };
  }
  const page = bytes(run.bootParamsAddress + BOOT_PARAMS.pad9, BOOT_PARAMS.size - BOOT_PARAMS.pad9);
  if (page.every((byte) => byte === 0)) return undefined;
  return { record: parseFlight(page), inSetupData: false };
}

/** What `perform` makes of the same machine. */
async function performed(seed: number): Promise<FunctionResult[]> {
  const machine = makeMachine(seed);
  const seen = await scan(machine.host);
  const nobody = { ...seen, machineFacts: { ...seen.machineFacts, liveKernel: false } };
  const host: Host = { ...machine.host, machineFacts: async () => nobody.machineFacts };
  const plan = makePlan(nobody, policy, { at: 'between' });
  const { journal } = await performPlan(host, plan, nobody, { clock: machine.clock });
  return functionResults(journal);
}

const words = ({ slot, verdict, outcome }: FunctionResult) => `${slot} ${verdict} ${outcome}`;
const touched = ({ outcome }: FunctionResult) => outcome !== 'exempt';

describe('what the stub wrote', () => {
  it.each(SEEDS)('on a crash jump, seed %i', async (seed) => {
    const machine = makeMachine(seed);
    const { run, found } = await runStub(machine, 'root=/dev/sda elfcorehdr=0x1000');
    if (!found) throw new Error('no record');
    const { record, inSetupData } = found;
    expect(inSetupData).toBe(true);
    const { reads, writes, trace } = run.ports;
    expect(record).toMatchObject({
      summary: false,
      jump: 'crash',
      observe: false,
      truncated: false,
      end: 'complete',
      phase: 'done',
      nmis: 0,
      counts: { reads, writes },
      tailBytes: TAIL,
      program: STUB.sha256.slice(0, 8),
      template: { tool: 'test', policy: { name: 'default' } },
    });
    expect(Number(record.time.ticks)).toBeGreaterThan(Number(record.time.ioTicks));

    // Each write on the bus is in it, and no other.
    const { entries } = flightJson(record, null);
    const said = entries
      .filter(({ wrote }) => wrote !== null)
      .map(({ slot, offset, wrote }) => `${slotKey(slotParts(slot))} ${offset} ${wrote}`);
    const made = trace
      .filter(({ write }) => write)
      .map(({ rid, offset, value }) => `${rid} ${offset} ${hex(value, 4)}`);
    expect(said.sort()).toEqual(made.sort());

    const config = machine.snapshot();
    for (const { slot, command } of record.entries) {
      const bytes = config.get(slot);
      expect(`${slot} ${command.after}`).toBe(`${slot} ${(bytes?.[4] ?? 0) | ((bytes?.[5] ?? 0) << 8)}`);
    }

    // It says of each function what a journal would.
    const journal = await performed(seed);
    const results = flightResults(record, policy);
    expect(results.filter(touched).map(words)).toEqual(journal.filter(touched).map(words));
    const bridges = new Set(results.filter(({ entry }) => entry.bridge).map(({ slot }) => slot));
    const left = (list: readonly FunctionResult[]) =>
      list.filter((r) => !touched(r) && r.verdict === 'live' && !bridges.has(r.slot));
    expect(left(results).map(({ slot, reason }) => [slot, reason])).toEqual(
      left(journal)
        .filter(({ slot }) => slot.startsWith('0000:'))
        .map(({ slot, reason }) => [slot, reason]),
    );
  });

  it.each(SEEDS.slice(0, 10))('on a normal jump, seed %i', async (seed) => {
    const { run, found } = await runStub(makeMachine(seed), 'root=/dev/sda');
    if (!found) throw new Error('no record');
    const { record, inSetupData } = found;
    expect(inSetupData).toBe(false);
    const { reads, writes } = run.ports;
    expect(record).toMatchObject({
      summary: true,
      jump: 'normal',
      end: 'complete',
      counts: { reads, writes },
    });
    const journal = (await performed(seed)).filter(touched).map(words);
    const results = flightResults(record).map(words);
    if (record.truncated) expect(journal).toEqual(expect.arrayContaining(results));
    else expect(results).toEqual(journal);
    expect(record.counts.entries).toBe(journal.length);
  });

  it('when it only observes: what it would have gated, and nothing written', async () => {
    for (const seed of SEEDS.slice(0, 10)) {
      const { run, found } = await runStub(makeMachine(seed), 'elfcorehdr=0x1000 shootdown=observe');
      expect(run.ports.writes).toBe(0);
      expect(found?.record).toMatchObject({ observe: true, counts: { writes: 0, gated: 0 } });
      const would = found?.record.entries.filter(({ outcome }) => outcome === 'wouldGate') ?? [];
      const journal = (await performed(seed)).filter(touched);
      expect(would.map(({ slot }) => slot).sort()).toEqual(journal.map(({ slot }) => slot));
      const json = flightJson(found?.record as FlightRecord, null);
      expect(json.entries).toEqual([]);
    }
  });

  it('when functions fail in every way', async () => {
    const faults = {
      '0000:00:19.0': { ignoreWrites: true },
      '0000:04:00.0': { vanishOnWrite: true },
      '0000:05:00.0': { pendingForever: true },
    };
    const machine = betweenKernels(createMachine('server', { faults }));
    const ticks: ImageEntry['ticks'] = ({ requests }) => requests * 1_000_000;
    const { found } = await runStub(machine, 'elfcorehdr=0x1000', { ticks });
    if (!found) throw new Error('no record');
    expect(found.record).toMatchObject({ end: 'complete', counts: { failed: 3 } });
    const lines = flightResults(found.record).filter((r) => r.slot in faults);
    expect(lines.map(words)).toEqual([
      '0000:00:19.0 live ignored',
      '0000:04:00.0 unknown vanished',
      '0000:05:00.0 gated timeout',
    ]);
    expect(flightFinds(found.record)).toBe(true);
  });

  it('when its time is up: how far it came', async () => {
    const machine = betweenKernels(createMachine('server'));
    const ticks: ImageEntry['ticks'] = ({ requests }) => requests * 2_500_000;
    const { found } = await runStub(machine, 'elfcorehdr=0x1000', { ticks });
    if (!found) throw new Error('no record');
    expect(found.record).toMatchObject({ end: 'time', phase: 'discover' });
    expect(found.record.last).toMatch(/^0000:/);
    const gated = flightResults(found.record).filter(({ verdict }) => verdict === 'gated');
    expect(gated.length).toBeGreaterThan(0);
    for (const { slot } of gated) expect(machine.functions.get(slot)).toMatchObject({ busMaster: false });
    // Nobody knows what is below a bridge that was not followed to its end.
    expect(gated.filter(({ slot }) => machine.functions.get(slot)?.isBridge)).toEqual([]);
  });

  it('when its room is small: as much as fits', async () => {
    const functions = Array.from({ length: 240 }, (_, n) => ({
      slot: `00:${hex(1 + (n >> 3), 2)}.${n & 7}`,
      vendor: 0x8086,
      device: 0x10d3,
      classCode: 0x020000,
      busMaster: true,
    }));
    const machine = betweenKernels(createMachine({ name: 'many', captureDrivers: [], functions }));
    const { found, run } = await runStub(machine, 'elfcorehdr=0x1000', { tailBytes: 4096 });
    if (!found) throw new Error('no record');
    const { reads, writes } = run.ports;
    expect(found.record).toMatchObject({
      end: 'complete',
      summary: false,
      truncated: true,
      counts: { functions: 240, entries: 240, gated: 240, reads, writes },
    });
    expect(found.record.entries.length).toBeGreaterThan(90);
    expect(found.record.entries.length).toBeLessThan(128);
  });

  it('when it is off: nothing', async () => {
    const { run, found } = await runStub(makeMachine(1), 'shootdown=off');
    expect(run.ports.trace).toEqual([]);
    expect(found).toBeUndefined();
  });
});
