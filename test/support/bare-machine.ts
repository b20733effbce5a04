import { statSync, writeFileSync } from 'node:fs';
import { systemClock } from '../../src/host/clock.js';
import { openQtest, type QtestHost } from '../../src/host/qtest.js';
import { QtestClient } from '../../src/host/qtest-client.js';
import { findBlock } from '../../src/image/block.js';
import { parseBzImage } from '../../src/image/bzimage.js';
import { type FlightRecord, parseFlight } from '../../src/image/flight.js';
import { BLOCK, BOOT_PARAMS, ENTRY_64, LOADER_KEXEC, RECORD, SETUP } from '../../src/image/layout.js';
import { STUB } from '../../src/image/stub.generated.js';
import { wrapImage } from '../../src/image/wrap.js';
import { FILES, machineArguments, type QemuMachine } from '../../src/lab/machine.js';
import { type QemuProcess, startQemu } from '../../src/lab/qemu.js';
import { readTrace } from '../../src/lab/qemu-trace.js';
import type { Qmp } from '../../src/lab/qmp.js';
import { BARE, bareProgram, GDT, KERNEL_ENTRY, MAILBOX, STATE } from './bare-code.js';
import { makeBzImage } from './bzimage.js';

const PROGRAM = bareProgram();
const KERNEL = makeBzImage({ entry: KERNEL_ENTRY });
const TIMEOUT_MS = 60_000;
const POLL_MS = 1;
const TSC_SETTLE_MS = 50;
const TSC_MS = 1000;
/** Not a value that the stub leaves by chance. */
const CF8 = 0x8000_fa50;
const RSI = 6;
const RSP = 4;
/** Carry, parity, adjust, zero, sign, direction, interrupt, overflow: nobody expects these of a stub. */
const FLAGS_THAT_CHANGE = 0xed5;
/** Reserved bit, direction, ID. */
const RFLAGS = 0x0020_0402;
export const TAIL_BYTES = 32 * 1024;
export const CRASH = 'root=/dev/ram0 elfcorehdr=0x1000 irqpoll';

export interface BareRun {
  readonly commandLine: string;
  /** Of `compileTable`. */
  readonly table: Uint8Array;
  /** Called while the stub is at work. */
  readonly meanwhile?: (stub: StubAtWork) => Promise<void>;
  readonly tailBytes?: number;
  /** Default yes; without, only writes. */
  readonly traced?: boolean;
}

export interface StubAtWork {
  readonly qmp: Qmp;
  /** A byte of its own memory; offsets are those of `state.ts`. */
  byte(offset: number): Promise<number>;
}

export interface BareResult {
  /** `null` if there is none. */
  readonly record: FlightRecord | null;
  /** What the kernel found different from what the loader left, a line each. */
  readonly disturbed: readonly string[];
  /** Of `pci_cfg_read` and `pci_cfg_write`, while the image ran. */
  readonly trace: string;
  /** What was run, for doing it again elsewhere. */
  readonly code: Uint8Array;
  readonly bootParams: Uint8Array;
}

/**
 * A machine of device models whose firmware is done and that no operating system runs: the CPU waits for an image to
 * enter, and stands still meanwhile.
 */
export class BareMachine {
  readonly qemu: QemuProcess;

  private constructor(qemu: QemuProcess) {
    this.qemu = qemu;
  }

  static async start(machine: QemuMachine): Promise<BareMachine> {
    const traced = { ...machine, traces: ['pci_cfg_write'] };
    const qemu = await startQemu({
      args: (path) => {
        writeFileSync(path('bare'), PROGRAM.bytes);
        return [...machineArguments(traced, path), '-kernel', path('bare'), '-no-reboot'];
      },
    });
    const bare = new BareMachine(qemu);
    try {
      const client = await QtestClient.connect(qemu.path(FILES.qtest));
      await bare.#until(client, STATE.ready);
      client.close();
      await qemu.qmp.execute('stop');
      return bare;
    } catch (error) {
      await qemu.stop();
      throw error;
    }
  }

  /** Runs `action` with a connection of its own, to which the functions are those that there are now. */
  async connected<T>(action: (host: QtestHost) => Promise<T>): Promise<T> {
    const host = await openQtest(this.qemu.path(FILES.qtest));
    try {
      return await action(host);
    } finally {
      await host.close();
    }
  }

