import { rm } from 'node:fs/promises';
import type { Clock } from '../host/clock.js';
import { ShootdownError } from '../pci/error.js';
import { CONSOLE_CMDLINE, Guest } from './guest.js';
import { applyInGuest, type GuestApply } from './guest-apply.js';
import { functionChanges, type GuestFunction, readFunctions } from './guest-pci.js';
import {
  buildInitramfs,
  type GuestParts,
  type GuestShootdown,
  modulePath,
  NEXT_INITRAMFS,
  NEXT_KERNEL,
} from './initramfs.js';
import { consoleFindings, outcomeOf } from './judge.js';
import { type Master, openMaster } from './master.js';
import { openFrameSource } from './qemu-net.js';
import type { RunFolder } from './run-folder.js';
import { type LabPolicy, NETDEV, type Scenario } from './scenario.js';
import type { LabVerdict } from './verdict.js';

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

/** Runs one scenario from a cold start to its verdict. Rejects if the guest does not come as far as the jump. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<LabVerdict> {
  const { clock, signal } = options;
  const run = new ScenarioRun(scenario, options, clock.now());
  const stop = () => void run.close().catch(() => {});
  signal?.addEventListener('abort', stop);
  try {
    return await run.perform();
  } catch (error) {
    if (signal?.aborted) throw new ShootdownError('refused', 'stopped', { cause: error });
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    await run.close();
  }
}

/** Closes all of them, whatever one of them says, and then says the first of it. */
export async function closeAll(closers: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closers) await close().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}

class ScenarioRun {
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #started: number;
  readonly #closing: (() => Promise<void>)[] = [];

  constructor(scenario: Scenario, options: RunOptions, started: number) {
    this.#scenario = scenario;
    this.#options = options;
    this.#started = started;
  }

  async perform(): Promise<LabVerdict> {
    const scenario = this.#scenario;
    const { policy, parts, folder, clock } = this.#options;
    if (scenario.jump === 'crash' && policy === 'ours') {
      throw new ShootdownError('unsupported', 'on the crash path nothing of ours exists yet: --policy none');
    }
    this.#step('preparing');
    const initramfs = await this.#initramfs();
    this.#step('booting');
    const { guest, master } = await this.#boot(initramfs);
    folder.write('command.sh', repeatCommand(guest.qemu.command, guest.qemu.folder));
    const bootS = this.#seconds();
    await this.#insmod(guest, scenario.modules);
    if (scenario.setup !== undefined) await guest.must(scenario.setup);
    await master.start(guest);
    if (scenario.alive !== undefined) await guest.must(scenario.alive);
    // A ring that nobody refills must still have room when it counts.
    if (scenario.alive !== undefined) await master.pause();
    const before = await readFunctions(guest);
    const applied = policy === 'ours' ? await this.#apply(guest) : undefined;
    await this.#load(guest);

    this.#step('jumping');
    const from = guest.console.text.length;
    const asked = clock.now();
    await master.jump();
    guest.send(scenario.jump === 'crash' ? 'echo c >/proc/sysrq-trigger' : 'kexec -e');
    const first = await guest.console.find(/Linux version/, { from, ms: FIRST_LINE_TIMEOUT_MS, clock });
    const toFirstLineS = first ? seconds(clock.now() - asked) : null;
    if (first) await master.after();
    const ready = first ? await guest.ready(NEXT_TIMEOUT_MS) : undefined;
    const toReadyS = ready && toFirstLineS !== null ? round(toFirstLineS + ready.uptimeS) : null;
    if (!ready && guest.console.closed) await this.#endedByItself(guest);
    let after: readonly GuestFunction[] = [];
    if (ready) {
      after = await readFunctions(guest);
      await master.ready();
      await this.#insmod(guest, scenario.nextModules ?? []);
      if (scenario.after !== undefined) await guest.must(scenario.after);
    }
    this.#step('judging');
    const seen = await master.judge();
    const stray = { ...seen, aliveBefore: seen.aliveBefore || scenario.alive !== undefined };
    const findings = consoleFindings(guest.console.text.slice(first?.index ?? from));
    const verdict: LabVerdict = {
      schema: 'shootdown.lab-run/1',
      scenario: scenario.name,
      title: scenario.title,
      jump: scenario.jump,
      policy,
      kernel: { series: parts.kernel.series, release: parts.kernel.release, version: parts.kernel.version },
      outcome: outcomeOf({
        up: ready !== undefined,
        stray: stray.landed + stray.later.landed,
        findings,
        restored: applied?.restored,
        aliveBefore: stray.of === null || stray.aliveBefore,
      }),
      stray,
      next: { up: ready !== undefined, release: ready?.release ?? null, toFirstLineS, toReadyS },
      console: findings,
      functions: functionChanges(before, after),
      apply: applied ?? null,
      seconds: { boot: bootS, total: this.#seconds() },
      folder: folder.path,
    };
    folder.write('verdict.json', `${JSON.stringify(verdict, null, 2)}\n`);
    return verdict;
  }

  async close(): Promise<void> {
    await closeAll(this.#closing.splice(0).reverse());
  }

  /** A next kernel that panics ends QEMU, too, and that is a verdict; a QEMU that was killed or has crashed is none. */
  async #endedByItself(guest: Guest): Promise<void> {
    const { status } = await guest.qemu.ended;
    if (status !== 0) throw guest.failure('io', `QEMU ended with status ${status} during the jump`);
  }

  async #insmod(guest: Guest, modules: readonly string[]): Promise<void> {
    for (const { name } of await this.#options.parts.kernel.modules(modules)) {
      await guest.must(`insmod ${modulePath(name)}`);
    }
  }

