// What the stub between the kernels costs, on device models in QEMU: node scripts/run.mjs bench/stub.ts
// Prints the tables that docs/benchmarks.md records. Accesses to configuration space are the stub's own count, which
// test/stub-qemu.test.ts holds against QEMU's trace; what they are compared with is `least`, below.
import { cpus } from 'node:os';
import type { QtestHost } from '../src/host/qtest.js';
import { type Machine, scan } from '../src/host/scan.js';
import { findBlock } from '../src/image/block.js';
import { parseBzImage } from '../src/image/bzimage.js';
import { BUS_FLAGS } from '../src/image/layout.js';
import { STUB } from '../src/image/stub.generated.js';
import { compileTable } from '../src/image/table.js';
import type { Table } from '../src/image/table-data.js';
import { wrapImage } from '../src/image/wrap.js';
import type { DeviceDescription, QemuMachine } from '../src/lab/machine.js';
import { type PciFunction, seen } from '../src/pci/function.js';
import { slotParts } from '../src/pci/slot.js';
import type { TopologyNode } from '../src/pci/topology.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { makePlan } from '../src/quiesce/plan.js';
import type { Policy } from '../src/quiesce/policy.js';
import { messagesEnabled, verdictOf } from '../src/quiesce/verdict.js';
import { BareMachine, CRASH, TAIL_BYTES } from '../test/support/bare-machine.js';
import { makeBzImage } from '../test/support/bzimage.js';
import { driveAll, SERVER } from '../test/support/machines.js';
import { randomTopology } from '../test/support/random-topology.js';
import { bytesOf, putBack } from '../test/support/stub-round.js';

const RUNS = Number(process.env['BENCH_RUNS'] ?? 7);
const TOPOLOGIES = Number(process.env['BENCH_TOPOLOGIES'] ?? 20);
/** Of those that write, which QEMU makes slow. */
const WALKS = 3;
const TARGET = 1.2;
const DEVICES = 32;

const far = { walkTimeoutMs: 60_000 };
const ENDPOINTS = defaultPolicy();
const BRIDGES: Policy = { ...ENDPOINTS, rules: ENDPOINTS.rules.filter(({ id }) => id !== 'pci-bridge') };

/** 24 ports on bus 0 in three slots, eight functions behind each, and what every q35 has. */
function twoHundred(): QemuMachine {
  const devices: DeviceDescription[] = [];
  for (let port = 0; port < 24; port++) {
    const id = `rp${port}`;
    const first = port % 8 === 0 ? { multifunction: true } : {};
    devices.push({ model: 'pcie-root-port', id, device: 1 + (port >> 3), function: port % 8, ...first });
    for (let fn = 0; fn < 8; fn++) {
      const many = fn === 0 ? { multifunction: true } : {};
      devices.push({ model: 'vmxnet3', bus: id, device: 0, function: fn, ...many });
    }
  }
  return { chipset: 'q35', devices };
}

interface Least {
  /** Of functions that are there. */
  readonly accesses: number;
  /** Of places where something may have been plugged in since: one read each tells. */
  readonly places: number;
}

/**
 * The least that the ladder requires on this machine, under this policy, of somebody who knows where everything was:
 *
 * - of each function: presence (with Command and Status) and header type: 2
 * - of each bridge besides: bus numbers, id, power state if it has the capability
 * - of each other function that is live: id (is it what it was?), class, power state if it has the capability
 * - of each function that is gated: the write and its read-back; pending if it can be told; each of MSI and MSI-X that
 *   it has, and where enabled the write and its read-back
 * - of each empty place on a bus that exists: presence. A place is function 0 of a device, functions 1 to 7 where
 *   function 0 says that there are several, every routing ID where virtual functions can be; below a port of PCI
 *   Express only device 0 can be
 */
