import { readRange } from '../../src/host/port.js';
import type { QtestHost } from '../../src/host/qtest.js';
import { type Machine, scan } from '../../src/host/scan.js';
import type { FlightRecord } from '../../src/image/flight.js';
import { compileTable } from '../../src/image/table.js';
import { seen } from '../../src/pci/function.js';
import * as regs from '../../src/pci/regs.js';
import type { Slot } from '../../src/pci/slot.js';
import { failed } from '../../src/quiesce/journal.js';
import { makePlan } from '../../src/quiesce/plan.js';
import type { Plan } from '../../src/quiesce/plan-data.js';
import type { Policy } from '../../src/quiesce/policy.js';
import { performPlan } from '../../src/quiesce/shootdown.js';
import { Random } from '../../src/sim/random.js';
import { BareMachine, type BareResult, CRASH } from './bare-machine.js';
import { configAccesses, type Replay, replay, type Snapshot, type TracedAccess } from './config-trace.js';
import { decode } from './machines.js';
import { randomPolicy } from './random-policy.js';
import { drawState, drawVirtual, makePristine, pristineOf, randomBareMachine } from './random-state.js';
import { type Sight, shuffled, stubSight } from './stub-sight.js';

/** What the kernel was wrapped for; `earlier` is this machine in another state. */
const WRAPPINGS = ['now', 'earlier', 'earlier', 'shuffled', 'nothing', 'root bus'] as const;
const WORDS = ['', '', '', 'shootdown=observe ', 'shootdown=off '] as const;

/** One state of one machine: what the stub did there, and what `perform` did. */
export interface Round {
  readonly what: string;
  readonly before: Snapshot;
  /** After the stub, and after `perform` on the same state. */
  readonly after: Snapshot;
  readonly wanted: Snapshot;
  readonly run: BareResult;
  readonly record: FlightRecord | null;
  readonly accesses: readonly TracedAccess[];
  /** Writes of `perform`. */
  readonly performed: readonly TracedAccess[];
  readonly plan: Plan;
  /** Failures of `perform`, which a record counts, too. */
  readonly failed: number;
  readonly reached: readonly Slot[];
  readonly replay: Replay;
}

/** Draws a machine and states of it; `check` is called for each. */
export async function playTopology(
  seed: number,
  rounds: number,
  check: (round: Round) => void,
): Promise<void> {
  const random = new Random(seed).fork('stub in QEMU');
  const bare = await BareMachine.start(randomBareMachine(seed, random));
  try {
    const pristine = await bare.connected(pristineOf);
    let earlier = await bare.connected((host) => scan(host));
    for (let round = 0; round < rounds; round++) {
      await bare.connected(async (host) => {
        await makePristine(host, pristine);
        await drawVirtual(host, random);
      });
      await bare.connected((host) => drawState(host, random));
      await bare.connected(async (host) => {
        const now = await scan(host);
        check(await playRound(bare, host, random, { now, earlier }));
        earlier = now;
      });
    }
  } finally {
    await bare.stop();
  }
}

async function playRound(
  bare: BareMachine,
  host: QtestHost,
  random: Random,
  { now, earlier }: { readonly now: Machine; readonly earlier: Machine },
): Promise<Round> {
  const policy = randomPolicy(now, random);
  const wrapping = random.pick(WRAPPINGS);
  const machines = {
    ...{ now, earlier, shuffled: shuffled(earlier, random) },
    ...{ nothing: undefined, 'root bus': undefined },
  };
  const machine = machines[wrapping];
  const scanAll = wrapping === 'nothing';
  const word = random.pick(WORDS);
  const commandLine = `${word}${random.chance(70) ? CRASH : 'quiet'}`;
  const { bytes, table } = compileTable(policy, { machine, scanAll, tool: 'test' });
  const sight = await stubSight(host, { machine, scanAll, busFlags: table.busFlags });
  const before = await bytesOf(host);
  const run = await bare.run(host.client, { commandLine, table: bytes });
  const after = await bytesOf(host);
  await putBack(host, before, after);
  const lost = different(before, await bytesOf(host));
  if (lost.length > 0) throw new Error(`the state cannot be put back: ${lost.join(', ')}`);
  const performed = await performOn(bare, sight, policy, word !== '');
  return {
    what: `policy ${policy.name}, wrapped for ${wrapping}, "${commandLine}"`,
    before,
    after,
    wanted: await bytesOf(host),
    run,
    record: run.record,
    accesses: configAccesses(run.trace),
    reached: sight.reached,
    replay: replay(run, commandLine, before, after),
    ...performed,
  };
}

/** `off` and `observe` write nothing: then neither does this. */
async function performOn(
  bare: BareMachine,
  { host }: Sight,
  policy: Policy,
  nothing: boolean,
): Promise<Pick<Round, 'performed' | 'plan' | 'failed'>> {
  const machine = await scan(host);
  const plan = makePlan(machine, policy, { at: 'between' });
  if (nothing) return { performed: [], plan, failed: 0 };
  const from = bare.traceBytes();
  const { journal } = await performPlan(host, plan, machine);
  const performed = configAccesses(bare.trace(from)).filter(({ write }) => write);
  return { performed, plan, failed: journal.records.filter(failed).length };
}

/** 256 bytes of every function that there is. */
export async function bytesOf(host: QtestHost): Promise<Snapshot> {
  const slots = await host.slots();
  const bytes = await Promise.all(slots.map((slot) => readRange(host, slot, 0, 256)));
  return new Map(slots.map((slot, at) => [slot, bytes[at] ?? new Uint8Array()]));
}

/** Undoes a shootdown; throws where something else was written. */
export async function putBack(host: QtestHost, before: Snapshot, after: Snapshot): Promise<void> {
  for (const [slot, was] of before) {
    const is = after.get(slot);
    if (is && Buffer.compare(was, is) === 0) continue;
    const fn = await decode(host, slot);
    const [msi, msix] = [seen(fn.msi), seen(fn.msix)];
    const words = [
      ...(msi ? [msi.offset + regs.PCI_MSI_FLAGS] : []),
      ...(msix ? [msix.offset + regs.PCI_MSIX_FLAGS] : []),
      regs.PCI_COMMAND,
    ];
    const view = new DataView(was.buffer, was.byteOffset);
    for (const offset of words) await host.write(slot, offset, 2, view.getUint16(offset, true));
  }
}

/** Registers in which two snapshots differ, a text each. */
export function different(a: Snapshot, b: Snapshot): string[] {
  const texts: string[] = [];
  for (const slot of new Set([...a.keys(), ...b.keys()])) {
    const [x, y] = [a.get(slot), b.get(slot)];
    if (!x || !y) {
      texts.push(`${slot} is in one of them`);
      continue;
    }
    for (let at = 0; at < 256; at++) {
      if (x[at] !== y[at])
        texts.push(`${slot}+${at.toString(16)}: ${x[at]?.toString(16)}, ${y[at]?.toString(16)}`);
    }
  }
  return texts;
}