  /** Wraps the made-up kernel, enters it as kexec does, and waits until the kernel's own code is reached. */
  async run(client: QtestClient, options: BareRun): Promise<BareResult> {
    const { commandLine, table, tailBytes = TAIL_BYTES } = options;
    const wrapped = wrapImage(KERNEL, { stub: STUB, table, tailBytes });
    const { codeAt } = parseBzImage(wrapped);
    const code = wrapped.subarray(codeAt);
    const block = findBlock(parseBzImage(wrapped));
    if (!block) throw new Error('not wrapped');
    const own = BARE.kernel + block.offset + BLOCK.headerBytes + STUB.room;
    const bootParams = bootParamsOf(wrapped);
    const initSize = new DataView(code.buffer, code.byteOffset + block.offset).getUint32(
      BLOCK.initSize,
      true,
    );
    await client.writeMemory(BARE.kernel, code);
    await client.writeMemory(BARE.kernel + initSize, new Uint8Array(tailBytes));
    await client.writeMemory(BARE.bootParams, bootParams);
    await client.writeMemory(BARE.commandLine, new TextEncoder().encode(`${commandLine}\0`));
    const before = mailboxOf();
    await client.writeMemory(BARE.mailbox, before);
    await client.out(0xcf8, 4, CF8);

    if (options.traced !== false) await this.#traceReads(true);
    const from = this.traceBytes();
    await this.qemu.qmp.execute('cont');
    await options.meanwhile?.({ qmp: this.qemu.qmp, byte: (offset) => client.peek(own + offset, 1) });
    await this.#until(client, STATE.done);
    await this.qemu.qmp.execute('stop');
    const trace = this.trace(from);
    await this.#traceReads(false);
    const room = own - BARE.kernel;
    const roomEnd = room + STUB.program.length - STUB.room;
    const changed = [
      ...changes(code, await client.readMemory(BARE.kernel, code.length), [[room, roomEnd]]).map(
        (at) => `image+${at.toString(16)}`,
      ),
      ...changes(bootParams, await client.readMemory(BARE.bootParams, BOOT_PARAMS.size), LEFT_IN_PARAMS).map(
        (at) => `boot_params+${at.toString(16)}`,
      ),
    ];
    return {
      record: await recordOf(client),
      disturbed: [
        ...disturbed(before, await client.readMemory(BARE.mailbox, MAILBOX.bytes)),
        ...changed.slice(0, 8),
      ],
      trace,
      code,
      bootParams,
    };
  }

  /** How long the trace is. */
  traceBytes(): number {
    return statSync(this.qemu.path(FILES.trace)).size;
  }

  /** What the trace has had since it had so many bytes. */
  trace(from = 0): string {
    return readTrace(this.qemu.path(FILES.trace)).slice(from);
  }

  /** Of the time-stamp counter that the stub sees, against this process's clock. */
  async tscKhz(client: QtestClient): Promise<number> {
    const look = async () => {
      const ticks = new DataView((await client.readMemory(BARE.mailbox + MAILBOX.tsc, 8)).buffer);
      return { ticks: ticks.getBigUint64(0, true), ms: systemClock.now() };
    };
    await this.qemu.qmp.execute('cont');
    await systemClock.sleep(TSC_SETTLE_MS);
    const from = await look();
    await systemClock.sleep(TSC_MS);
    const to = await look();
    await this.qemu.qmp.execute('stop');
    return Math.round(Number(to.ticks - from.ticks) / (to.ms - from.ms));
  }

  stop(): Promise<void> {
    return this.qemu.stop();
  }

  async #traceReads(enable: boolean): Promise<void> {
    await this.qemu.qmp.execute('trace-event-set-state', { name: 'pci_cfg_read', enable });
  }

  async #until(client: QtestClient, state: number): Promise<void> {
    const deadline = systemClock.now() + TIMEOUT_MS;
    while ((await this.#state(client)) !== state) {
      if (systemClock.now() >= deadline)
        throw new Error(`the image has not come back within ${TIMEOUT_MS} ms`);
      await systemClock.sleep(POLL_MS);
    }
  }

  async #state(client: QtestClient): Promise<number> {
    try {
      return await client.peek(BARE.mailbox + MAILBOX.state, 4);
    } catch (cause) {
      throw new Error('QEMU ended: the machine reset itself, most likely by a triple fault', { cause });
    }
  }
}