  async #initramfs(): Promise<string> {
    const { parts, policy, shootdown } = this.#options;
    const { path, temporary } = await buildInitramfs(parts, policy === 'ours' ? shootdown : undefined);
    if (temporary) this.#closing.push(() => rm(path, { force: true }));
    return path;
  }

  async #boot(initramfs: string): Promise<{ guest: Guest; master: Master }> {
    const { devices, qemu = [], jump, cmdline, oracle } = this.#scenario;
    const { parts, policy, folder, clock, seed, accel = 'tcg' } = this.#options;
    const memoryMiB = policy === 'ours' ? MEMORY_WITH_NODE_MIB : MEMORY_MIB;
    const source = await openFrameSource(NETDEV);
    this.#closing.push(() => source.close());
    const words = [
      CONSOLE_CMDLINE,
      'shootdown.boot=0',
      jump === 'crash' ? CRASH_KERNEL : '',
      cmdline?.first ?? '',
    ];
    const guest = await Guest.boot({
      machine: {
        chipset: 'q35',
        memoryMiB,
        accel,
        devices,
        netdevs: [source.options],
        traces: ['pci_cfg_write'],
      },
      qemu: ['-name', `shootdown-${this.#scenario.name}`, ...qemu],
      kernel: parts.kernel.image,
      initramfs,
      cmdline: words.filter((word) => word !== '').join(' '),
      onConsole: (text) => folder.append('guest_console.txt', text),
      clock,
      signal: this.#options.signal,
    });
    this.#closing.push(async () => {
      try {
        folder.keep(guest.qemu.path('trace'), 'pci_cfg_write.trace');
      } finally {
        await guest.stop();
      }
    });
    const master = openMaster(oracle, { source, seed, clock, memoryMiB });
    this.#closing.push(() => master.close());
    return { guest, master };
  }

  async #load(guest: Guest): Promise<void> {
    const { jump, cmdline } = this.#scenario;
    const words = [CONSOLE_CMDLINE, 'shootdown.boot=1', cmdline?.next ?? ''].join(' ').trim();
    const how = jump === 'crash' ? '-p' : '-l';
    await guest.must(`kexec -s ${how} ${NEXT_KERNEL} --initrd=${NEXT_INITRAMFS} --command-line='${words}'`);
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

  #step(what: string): void {
    this.#options.step?.(what);
  }

  #seconds(): number {
    return seconds(this.#options.clock.now() - this.#started);
  }
}

function seconds(ms: number): number {
  return round(ms / 1000);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A shell script that starts the same QEMU again, with a private folder of its own. */
function repeatCommand(command: readonly string[], folder: string): string {
  const quoted = command.map((word) =>
    `'${word.replaceAll("'", "'\\''")}'`.replaceAll(folder, `'"$folder"'`),
  );
  const how =
    '# Sockets: console, line (guest-init.ts says how it is spoken to), qmp. Say cont on qmp to let it run.';
  return `#!/bin/sh\n${how}\nfolder=$(mktemp -d)\necho "$folder"\nexec ${quoted.join(' ')}\n`;
}
