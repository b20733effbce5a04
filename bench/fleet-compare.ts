import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fleetLines } from '../test/support/fleet.js';
import { alternate, measure, ratio, row } from './measure.js';

const SHOOTDOWN = resolve('dist/shootdown.mjs');
const FUNCTIONS = 200;
const TOPOLOGIES = 36;

/** Prints what so many machines cost, and a machine of them. */
export async function compareFleet(sizes: readonly number[], rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-bench-fleet-'));
  try {
    for (const machines of sizes) await compareOne(folder, machines, rounds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compareOne(folder: string, machines: number, rounds: number): Promise<void> {
  const file = join(folder, 'fleet.ndjson');
  const fd = openSync(file, 'w');
  for await (const line of fleetLines({ machines, functions: FUNCTIONS, topologies: TOPOLOGIES, seed: 1 })) {
    writeSync(fd, `${line}\n`);
  }
  closeSync(fd);
  const megabytes = statSync(file).size / 1e6;
  // 2: there are findings, and broken audits among them.
  const ours = `${process.execPath} ${SHOOTDOWN} report fleet ${file}`;
  const outputs = ['json', 'html', 'csv'].map((form) => `--${form} ${join(folder, `fleet.${form}`)}`);
  const [text, all, peer] = alternate(
    [
      () => measure(ours, 2),
      () => measure(`${ours} ${outputs.join(' ')}`, 2),
      () => measure(`jq -c . ${file}`),
    ],
    rounds,
  );
  const load = loadavg()[0]?.toFixed(1);
  console.log(`fleet of ${machines} machines, ${megabytes.toFixed(0)} MB, ${rounds} runs, load ${load}`);
  for (const [name, one] of [
    ['shootdown report fleet', text],
    ['  with --json, --html and --csv', all],
    ['jq -c .', peer],
  ] as const) {
    row(name, one);
    if (one)
      console.log(
        `    processor time ${one.cpuMs.toFixed(0)} ms, ${(one.cpuMs / machines).toFixed(2)} a machine`,
      );
  }
  console.log(`  ratio ${ratio(text, peer)}, ${ratio(all, peer)} with all outputs`);
  console.log(
    `  of processor time ${ratio(text, peer, 'cpuMs')}, ${ratio(all, peer, 'cpuMs')}; target below 1, under 300 MB\n`,
  );
  rmSync(file);
}