function bootParamsOf(wrapped: Uint8Array): Uint8Array {
  const bytes = wrapped.slice(0, BOOT_PARAMS.size);
  // As loaders do: only the setup header is the image's.
  bytes.fill(0, 0, SETUP.setupSects);
  bytes.fill(0, SETUP.initSize + 4);
  const view = new DataView(bytes.buffer);
  view.setUint8(SETUP.typeOfLoader, LOADER_KEXEC);
  view.setUint32(SETUP.cmdLinePtr, BARE.commandLine, true);
  return bytes;
}

function mailboxOf(): Uint8Array {
  const bytes = new Uint8Array(MAILBOX.bytes);
  const view = new DataView(bytes.buffer);
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  // Values that are no addresses, and different in every byte.
  for (let i = MAILBOX.registers; i < MAILBOX.after; i++) bytes[i] = (i * 37 + 0x83) & 0xff;
  u64(MAILBOX.registers + 8 * RSI, BARE.bootParams);
  // Nobody promises a stack: not mapped.
  u64(MAILBOX.registers + 8 * RSP, 0x5_5555_5558);
  u64(MAILBOX.rflags, RFLAGS);
  u64(MAILBOX.entry, BARE.kernel + ENTRY_64);
  u64(MAILBOX.back, PROGRAM.arrived);
  u64(MAILBOX.go, 1);
  return bytes;
}

function disturbed(before: Uint8Array, after: Uint8Array): string[] {
  const [was, is] = [before, after].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset));
  if (!was || !is) return [];
  const problems: string[] = [];
  const same = (what: string, found: bigint | number, wanted: bigint | number) => {
    if (BigInt(found) !== BigInt(wanted))
      problems.push(`${what}: ${found.toString(16)} for ${wanted.toString(16)}`);
  };
  for (let i = 0; i < 16; i++) {
    const wanted = was.getBigUint64(MAILBOX.registers + 8 * i, true);
    same(`register ${i}`, is.getBigUint64(MAILBOX.after + 8 * i, true), wanted);
  }
  const flags = is.getUint32(MAILBOX.rflagsAfter, true);
  same('flags', flags & ~FLAGS_THAT_CHANGE, RFLAGS & ~FLAGS_THAT_CHANGE);
  same('GDT limit', is.getUint16(MAILBOX.gdtr, true), GDT.limit);
  same('GDT base', is.getBigUint64(MAILBOX.gdtr + 2, true), GDT.address);
  same('IDT limit', is.getUint16(MAILBOX.idtr, true), 0);
  same('IDT base', is.getBigUint64(MAILBOX.idtr + 2, true), 0);
  same('CS', is.getUint32(MAILBOX.cs, true), 0x10);
  same('SS', is.getUint32(MAILBOX.ss, true), 0x18);
  same('port cf8', is.getUint32(MAILBOX.cf8, true), CF8);
  return problems;
}

type Range = readonly [from: number, end: number];
/** Where the stub may leave something in boot_params: the link to its record, the size without it, a summary. */
const LEFT_IN_PARAMS: readonly Range[] = [
  [SETUP.setupData, SETUP.setupData + 8],
  [SETUP.initSize, SETUP.initSize + 4],
  [BOOT_PARAMS.pad9, BOOT_PARAMS.size],
];

/** Offsets of bytes that are not as they were and lie in none of these ranges. */
function changes(was: Uint8Array, is: Uint8Array, but: readonly Range[]): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < was.length; at++)
    if (was[at] !== is[at] && !but.some(([from, end]) => at >= from && at < end)) offsets.push(at);
  return offsets;
}

async function recordOf(client: QtestClient): Promise<FlightRecord | null> {
  const params = await client.readMemory(BARE.bootParams, BOOT_PARAMS.size);
  const node = new DataView(params.buffer).getUint32(SETUP.setupData, true);
  if (node !== 0) {
    const header = new DataView((await client.readMemory(node, 16)).buffer);
    if (header.getUint32(8, true) !== RECORD.setupDataType) throw new Error('another type of setup_data');
    return parseFlight(await client.readMemory(node + 16, header.getUint32(12, true)));
  }
  const summary = params.subarray(BOOT_PARAMS.pad9);
  return summary.every((byte) => byte === 0) ? null : parseFlight(summary);
}
