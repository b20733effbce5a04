import type { Clock } from '../host/clock.js';
import { type FlightRecord, parseFlight } from '../image/flight.js';
import { ShootdownError } from '../pci/error.js';
import { Closing } from './closing.js';
import { CONSOLE_CMDLINE, type Guest } from './guest.js';
import { applyInGuest, type GuestApply } from './guest-apply.js';
import { readFlight, type TracedWrite, traceAgrees, tracedWrites } from './guest-flight.js';
import { functionChanges, type GuestFunction, readFunctions } from './guest-pci.js';
import {
  buildInitramfs,
  type GuestParts,
  type GuestShootdown,
  modulePath,
  NEXT_INITRAMFS,
  NEXT_KERNEL,
} from './initramfs.js';
import { comeUp, consoleFindings, outcomeOf } from './judge.js';
import { type Master, openMaster } from './master.js';
import { nicAnswers } from './nic-answers.js';
import { type FrameSource, openFrameSource } from './qemu-net.js';
import { bootRecorded, readRecord } from './recorded-guest.js';
import { type RunFolder, VERDICT_FILE } from './run-folder.js';
import { type KexecLoad, type LabPolicy, NETDEV, placeOf, type Scenario, type WrapFor } from './scenario.js';
import { whyUnsupported } from './supported.js';
import type { GuestFlight, LabVerdict } from './verdict.js';
import { wrappedKernel } from './wrapped.js';

export interface RunOptions {
  readonly policy: LabPolicy;
  readonly parts: GuestParts;
  readonly clock: Clock;
  /** Bytes that no other run has: they mark what is sent. */
  readonly seed: Uint8Array;
  readonly folder: RunFolder;
  /** What becomes the command `shootdown` in the guest, where the policy wants it. */
  readonly shootdown: GuestShootdown;
  /** Default `tcg`. */
  readonly accel?: 'tcg' | 'kvm';
  /** Default `file`. */
  readonly load?: KexecLoad;
  /** Of a wrapped kernel. Default `any`. */
  readonly wrapFor?: WrapFor;
  readonly signal?: AbortSignal;
  /** Says what is being done. */
  readonly step?: (what: string) => void;
}

const MEMORY_MIB = 512;
/** Node and its initramfs want more. */
const MEMORY_WITH_NODE_MIB = 1024;
const CRASH_KERNEL = 'crashkernel=192M';
const FIRST_LINE_TIMEOUT_MS = 90_000;
const NEXT_TIMEOUT_MS = 90_000;
/** A scenario's own scripts wait for things to happen, in steps that are slow under TCG on a busy machine. */
const SCRIPT_TIMEOUT_MS = 120_000;
/** What the next kernel is told to say of itself. */
const NEXT_BOOT = 1;
const WRAPPED_KERNEL = '/run/vmlinuz.quiet';
const VMCORE_IS_ELF = '[ "$(dd if=/proc/vmcore bs=1 skip=1 count=3 2>/dev/null)" = ELF ]';
const NOT_ASKED: LabVerdict['uses'] = { network: null, vmcore: null };

