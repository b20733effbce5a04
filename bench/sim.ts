import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { interpretedStub } from '../src/cli/sim-stub.js';
import { hex } from '../src/pci/slot.js';
import type { FunctionDescription, MachineDescription } from '../src/sim/description.js';
import { SimMachine } from '../src/sim/machine.js';
import type { PolicyName } from '../src/sim/policies/names.js';
import { playJump } from '../src/sim/policies/play.js';
import { randomMachine } from '../src/sim/soak/random-machine.js';
import { newSoak, soak } from '../src/sim/soak/soak.js';

// The simulated machine: jumps and events a second, what a function costs, and whether memory grows with the jumps.
// node scripts/run.mjs bench/sim.ts [JUMPS]; where the time goes: node --cpu-prof dist/shootdown.mjs sim soak …

const SIZES = [16, 64, 256, 1024, 4096];
const SOAK_JUMPS = Number(process.argv[2] ?? 500);
/** Functions of which the cost is taken together: those of the largest machine. */
const BATCH = 4096;
const ROUNDS = 7;
const WARM_UP = 2;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heapMiB = () => {
  collect();
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
};
const say = (text: string) => process.stdout.write(`${text}\n`);

for (const policy of SOAK_JUMPS > 0 ? (['none', 'ours'] as const) : []) {
  const start = performance.now();
  const heaps: string[] = [];
  let jumps = 0;
  let events = 0;
  for await (const { state } of soak(newSoak({ seed: 1, functions: 64, policy }), interpretedStub())) {
    for (const at of [100, 1000]) {
      if (jumps < at && state.jumps.all >= at) heaps.push(`${heapMiB().toFixed(1)} MiB after ${at}`);
    }
    jumps = state.jumps.all;
    events = state.events;
    if (jumps >= SOAK_JUMPS) break;
  }
  const seconds = (performance.now() - start) / 1000;
  say(
    `soak, 64 functions, ${policy}: ${jumps} jumps in ${seconds.toFixed(1)} s: ${(jumps / seconds).toFixed(1)} jumps/s, ${Math.round(events / seconds)} events/s; heap ${heaps.join(', ')}`,
  );
}

const BLOCK = 16;
const BLOCKS_PER_SEGMENT = 100;
const PORT = { vendor: 0x8086, device: 0x2f02, classCode: 0x060400, express: 'root-port' } as const;
const NIC = {
  vendor: 0x8086,
  device: 0x10d3,
  classCode: 0x020000,
  workload: 'nic',
  messages: 'msix',
} as const;
const NVME = {
  vendor: 0x144d,
  device: 0xa80a,
  classCode: 0x010802,
  workload: 'nvme',
  messages: 'msix',
} as const;

/** The same 16 functions again and again: two root ports, below each a busy card, a busy disk, and five that are idle. */
function blocks(functions: number): MachineDescription {
  const all: FunctionDescription[] = [];
  for (let block = 0; block < functions / BLOCK; block++) {
    const domain = hex(Math.floor(block / BLOCKS_PER_SEGMENT), 4);
    for (const half of [0, 1]) {
      const port = 2 * (block % BLOCKS_PER_SEGMENT) + half;
      const bus = port + 1;
      const driver = { name: 'pcieport', shutdown: true };
      all.push({
        ...PORT,
        slot: `${domain}:00:${hex(1 + (port >> 3), 2)}.${port & 7}`,
        secondary: bus,
        driver,
      });
      for (let fn = 0; fn < 7; fn++) {
        const slot = `${domain}:${hex(bus, 2)}:00.${fn}`;
        const kind = { ...(fn === 0 ? NIC : NVME), slot, express: 'endpoint' as const };
        if (fn < 2) all.push({ ...kind, driver: { name: fn === 0 ? 'mlx5_core' : 'nvme', shutdown: true } });
        else all.push({ ...kind, busMaster: false });
      }
    }
  }
  return { name: `${functions} functions`, captureDrivers: ['nvme'], functions: all };
}

/**
 * Processor time of as many jumps of machines of this size as have `BATCH` functions together, without making them, and
 * what each function had of it in µs.
 */
async function batchCost(functions: number, seed: number, policy: PolicyName, path: 'normal' | 'crash') {
  const description = blocks(functions);
  let [time, events, ticks] = [0, 0, 0];
  for (let done = 0; done < BATCH; done += functions) {
    const machine = new SimMachine(description, { seed: seed + done });
    const [before, start] = [machine.schedule.happened, process.cpuUsage()];
    const { result } = await playJump(machine, policy, { path, reboot: false });
    const { user, system } = process.cpuUsage(start);
    time += user + system;
    events += machine.schedule.happened - before;
    ticks = result.endTick - result.startTick;
    if (result.stuckOn) throw new Error(`${functions} functions, ${policy}: ${result.stuckOn.on}`);
  }
  return { functions, time: time / BATCH, events: events / BATCH, ticks };
}

for (const [policy, path] of [
  ['none', 'crash'],
  ['linux', 'normal'],
  ['ours', 'crash'],
] as const) {
  const batches: Awaited<ReturnType<typeof batchCost>>[] = [];
  // All sizes take their turn in each round, so that the compiler's work and that of others is the same for all; what
  // the first rounds cost is the compiler's.
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const size of SIZES) {
      collect();
      const batch = await batchCost(size, round, policy, path);
      if (round >= 0) batches.push(batch);
    }
  }
  const costs = SIZES.map((size) => {
    const own = batches.filter(({ functions }) => functions === size).sort((a, b) => a.time - b.time);
    const { time, events, ticks } = own[own.length >> 1] as (typeof own)[number];
    say(
      `${policy}, ${path}, ${size} functions: ${((time * size) / 1000).toFixed(1)} ms, ${time.toFixed(1)} µs a function, ${events.toFixed(0)} events of ${((1000 * time) / events).toFixed(0)} ns; ${(ticks / 10).toFixed(0)} ms in the machine; least ${own[0]?.time.toFixed(1)}`,
    );
    return time;
  });
  say(`${policy}, ${path}: dearest to cheapest ${(Math.max(...costs) / Math.min(...costs)).toFixed(2)}`);
}

const { description } = randomMachine(3, { functions: 64 });
const machine = new SimMachine(description, { seed: 1 });
const heaps: number[] = [];
for (let jump = 1; jump <= 1000; jump++) {
  const { result } = await playJump(machine, 'none', { path: jump % 3 === 0 ? 'crash' : 'normal' });
  if (result.stuckOn !== null) machine.powerCycle();
  if (jump === 100 || jump === 1000) heaps.push(heapMiB());
}
say(
  `one machine, jump after jump: heap ${heaps.map((mib) => `${mib.toFixed(1)} MiB`).join(' after 100, ')} after 1000`,
);
