import { scan } from '../../src/host/scan.js';
import type { ConfigBus } from '../../src/image/config-ports.js';
import type { FlightRecord } from '../../src/image/flight.js';
import type { Exit } from '../../src/image/interpreter.js';
import { FLAG } from '../../src/image/x86-cpu.js';
import { Decoder } from '../../src/image/x86-decode.js';
import { hex } from '../../src/pci/slot.js';
import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import type { Policy } from '../../src/quiesce/policy.js';
import { makeBzImage } from './bzimage.js';
import { Board, type BoardFunction } from './stub-board.js';
import { differs, type Expected, performed, performedProblems, recordProblems } from './stub-kill-oracle.js';
import type { Patch } from './stub-mutants.js';
import { CRASH, StubRun, type StubRunOptions, wrapKernel } from './stub-run.js';

/** One machine, entered in one way. What `perform` makes of it is expected, unless the case says otherwise. */
export interface KillCase {
  readonly name: string;
  readonly board: Readonly<Record<string, BoardFunction>>;
  /** As it was when the kernel was wrapped; `null` if nothing was known. Default: as it is. */
  readonly known?: Readonly<Record<string, BoardFunction>> | null;
  readonly policy?: Policy;
  readonly options?: StubRunOptions;
  /** To the image, after it was wrapped. */
  readonly change?: (view: DataView) => void;
  /** In place of the board. */
  readonly bus?: () => ConfigBus;
  /** How many reads of configuration space it costs: none more than are needed. */
  readonly reads?: number;
  /** `false`: what `perform` does is no measure here. */
  readonly performed?: false;
  /** What the record says, where it is not the full one of a whole walk; `null` if nothing must happen at all. */
  readonly record?: Partial<Expected> | 'none' | null;
  /** Where the time stamp counter begins. Default 0. */
  readonly ticksFrom?: number;
  /** Memory that the stub may use holds something. */
  readonly dirty?: boolean;
  /** An exception so many instructions before the end. */
  readonly exceptionBeforeEnd?: number;
  /** What is wrong, beside what is wrong in any case; none if all is well. */
  readonly check?: (seen: Seen) => readonly string[];
}

export interface Seen {
  readonly run: StubRun;
  readonly bus: ConfigBus;
  readonly exit: Exit;
  readonly record: FlightRecord | null;
  /** Writes to configuration space, in order: `rid+offset/width=value`, all in hexadecimal. */
  readonly writes: readonly string[];
}

export interface PreparedCase {
  readonly name: string;
  /** That the sound stub takes. */
  readonly instructions: number;
  /** Whether the sound stub comes by one of these places here: else a mutant of them does as it does. */
  reaches(patches: readonly Patch[]): boolean;
  /** What the stub, or what a mutant of it does wrong here. */
  run(patches?: readonly Patch[]): readonly string[];
}

export const TAIL_BYTES = 8192;
/** Short waits, for the stub: about a hundred accesses. */
const BOUNDS = { pendingTimeoutMs: 100, stepTimeoutMs: 1000 };
const WALK_TIMEOUT_MS = 100_000;
const FIRST = 2;
const LIMIT = 10_000_000;
const MACHINE_CHECK = 18;
const TSC_KHZ = 1000;
export const SMALL_KERNEL = makeBzImage({ initSize: 0x2_8000 });
const decoder = new Decoder();