/**
 * Runs one scenario from a cold start to its verdict. Rejects if the guest does not come as far as the jump, or if
 * something from outside ends it; what was seen until then and why it ended is in the folder.
 */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<LabVerdict> {
  const { clock, signal } = options;
  const run = new ScenarioRun(scenario, options, clock.now());
  const stop = () => void run.close().catch(() => {});
  signal?.addEventListener('abort', stop);
  try {
    return await run.perform();
  } catch (cause) {
    const error = signal?.aborted
      ? new ShootdownError('refused', 'stopped', { cause })
      : run.withLastWords(cause);
    options.folder.fail(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    await run.close();
  }
}

class ScenarioRun {
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #started: number;
  readonly #closing = new Closing();
  #guest: Guest | undefined;
  #source: FrameSource | undefined;

  constructor(scenario: Scenario, options: RunOptions, started: number) {
    this.#scenario = scenario;
    this.#options = options;
    this.#started = started;
  }

  async perform(): Promise<LabVerdict> {
    const scenario = this.#scenario;
    const { policy, parts, folder, clock, shootdown, load = 'file', wrapFor = 'any' } = this.#options;
    const unsupported = await whyUnsupported(scenario, parts.kernel);
    if (unsupported !== null) throw new ShootdownError('unsupported', unsupported);
    this.#step('preparing');
    const place = placeOf(policy, scenario.jump);
    const initramfs = await buildInitramfs(parts, {
      ...(this.#withNode ? { shootdown } : {}),
      ...(place === 'between' && wrapFor === 'any'
        ? { next: await wrappedKernel(parts.store, parts.kernel) }
        : {}),
    });
    this.#step('booting');
    const { guest, master } = await this.#boot(initramfs.path);
    const bootS = this.#seconds();
    await this.#insmod(guest, scenario.modules);
    if (scenario.setup !== undefined) await guest.must(scenario.setup, SCRIPT_TIMEOUT_MS);
    await master.start(guest);
    if (scenario.alive !== undefined) await guest.must(scenario.alive, SCRIPT_TIMEOUT_MS);
    // A ring that nobody refills must still have room when it counts.
    if (scenario.alive !== undefined) await master.pause();
    const before = await readFunctions(guest);
    const applied = place === 'before' ? await this.#apply(guest) : undefined;
    await this.#load(
      guest,
      place === 'between' && wrapFor === 'this' ? await this.#wrapHere(guest) : NEXT_KERNEL,
    );

    this.#step('jumping');
    const from = guest.console.text.length;
    const asked = clock.now();
    await master.jump();
    guest.send(scenario.jump === 'crash' ? 'echo c >/proc/sysrq-trigger' : 'kexec -e');
    const first = await guest.console.find(/Linux version/, { from, ms: FIRST_LINE_TIMEOUT_MS, clock });
    const toFirstLineS = first ? seconds(clock.now() - asked) : null;
    if (first) await master.after();
    const seen = first ? await guest.ready(NEXT_TIMEOUT_MS) : undefined;
    const { ready, instead } = comeUp(seen, NEXT_BOOT);
    const ended = instead ?? (!ready && guest.console.closed ? await guest.ownEnd() : null);
    const toReadyS = ready && toFirstLineS !== null ? round(toFirstLineS + ready.uptimeS) : null;
    let after: readonly GuestFunction[] = [];
    let flight: FlightRecord | null = null;
    if (ready) {
      after = await readFunctions(guest);
      if (place === 'between') flight = await this.#flight(guest);
      await master.ready();
      await this.#insmod(guest, scenario.nextModules ?? []);
      if (scenario.after !== undefined) await guest.must(scenario.after, SCRIPT_TIMEOUT_MS);
    }
    this.#step('judging');
    const counted = await master.judge();
    const uses = ready ? await this.#uses(guest) : NOT_ASKED;
    const flown = flight && guestFlight(flight, tracedWrites(readRecord(folder)));
    const stray = { ...counted, aliveBefore: counted.aliveBefore || scenario.alive !== undefined };
    const findings = consoleFindings(guest.console.text.slice(first?.index ?? from));
    const verdict: LabVerdict = {
      schema: 'shootdown.lab-run/1',
      scenario: scenario.name,
      title: scenario.title,
      jump: scenario.jump,
      policy,
      load,
      kernel: { series: parts.kernel.series, release: parts.kernel.release, version: parts.kernel.version },
      outcome: outcomeOf({
        up: ready !== undefined,
        stray: stray.landed + stray.later.landed,
        findings,
        restored: applied?.restored,
        recorded: place === 'between' ? isBorneOut(flown) : undefined,
        usable: uses.network !== false && uses.vmcore !== false,
        aliveBefore: stray.of === null || stray.aliveBefore,
      }),
      stray,
      next: { up: ready !== undefined, release: ready?.release ?? null, ended, toFirstLineS, toReadyS },
      uses,
      console: findings,
      functions: functionChanges(before, after),
      apply: applied ?? null,
      flight: flown,
      seconds: { boot: bootS, total: this.#seconds() },
      folder: folder.path,
    };
    folder.write(VERDICT_FILE, `${JSON.stringify(verdict, null, 2)}\n`);
    return verdict;
  }

  async close(): Promise<void> {
    await this.#closing.close();
  }

  /** An error with what the guest said last, where QEMU has ended under somebody who does not know the guest. */
  withLastWords(error: unknown): unknown {
    if (!this.#guest?.console.closed || !(error instanceof ShootdownError)) return error;
    return error.message.startsWith('QEMU has ended') ? error : this.#guest.failure('io', error.message);
  }

  async #insmod(guest: Guest, modules: readonly string[]): Promise<void> {
    for (const { name } of await this.#options.parts.kernel.modules(modules)) {
      await guest.must(`insmod ${modulePath(name)}`);
    }
  }

  async #boot(initramfs: string): Promise<{ guest: Guest; master: Master }> {
    const { devices, qemu = [], jump, cmdline, oracle } = this.#scenario;
    const { parts, policy, folder, clock, seed, accel = 'tcg' } = this.#options;
    const memoryMiB = this.#withNode ? MEMORY_WITH_NODE_MIB : MEMORY_MIB;
    const source = await openFrameSource(NETDEV);
    this.#closing.add(() => source.close());
    this.#source = source;
    const words = [
      CONSOLE_CMDLINE,
      'shootdown.boot=0',
      jump === 'crash' ? CRASH_KERNEL : '',
      cmdline?.first ?? '',
    ];
    const guest = await bootRecorded({
      folder,
      again: `shootdown lab run ${this.#scenario.name} --kernel ${parts.kernel.series} --policy ${policy}`,
      machine: { chipset: 'q35', memoryMiB, accel, devices, netdevs: [source.options] },
      qemu: ['-name', `shootdown-${this.#scenario.name}`, ...qemu],
      kernel: parts.kernel.image,
      initramfs,
      cmdline: words.filter((word) => word !== '').join(' '),
      clock,
      signal: this.#options.signal,
    });
    this.#guest = guest;
    this.#closing.add(() => guest.stop());
    const master = openMaster(oracle, { source, seed, clock, memoryMiB });
    this.#closing.add(() => master.close());
    return { guest, master };
  }

  /** The guest has Node and the bundle in its initramfs. */
  get #withNode(): boolean {
    const place = placeOf(this.#options.policy, this.#scenario.jump);
    return place === 'before' || (place === 'between' && this.#options.wrapFor === 'this');
  }

  /** As its administrator would do it. */
  async #wrapHere(guest: Guest): Promise<string> {
    this.#step('wrapping');
    const said = await guest.must(
      `shootdown wrap ${NEXT_KERNEL} -o ${WRAPPED_KERNEL} --for this`,
      SCRIPT_TIMEOUT_MS,
    );
    this.#options.folder.write('wrap.txt', said);
    return WRAPPED_KERNEL;
  }

  async #load(guest: Guest, kernel: string): Promise<void> {
    const { jump, cmdline } = this.#scenario;
    const words = [CONSOLE_CMDLINE, `shootdown.boot=${NEXT_BOOT}`, cmdline?.next ?? ''].join(' ').trim();
    const call = this.#options.load === 'load' ? '-c' : '-s';
    const how = jump === 'crash' ? '-p' : '-l';
    await guest.must(`kexec ${call} ${how} ${kernel} --initrd=${NEXT_INITRAMFS} --command-line='${words}'`);
    const file = jump === 'crash' ? 'kexec_crash_loaded' : 'kexec_loaded';
    const loaded = await guest.must(`cat /sys/kernel/${file}`);
    if (loaded.trim() !== '1')
      throw guest.failure('io', `the guest's kernel says that nothing is loaded (${file})`);
  }

  async #apply(guest: Guest): Promise<GuestApply> {
    this.#step('applying');
    const applied = await applyInGuest(guest, { restores: this.#scenario.restores ?? false });
    const { folder } = this.#options;
    folder.write('journal.ndjson', applied.journal);
    return applied.summary;
  }

  async #flight(guest: Guest): Promise<FlightRecord | null> {
    const bytes = await readFlight(guest);
    if (!bytes) return null;
    this.#options.folder.write('flight.bin', bytes);
    return parseFlight(bytes);
  }

  /** The next kernel must find everything usable, behind the stub as without it. */
  async #uses(guest: Guest): Promise<LabVerdict['uses']> {
    const { oracle, jump, modules, comesBack = true } = this.#scenario;
    let network: boolean | null = null;
    if (oracle.kind === 'frames' && comesBack && modules.length > 0 && this.#source) {
      await this.#insmod(guest, modules);
      network = await nicAnswers(guest, this.#source, this.#options.clock);
    }
    const vmcore = jump === 'crash' ? (await guest.run(VMCORE_IS_ELF)).status === 0 : null;
    return { network, vmcore };
  }

  #step(what: string): void {
    this.#options.step?.(what);
  }

  #seconds(): number {
    return seconds(this.#options.clock.now() - this.#started);
  }
}

/** The walk came to its end, nothing failed, and the trace shows what the record says. */
function isBorneOut(flight: GuestFlight | null): boolean {
  return flight !== null && flight.end === 'complete' && flight.failed === 0 && flight.traceAgrees;
}

function guestFlight(record: FlightRecord, trace: readonly TracedWrite[]): GuestFlight {
  const { counts, time, end, summary } = record;
  return {
    end,
    summary,
    functions: counts.functions,
    gated: counts.gated,
    failed: counts.failed,
    accesses: counts.reads + counts.writes,
    milliseconds: time.tscKhz === 0 ? null : round(Number(time.ticks) / time.tscKhz),
    traceAgrees: traceAgrees(trace, record),
  };
}

function seconds(ms: number): number {
  return round(ms / 1000);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
