import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../src/host/clock.js';
import { type FlightRecord, parseFlight } from '../src/image/flight.js';
import { type TracedWrite, tracedWrites } from '../src/lab/guest-flight.js';
import { runScenario } from '../src/lab/run.js';
import { RunFolder } from '../src/lab/run-folder.js';
import { scenarioNamed } from '../src/lab/scenarios.js';
import type { LabVerdict } from '../src/lab/verdict.js';
import * as regs from '../src/pci/regs.js';
import { SHOOTDOWN } from './support/cli.js';
import { ALL_GUESTS, labParts, labWanted, onlyIfAll, RUN_TIMEOUT_MS } from './support/lab.js';

// What the next kernel's command line says to the stub, with live traffic on the crash path.

interface Flown {
  readonly verdict: LabVerdict;
  readonly record: FlightRecord | null;
  readonly writes: readonly TracedWrite[];
}

const TIMEOUT_MS = RUN_TIMEOUT_MS + 60_000;
const NIC = '0000:00:03.0';

let scratch: string;

async function crash(series: string, word: string): Promise<Flown> {
  const folder = new RunFolder(mkdtempSync(join(scratch, 'run-')));
  const scenario = { ...scenarioNamed('crash-e1000e'), cmdline: { next: word } };
  const verdict = await runScenario(scenario, {
    policy: 'ours',
    parts: await labParts(series),
    clock,
    seed: randomBytes(12),
    folder,
    shootdown: { node: process.execPath, bundle: SHOOTDOWN },
  });
  const read = (name: string) => readFileSync(join(folder.path, name));
  return {
    verdict,
    record: verdict.flight && parseFlight(read('flight.bin')),
    writes: tracedWrites(read('pci_cfg_write.trace').toString('latin1')),
  };
}

/** Everything landed, and the card was not touched by anybody between the kernels. */
function expectUntouched({ verdict, writes }: Flown): void {
  expect(verdict.next.up).toBe(true);
  expect(verdict.console).toEqual([]);
  expect(verdict.stray).toMatchObject({ sent: 100, aliveBefore: true });
  expect(verdict.stray.landed).toBeGreaterThan(90);
  const card = verdict.functions.find(({ slot }) => slot === NIC);
  expect(card?.after).toMatchObject({ verdict: 'live', command: card?.before?.command });
  const gated = (Number(card?.before?.command) & ~regs.PCI_COMMAND_MASTER) | regs.PCI_COMMAND_INTX_DISABLE;
  expect(gated).toBeGreaterThan(0);
  expect(writes).not.toContainEqual({ slot: NIC.slice(5), offset: regs.PCI_COMMAND, value: gated });
}

describe.skipIf(!labWanted())('the stub does as the command line says', () => {
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), 'shootdown-modes-'));
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  for (const series of ['6.1', '6.12']) {
    const wanted = series === '6.12';
    it.skipIf(!(wanted || ALL_GUESTS))(
      `${series}: with shootdown=observe it says what it would gate, and writes nothing${onlyIfAll(wanted)}`,
      async () => {
        const flown = await crash(series, 'shootdown=observe');
        expectUntouched(flown);
        const { record, verdict } = flown;
        expect(record).toMatchObject({ observe: true, jump: 'crash', end: 'complete' });
        expect(record?.counts).toMatchObject({ writes: 0, gated: 0, failed: 0 });
        const card = record?.entries.find(({ slot }) => slot === NIC);
        expect(card?.outcome).toBe('wouldGate');
        const live = verdict.functions.filter(({ before }) => before?.verdict === 'live');
        const would = record?.entries.filter(({ outcome }) => outcome === 'wouldGate');
        expect(would?.map(({ slot }) => slot)).toEqual(live.map(({ slot }) => slot));
      },
      TIMEOUT_MS,
    );

    it.skipIf(!ALL_GUESTS)(
      `${series}: with shootdown=off it leaves no trace${onlyIfAll(false)}`,
      async () => {
        const flown = await crash(series, 'shootdown=off');
        expectUntouched(flown);
        expect(flown.record).toBeNull();
      },
      TIMEOUT_MS,
    );
  }
});