/** Wraps a kernel for the case and runs the sound stub, which says how long a run may be. */
export async function prepareCase(one: KillCase): Promise<PreparedCase> {
  const policy = boundedPolicy(one.policy ?? defaultPolicy());
  const makeBus = () => one.bus?.() ?? new Board(one.board);
  const knowsFacts = one.known !== null;
  const wanted =
    one.performed === false || one.record === null ? null : await performed(one.board, policy, knowsFacts);
  let options = await optionsOf(one, policy);
  const sound = wrapKernel(options);
  const { programOffset } = new StubRun(options, sound);
  const codeAt = ((sound[0x1f1] || 4) + 1) * 512;

  const problemsOf = (ran: Omit<Seen, 'writes'>): readonly string[] => {
    const { trace, reads } = ran.run.image.ports;
    const writes = trace
      .filter(({ write }) => write)
      .map(({ rid, offset, width, value }) => `${hex(rid, 1)}+${hex(offset, 1)}/${width}=${hex(value, 1)}`);
    const seen: Seen = { ...ran, writes };
    return [
      ...recordProblems(seen, one.record === undefined ? {} : one.record, options, one.ticksFrom ?? 0),
      ...(wanted ? performedProblems(wanted, seen, policy) : []),
      ...(one.reads === undefined ? [] : differs('reads', reads, one.reads)),
      ...(one.check?.(seen) ?? []),
    ];
  };
  const run = (patches: readonly Patch[], limit: number) => {
    const bus = makeBus();
    const stub = new StubRun(options, sound, (image) => {
      one.change?.(new DataView(image.buffer));
      for (const { in: where, at, bytes } of patches)
        image.set(bytes, codeAt + at + (where === 'guard' ? 0 : programOffset));
    });
    if (one.dirty) makeDirty(stub);
    const exit = stub.on(bus, limit);
    const [problem, record] = outcomeOf(stub, exit);
    if (problem !== null) return { stub, exit, problems: [problem] };
    try {
      return { stub, exit, problems: problemsOf({ run: stub, bus, exit, record }) };
    } catch (error) {
      return { stub, exit, problems: [messageOf(error)] };
    }
  };
  if (one.exceptionBeforeEnd !== undefined) {
    const before = run([], LIMIT).exit.instructions - one.exceptionBeforeEnd;
    options = { ...options, entry: { ...options.entry, injections: [{ before, vector: MACHINE_CHECK }] } };
  }
  const { stub, exit } = run([], LIMIT);
  const { machine, loadAddress } = stub.image;
  const reached = new Set(machine.executed().map((address) => address - loadAddress));
  // Half a loop more than it takes is too long.
  const limit = exit.instructions + (exit.instructions >> 2) + 500;
  return {
    name: one.name,
    instructions: exit.instructions,
    reaches: (patches) =>
      patches.some(({ in: where, place }) => reached.has(place + (where === 'guard' ? 0 : programOffset))),
    run: (patches = []) => run(patches, limit).problems,
  };
}

/** The first cases break most; then those that cost least. The name of the case that notices; `null` if none does. */
export function killer(cases: readonly PreparedCase[], patches: readonly Patch[]): string | null {
  const rest = cases.slice(FIRST).sort((a, b) => a.instructions - b.instructions);
  for (const one of [...cases.slice(0, FIRST), ...rest])
    if (one.reaches(patches) && one.run(patches).length > 0) return one.name;
  return null;
}

function boundedPolicy(given: Policy): Policy {
  return {
    ...given,
    bounds: BOUNDS,
    between: { ...given.between, walkTimeoutMs: Math.max(given.between.walkTimeoutMs, WALK_TIMEOUT_MS) },
  };
}

async function optionsOf(one: KillCase, policy: Policy): Promise<StubRunOptions> {
  const { entry, ...rest } = one.options ?? {};
  const { ticksFrom = 0 } = one;
  const machine = one.known === null ? undefined : await scan(new Board(one.known ?? one.board).host());
  return {
    ...{ policy, tscKhz: TSC_KHZ, tailBytes: TAIL_BYTES, kernel: SMALL_KERNEL, scanAll: false },
    ...(machine ? { machine: { ...machine, machineFacts: {} } } : {}),
    ...rest,
    entry: {
      ...(rest.noCommandLine ? {} : { commandLine: CRASH }),
      decoder,
      ...entry,
      ticks: ({ instructions, requests }) => ticksFrom + instructions + requests * 1000,
    },
  };
}

/** The list of functions and the tail: what the loader does not fill may hold anything. */
function makeDirty({ image, rooms }: StubRun): void {
  for (const { address, length } of rooms.slice(1, 3)) {
    for (let at = 0; at < Math.min(length, TAIL_BYTES); at += 4)
      image.machine.memory.write32(address + at, 0x5a5a_5a5a);
  }
}

/** What it must never do, or the record if it did nothing of that. */
function outcomeOf(stub: StubRun, exit: Exit): [problem: string | null, record: FlightRecord | null] {
  if (exit.kind !== 'arrived') return [`${exit.kind}: ${exit.why}`, null];
  const { rflags } = stub.image.machine.cpu;
  if ((rflags & (FLAG.DF | FLAG.IF)) !== 0) return ['the direction flag or interrupts are on', null];
  try {
    const [problem] = stub.problems(exit);
    return problem === undefined ? [null, stub.record] : [problem, null];
  } catch (error) {
    return [messageOf(error), null];
  }
}

/** Of a record that cannot be read. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
