// How fast configuration space of a QEMU machine can be read over qtest: node scripts/run.mjs bench/qtest.ts
// Prints the table that docs/lab.md records. Each figure is the median of runs; a read is one dword.
import { cpus } from 'node:os';
import { openQtest, type QtestHost } from '../src/host/qtest.js';
import { inCommand, outCommand } from '../src/host/qtest-client.js';
import { scan } from '../src/host/scan.js';
import { startMachine } from '../src/lab/machine-start.js';
import { SERVER } from '../test/support/machines.js';

const RUNS = Number(process.env['BENCH_RUNS'] ?? 7);
const DWORDS = 64;
const ROUNDS = 50;

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** Reads a second, when `action` does so many. */
async function rate(reads: number, action: () => Promise<unknown>): Promise<number> {
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    await action();
    rates.push((reads / (performance.now() - start)) * 1000);
  }
  return Math.round(median(rates) / 100) * 100;
}

async function oneByOne(host: QtestHost): Promise<void> {
  const slot = (await host.slots())[0];
  if (!slot) return;
  for (let i = 0; i < DWORDS * ROUNDS; i++) await host.read(slot, (i % DWORDS) * 4, 4);
}

async function ranges(host: QtestHost): Promise<void> {
  const slot = (await host.slots())[0];
  if (!slot) return;
  for (let i = 0; i < ROUNDS; i++) await host.readRange?.(slot, 0, DWORDS * 4);
}

async function twoWrites({ client }: QtestHost): Promise<void> {
  for (let i = 0; i < DWORDS * ROUNDS; i++) {
    await client.ask(outCommand(0xcf8, 4, 0x8000_0000 + (i % DWORDS) * 4));
    await client.ask(inCommand(0xcfc, 4));
  }
}

async function time(action: () => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    await action();
    times.push(performance.now() - start);
  }
  return `${Math.round(median(times))} ms`;
}

const start = await time(async () => (await startMachine(SERVER)).stop());
const machine = await startMachine(SERVER);
try {
  const reads = DWORDS * ROUNDS;
  const rows: [string, string | number][] = [];
  for (const access of ['ports', 'auto'] as const) {
    const host = await openQtest(machine.qtest, { access });
    const way = host.access === 'ports' ? 'ports' : 'ECAM';
    if (way === 'ports')
      rows.push(['ports, address and data in a write each', await rate(reads, () => twoWrites(host))]);
    rows.push([`${way}, one read at a time`, await rate(reads, () => oneByOne(host))]);
    rows.push([`${way}, ${DWORDS} dwords in a batch`, await rate(reads, () => ranges(host))]);
    await host.close();
    const again = async () => {
      const fresh = await openQtest(machine.qtest, { access });
      await scan(fresh);
      await fresh.close();
    };
    rows.push([`${way}, finding and scanning ${SERVER.devices.length + 4} functions`, await time(again)]);
  }
  rows.push(['a machine started, set up by firmware and stopped', start]);
  console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, median of ${RUNS}\n`);
  console.log('| what | reads a second, or time |\n| --- | ---: |');
  for (const [what, value] of rows) console.log(`| ${what} | ${value.toLocaleString('en-US')} |`);
} finally {
  await machine.stop();
}