function least(machine: Machine, policy: Policy, table: Table): Least {
  const nodes = [...machine.topology.nodes.values()];
  const plan = makePlan(machine, policy, { at: 'between' });
  const gated = new Set(
    plan.steps.flatMap((step) =>
      step.kind === 'write' && step.register === 'PCI_COMMAND' ? [step.slot] : [],
    ),
  );
  let accesses = 0;
  for (const { function: fn } of nodes) {
    accesses += 2;
    const power = seen(fn.pm) ? 1 : 0;
    if (fn.bridge) accesses += 2 + power;
    else if (verdictOf(fn) === 'live') accesses += 2 + power;
    if (gated.has(fn.slot)) accesses += 2 + pendingReads(fn) + messageAccesses(fn);
  }
  return { accesses, places: emptyPlaces(nodes, table) };
}

const pendingReads = (fn: PciFunction) => (seen(fn.express) || seen(fn.af)?.hasPending ? 1 : 0);

function messageAccesses(fn: PciFunction): number {
  const capabilities = [seen(fn.msi), seen(fn.msix)].filter((one) => one != null);
  const reads = capabilities.length;
  return messagesEnabled(fn) ? reads + 2 * capabilities.filter(({ enable }) => enable).length : reads;
}

function emptyPlaces(nodes: readonly TopologyNode[], table: Table): number {
  const there = new Set<number>();
  const several = new Set<number>();
  const devices = new Map<number, number>();
  table.busFlags.forEach((flags, bus) => {
    if ((flags & (BUS_FLAGS.root | BUS_FLAGS.listed)) !== 0) devices.set(bus, DEVICES);
  });
  for (const { function: fn } of nodes) {
    const { bus, device, function: number } = slotParts(fn.slot);
    there.add(bus * 256 + device * 8 + number);
    if (fn.multiFunction && number === 0) several.add(bus * 256 + device * 8);
    const type = seen(fn.express)?.type;
    const one = type === 'root-port' || type === 'downstream-port';
    if (fn.bridge && fn.bridge.secondary > bus) devices.set(fn.bridge.secondary, one ? 1 : DEVICES);
  }
  let places = 0;
  for (const [bus, count] of devices) {
    const every = ((table.busFlags[bus] ?? 0) & BUS_FLAGS.everyRid) !== 0;
    for (let low = 0; low < 256; low++) {
      const place = bus * 256 + low;
      const looked = every || (low >> 3 < count && (low % 8 === 0 || several.has(place & ~7)));
      if (looked && !there.has(place)) places++;
    }
  }
  return places;
}

/** In milliseconds. QEMU works out the machine's whole memory map anew when a BME changes: look at `observed`. */
interface Times {
  readonly walk: number[];
  /** With `shootdown=observe`: nothing is written. */
  readonly observed: number[];
  /** The same on all 256 buses. */
  readonly observedAll: number[];
}

interface Row {
  readonly functions: number;
  readonly gated: number;
  readonly accesses: number;
  readonly least: Least;
  readonly scanAll: number;
  readonly times: Times;
  readonly blockBytes: number;
}

async function measure(bare: BareMachine, host: QtestHost, policy: Policy, runs: number): Promise<Row> {
  const bounded = { ...policy, between: { ...policy.between, ...far } };
  const machine = await scan(host);
  const before = await bytesOf(host);
  const known = compileTable(bounded, { machine, tool: 'bench' });
  const nothing = compileTable(bounded, { tool: 'bench', scanAll: true });
  const khz = await bare.tscKhz(host.client);
  const times: Times = { walk: [], observed: [], observedAll: [] };
  const walk = async (table: Uint8Array, word: string, into: number[]) => {
    const commandLine = `${CRASH} ${word}`;
    const { record } = await bare.run(host.client, { commandLine, table, traced: false });
    await putBack(host, before, await bytesOf(host));
    if (record?.end !== 'complete') throw new Error(`the walk ended early: ${record?.end}`);
    into.push(Number(record.time.ticks) / khz);
    return record.counts;
  };
  const { reads, writes, gated } = await walk(known.bytes, '', times.walk);
  const all = await walk(nothing.bytes, '', []);
  for (let run = 0; run < runs; run++) {
    if (run > 0 && run < WALKS) await walk(known.bytes, '', times.walk);
    await walk(known.bytes, 'shootdown=observe', times.observed);
    await walk(nothing.bytes, 'shootdown=observe', times.observedAll);
  }
  return {
    functions: machine.topology.nodes.size,
    gated,
    accesses: reads + writes,
    least: least(machine, bounded, known.table),
    scanAll: all.reads + all.writes,
    times,
    blockBytes: blockBytes(known.bytes),
  };
}

