// Whole processes side by side on a generated machine of 4,096 functions: npm run bench
// Prints the table that docs/benchmarks.md records. Timings are medians of alternating runs, and what counts is
// their ratio.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildFakeSysfs, type FakeSysfs } from '../test/support/fake-sysfs.js';
import { compareFleet } from './fleet-compare.js';
import { type BenchFunction, benchDump, benchMachine } from './machine.js';
import { alternate, measure, ratio, row } from './measure.js';

const RUNS = Number(process.env['BENCH_RUNS'] ?? 7);
const SHOOTDOWN = resolve('dist/shootdown.mjs');
const OPEN_FILES = 1024;

const folder = mkdtempSync(join(tmpdir(), 'shootdown-bench-'));
try {
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${RUNS} runs each, medians\n`,
  );
  compareAudit();
  for (const options of [
    { liveOneIn: 4, msix: false },
    { liveOneIn: 4, msix: true },
    { liveOneIn: 1, msix: false },
  ]) {
    compareApply(
      benchMachine(options),
      `1 in ${options.liveOneIn} live, MSI-X ${options.msix ? 'on' : 'off'}`,
    );
  }
  // 10,000 machines: bench/fleet.ts
  await compareFleet([100, 1_000], RUNS);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function compareAudit(): void {
  const dump = join(folder, 'machine.txt');
  writeFileSync(dump, benchDump(benchMachine({ liveOneIn: 4, msix: true })));
  const megabytes = (readFileSync(dump).length / 1e6).toFixed(0);
  const [ours, json, peer] = alternate(
    [
      () => measure(`${process.execPath} ${SHOOTDOWN} audit --fail-on never -F ${dump}`),
      () => measure(`${process.execPath} ${SHOOTDOWN} audit --fail-on never --json -F ${dump}`),
      () => measure(`lspci -vv -F ${dump}`),
    ],
    RUNS,
  );
  console.log(`audit of a dump of ${megabytes} MB, 4,096 functions of 4,096 bytes`);
  row('shootdown audit -F', ours);
  row('shootdown audit -F --json', json);
  row('lspci -vv -F', peer);
  console.log(
    `  ratio ${ratio(ours, peer)} (text), ${ratio(json, peer)} (json); target at most 0.50, under 120 MB\n`,
  );
}

function compareApply(functions: readonly BenchFunction[], what: string): void {
  const tree = plainTree(functions);
  const live = functions.filter((fn) => fn.live);
  const reset = () => {
    for (const { slot, config } of live) writeFileSync(tree.configPath(slot), config);
  };
  const setpci = join(folder, 'setpci.sh');
  const plan = JSON.parse(
    spawnSync(process.execPath, [SHOOTDOWN, 'plan', '--json', '--host', `sysfs:${tree.root}`], {
      encoding: 'utf8',
      maxBuffer: 1e9,
    }).stdout,
  ) as { steps: { kind: string; slot: string; offset: number; value: number; mask: number }[] };
  const writes = plan.steps.filter((step) => step.kind === 'write');
  const ops = writes.map(
    (s) => `-s ${s.slot} ${s.offset.toString(16)}.w=${s.value.toString(16)}:${s.mask.toString(16)}`,
  );
  writeFileSync(setpci, `exec setpci -A linux-sysfs -O sysfs.path=${tree.root}/bus/pci ${ops.join(' ')}\n`);

  let run = 0;
  const apply = () =>
    `${process.execPath} ${SHOOTDOWN} apply --host sysfs:${tree.root} --journal ${join(folder, `j${run++}-${what.replace(/\W/g, '')}`)}`;
  const [ours, peer] = alternate(
    [
      () => {
        reset();
        return measure(apply());
      },
      () => {
        reset();
        return measure(`sh ${setpci}`);
      },
    ],
    RUNS,
  );
  console.log(`apply, ${what}: ${live.length} live, ${writes.length} register writes`);
  row('shootdown apply', ours);
  row('setpci, no verification, no journal', peer);
  console.log(`  ratio ${ratio(ours, peer)}; target at most 5`);
  reset();
  countCalls(apply(), live);
  console.log('');
  tree.remove();
}

/** The least that setpci and we both need: folders with `config` and the files that libpci reads. */
function plainTree(functions: readonly BenchFunction[]): FakeSysfs {
  const home = join(folder, 'tree');
  mkdirSync(home, { recursive: true });
  return buildFakeSysfs({ functions: functions.map((fn) => ({ ...fn })) }, home);
}

/** Counts, by strace, what each live function's config file saw, with no more open files than a shell allows. */
function countCalls(command: string, live: readonly BenchFunction[]): void {
  const log = join(folder, 'strace.log');
  const trace = 'openat,close,pread64,pwrite64,fsync,fdatasync,sync_file_range';
  execFileSync(
    'sh',
    ['-c', `ulimit -n ${OPEN_FILES}; exec strace -f -qq -s 0 -y -e trace=${trace} -o ${log} ${command}`],
    { stdio: 'ignore' },
  );
  const slots = new Set(live.map(({ slot }) => slot));
  const opens = new Map<string, number>();
  const accesses = new Map<string, number>();
  let syncs = 0;
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    if (/\bf(data)?sync\(/.test(line)) syncs++;
    const slot = /([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\/config/.exec(line)?.[1];
    if (slot === undefined || !slots.has(slot)) continue;
    const counter = line.includes('openat(') ? opens : /p(read|write)64\(/.test(line) ? accesses : undefined;
    counter?.set(slot, (counter.get(slot) ?? 0) + 1);
  }
  const spread = (counter: Map<string, number>) => {
    const values = [...counter.values()];
    const mean = values.reduce((sum, value) => sum + value, 0) / live.length;
    return `${mean.toFixed(2)} (at most ${Math.max(...values)})`;
  };
  console.log(
    `  a live function, with ${OPEN_FILES} open files allowed: ${spread(opens)} opens of config, ${spread(accesses)} reads and writes; ${syncs} syncs in all`,
  );
  console.log('  target 1 open, 8 reads and writes, 2 syncs');
}
