import { parseFlight } from '../image/flight.js';
import { BOOT_PARAMS } from '../image/layout.js';
import { ShootdownError } from '../pci/error.js';
import { Closing } from './closing.js';
import { EduMaster } from './edu-master.js';
import { CONSOLE_CMDLINE, type Guest } from './guest.js';
import { applyInGuest } from './guest-apply.js';
import { readFlight } from './guest-flight.js';
import { buildInitramfs, buildToolsDisk, modulePath, NEXT_KERNEL, TOOLS_DISK_MODULES } from './initramfs.js';
import { type ConsoleFinding, consoleFindings } from './judge.js';
import { openFrameSource } from './qemu-net.js';
import { bootRecorded } from './recorded-guest.js';
import type { RunOptions } from './run.js';
import { VERDICT_FILE } from './run-folder.js';
import { type KexecLoad, type LabPolicy, NETDEV } from './scenario.js';
import { scenarioNamed } from './scenarios.js';
import { wrappedKernel } from './wrapped.js';

/** One jump of a chain. */
export interface ChainJump {
  readonly number: number;
  /** What the driverless device was told to write after this jump landed in memory. */
  readonly stray: boolean;
  /** From the jump's start to the next kernel's first line and to its first process, in seconds. */
  readonly toFirstLineS: number;
  readonly toReadyS: number;
  /** Of the whole command `apply` in the guest; `null` without it. */
  readonly applyS: number | null;
  /** Of the kernel that came up: entries of the memory map that it was handed, and MemTotal in KiB. */
  readonly e820Entries: number;
  readonly memoryKiB: number;
  /** Functions that the stub gated; `null` without it. */
  readonly gated: number | null;
  readonly console: readonly ConsoleFinding[];
}

/** What `shootdown lab chain --json` prints, and what lies in the chain's folder as verdict.json. */
export interface ChainVerdict {
  readonly schema: typeof SCHEMA;
  readonly kernel: string;
  readonly policy: LabPolicy;
  readonly load: KexecLoad;
  readonly wanted: number;
  readonly jumps: readonly ChainJump[];
  /** Why it ended early; `null` if it did not. */
  readonly stopped: string | null;
  readonly folder: string;
}

export interface ChainOptions extends RunOptions {
  readonly jumps: number;
  readonly onJump?: (jump: ChainJump) => void;
}

const SCHEMA = 'shootdown.lab-chain/1';
const JUMPS_FILE = 'jumps.ndjson';
const MEMORY_MIB = 1024;
const JUMP_TIMEOUT_MS = 120_000;
const SCENARIO = 'normal-edu';
/** The next kernel's initramfs is this one, made anew: each kernel of the chain can jump on. */
const PACK = `cd / && { printf '%s\\n' bin dev next opt; find init bin/busybox bin/sh bin/kexec dev/console opt/kexec modules ${NEXT_KERNEL.slice(1)}; } \\
  | cpio -o -H newc >/tmp/next 2>/dev/null`;

/**
 * Jumps again and again in one guest, on purpose, with a driverless master that is looked at after each jump. Each jump
 * is in the folder (jumps.ndjson) as soon as it is known. What ends the chain early, the user too, is in its verdict.
 */
export async function runChain(options: ChainOptions): Promise<ChainVerdict> {
  const { policy, load = 'load', parts, folder, signal, jumps: wanted } = options;
  const closing = new Closing();
  const abort = () => void closing.close().catch(() => {});
  signal?.addEventListener('abort', abort);
  const jumps: ChainJump[] = [];
  const end = (stopped: string | null): ChainVerdict => {
    const kernel = parts.kernel.release;
    const head = { schema: SCHEMA, kernel, policy, load } as const;
    const verdict = { ...head, wanted, jumps, stopped, folder: folder.path };
    folder.write(VERDICT_FILE, `${JSON.stringify(verdict, null, 2)}\n`);
    return verdict;
  };
  try {
    const guest = await bootChain(options, closing);
    for (let number = 1; number <= wanted; number++) {
      const jump = await jumpOnce(guest, number, options);
      jumps.push(jump);
      folder.add(JUMPS_FILE, `${JSON.stringify(jump)}\n`);
      options.onJump?.(jump);
    }
    return end(null);
  } catch (error) {
    const verdict = end(signal?.aborted ? 'interrupted' : messageOf(error));
    if (signal?.aborted || error instanceof ShootdownError) return verdict;
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    await closing.close();
  }
}