function blockBytes(table: Uint8Array): number {
  const wrapped = wrapImage(makeBzImage(), { stub: STUB, table, tailBytes: TAIL_BYTES });
  const block = findBlock(parseBzImage(wrapped));
  if (!block) throw new Error('not wrapped');
  return block.bytes.length;
}

async function on<T>(
  machine: QemuMachine,
  action: (bare: BareMachine, host: QtestHost) => Promise<T>,
): Promise<T> {
  const bare = await BareMachine.start(machine);
  try {
    return await bare.connected(async (host) => {
      await driveAll(host);
      return action(bare, host);
    });
  } finally {
    await bare.stop();
  }
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const ms = (values: readonly number[]) => `${median(values).toFixed(1)} ms`;
const number = (value: number) => value.toLocaleString('en-US');

function print(name: string, row: Row): void {
  const { accesses, least: bound } = row;
  const all = accesses / (bound.accesses + bound.places);
  const only = (accesses - bound.places) / bound.accesses;
  const cells = [
    ...[name, row.functions, row.gated, number(accesses), number(bound.accesses + bound.places)],
    ...[number(bound.places), all.toFixed(2), only.toFixed(2), ms(row.times.walk), ms(row.times.observed)],
    ...[number(row.scanAll), ms(row.times.observedAll)],
  ];
  console.log(`| ${cells.join(' | ')} |`);
}

console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, TCG; times are medians of ${RUNS}, of ${Math.min(RUNS, WALKS)} where something is written\n`,
);
const heads = [
  ...['machine, policy', 'functions', 'gated', 'accesses', 'least', 'of these empty places', 'ratio'],
  ...['without places', 'time', 'observing', 'all 256 buses', 'observing'],
];
console.log(`| ${heads.join(' | ')} |\n| --- |${' ---: |'.repeat(heads.length - 1)}`);
const rows: Row[] = [];
const keep = (name: string, row: Row) => {
  rows.push(row);
  print(name, row);
};
await on(SERVER, async (bare, host) => {
  keep('server, default', await measure(bare, host, ENDPOINTS, RUNS));
  keep('server, bridges too', await measure(bare, host, BRIDGES, RUNS));
});
await on(twoHundred(), async (bare, host) => {
  keep('24 ports, 8 functions each, default', await measure(bare, host, ENDPOINTS, RUNS));
  keep('the same, bridges too', await measure(bare, host, BRIDGES, RUNS));
});
const drawn: Row[] = [];
for (let seed = 1; seed <= TOPOLOGIES; seed++) {
  drawn.push(await on(randomTopology(seed).qemu, (bare, host) => measure(bare, host, ENDPOINTS, 1)));
}
const total = (of: (row: Row) => number) => drawn.reduce((sum, row) => sum + of(row), 0);
keep(`${TOPOLOGIES} random topologies together`, {
  functions: total((row) => row.functions),
  gated: total((row) => row.gated),
  accesses: total((row) => row.accesses),
  least: { accesses: total((row) => row.least.accesses), places: total((row) => row.least.places) },
  scanAll: total((row) => row.scanAll),
  times: {
    walk: drawn.flatMap((row) => row.times.walk),
    observed: drawn.flatMap((row) => row.times.observed),
    observedAll: drawn.flatMap((row) => row.times.observedAll),
  },
  blockBytes: 0,
});
const ratios = [...rows.slice(0, -1), ...drawn].map(
  (row) => row.accesses / (row.least.accesses + row.least.places),
);
console.log(`\nworst ratio of a single machine ${Math.max(...ratios).toFixed(2)}, target ${TARGET}`);
console.log(
  `program ${number(STUB.program.length)} bytes, of these code ${number(STUB.room)}; guard ${STUB.guard.length}; ` +
    `block for ${rows[0]?.functions} functions ${number(rows[0]?.blockBytes ?? 0)}, for ${rows[2]?.functions} ` +
    `${number(rows[2]?.blockBytes ?? 0)}; tail ${number(TAIL_BYTES)}`,
);