async function bootChain(options: ChainOptions, closing: Closing): Promise<Guest> {
  const { parts, folder, policy, clock, accel = 'tcg', shootdown } = options;
  const { devices, cmdline } = scenarioNamed(SCENARIO);
  const disk = await buildToolsDisk(parts.store, shootdown);
  const next = policy === 'between' ? await wrappedKernel(parts.store, parts.kernel) : undefined;
  const initramfs = await buildInitramfs(parts, next === undefined ? {} : { next });
  const source = await openFrameSource(NETDEV);
  closing.add(() => source.close());
  const guest = await bootRecorded({
    folder,
    needs: [disk],
    again: `shootdown lab chain --kernel ${parts.kernel.series} --policy ${policy}`,
    machine: { chipset: 'q35', memoryMiB: MEMORY_MIB, accel, devices },
    qemu: [
      ...['-drive', `if=none,id=tools,format=raw,readonly=on,file=${disk.replaceAll(',', ',,')}`],
      ...['-device', 'virtio-blk-pci,drive=tools,addr=9'],
    ],
    kernel: parts.kernel.image,
    initramfs: initramfs.path,
    cmdline: `${CONSOLE_CMDLINE} shootdown.boot=0 ${cmdline?.first ?? ''}`,
    clock,
    signal: options.signal,
  });
  closing.add(() => guest.stop());
  return guest;
}

async function jumpOnce(guest: Guest, number: number, options: ChainOptions): Promise<ChainJump> {
  const { clock } = options;
  const { setup = ':', cmdline } = scenarioNamed(SCENARIO);
  await guest.must(setup);
  const master = new EduMaster({ seed: options.seed, clock });
  await master.start(guest);
  const applyS = options.policy === 'ours' ? await applyHere(guest, options) : null;
  await guest.must(PACK);
  const words = `${CONSOLE_CMDLINE} shootdown.boot=${number} ${cmdline?.next ?? ''}`;
  // By default not -s: on 6.1 every one of these leaks two of the 128 entries of the memory map into the next kernel.
  const call = options.load === 'file' ? '-s' : '-c';
  await guest.must(`kexec ${call} -l ${NEXT_KERNEL} --initrd=/tmp/next --command-line='${words}'`);
  const from = guest.console.text.length;
  const asked = clock.now();
  guest.send('kexec -e');
  const first = await guest.console.find(/Linux version/, { from, ms: JUMP_TIMEOUT_MS, clock });
  if (!first) throw guest.failure('timeout', `jump ${number}: the next kernel said nothing`);
  const toFirstLineS = (clock.now() - asked) / 1000;
  const ready = await guest.ready(JUMP_TIMEOUT_MS);
  if (ready?.boot !== number)
    throw guest.failure('timeout', `jump ${number}: the next kernel did not come up`);
  const toReadyS = (clock.now() - asked) / 1000;
  const { e820Entries, memoryKiB } = await readMemory(guest);
  const flight = options.policy === 'between' ? await readFlight(guest) : null;
  if (options.policy === 'between' && !flight)
    throw guest.failure('io', `jump ${number}: the stub left no flight record`);
  await master.find(guest);
  const stray = await master.writes();
  return {
    number,
    stray,
    toFirstLineS: round(toFirstLineS),
    toReadyS: round(toReadyS),
    applyS,
    e820Entries,
    memoryKiB,
    gated: flight && parseFlight(flight).counts.gated,
    console: consoleFindings(guest.console.text.slice(first.index)),
  };
}

async function readMemory(guest: Guest): Promise<Pick<ChainJump, 'e820Entries' | 'memoryKiB'>> {
  const script = `od -An -tu1 -j ${BOOT_PARAMS.e820Entries} -N 1 /sys/kernel/boot_params/data
awk '/^MemTotal/ { print $2 }' /proc/meminfo`;
  const [e820Entries = 0, memoryKiB = 0] = (await guest.must(script)).trim().split(/\s+/).map(Number);
  return { e820Entries, memoryKiB };
}

/** Takes Node from the disk first: no kernel of the chain has it from the one before. */
async function applyHere(guest: Guest, { parts }: ChainOptions): Promise<number> {
  for (const { name } of await parts.kernel.modules(TOOLS_DISK_MODULES)) {
    await guest.must(`insmod ${modulePath(name)}`);
  }
  await guest.must('cd / && cpio -i -d </dev/vda 2>/dev/null');
  const { summary } = await applyInGuest(guest, { restores: false });
  return summary.seconds;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
