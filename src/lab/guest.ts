import { createConnection, type Socket } from 'node:net';
import type { Clock } from '../host/clock.js';
import { QtestClient } from '../host/qtest-client.js';
import { ShootdownError } from '../pci/error.js';
import { GuestError } from './guest-error.js';
import { FILES, machineArguments, type QemuMachine } from './machine.js';
import { type QemuProcess, startQemu } from './qemu.js';
import { type QemuEndReason, watchEnd } from './qemu-end.js';
import { lastWords } from './qemu-words.js';
import { type Answer, CommandLine, type Ready, SerialLog } from './serial.js';

export interface GuestOptions {
  readonly machine: QemuMachine;
  /** Arguments for QEMU before the machine's: an IOMMU must be there before the functions behind it. */
  readonly qemu: readonly string[];
  /** Paths of the kernel and the initramfs that QEMU boots; `null` where firmware finds a kernel by itself. */
  readonly boot: { readonly kernel: string; readonly initramfs: string; readonly cmdline: string } | null;
  /** Takes what the console says as it comes. */
  readonly onConsole: (text: string) => void;
  /** QEMU answers; the guest has not begun. */
  readonly onStart?: (qemu: QemuProcess) => void;
  /** Where what the machine's `traces` ask for is written. Default: QEMU's private folder. */
  readonly trace?: string;
  readonly clock: Clock;
  /** Until its init takes commands. Default 120000. */
  readonly bootTimeoutMs?: number | undefined;
  /** Ends QEMU, whatever it is waited for. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What every kernel of the lab is started with: the first words on the serial line, and an end to a panic. Under TCG
 * on a busy machine the kernel's check of its timer can fail for want of host time.
 */
export const CONSOLE_CMDLINE =
  'console=ttyS0,115200 earlyprintk=serial,ttyS0,115200 panic=-1 mitigations=off no_timer_check';

const BOOT_TIMEOUT_MS = 120_000;
const COMMAND_TIMEOUT_MS = 60_000;
const LAST_WORDS_MS = 2000;
/** From the end of its console to that of QEMU. */
const END_TIMEOUT_MS = 5000;
const TAIL_LINES = 6;

/** A Linux that runs in QEMU, with its console, its command line, and the views that do not ask it. */
export class Guest {
  readonly qemu: QemuProcess;
  readonly console: SerialLog;
  readonly qtest: QtestClient;
  readonly #line: CommandLine;
  readonly #end: () => Promise<QemuEndReason>;
  readonly #clock: Clock;
  #cutOff = false;

  private constructor(
    qemu: QemuProcess,
    console: SerialLog,
    line: CommandLine,
    qtest: QtestClient,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.#end = watchEnd(qemu, clock);
    this.qemu = qemu;
    this.console = console;
    this.#line = line;
    this.qtest = qtest;
  }

  /** Boots a guest until its init takes commands. Rejects with what the console said last if it does not. */
  static async boot(options: GuestOptions): Promise<Guest> {
    const { clock, signal, machine, bootTimeoutMs = BOOT_TIMEOUT_MS } = options;
    const adviseOn = (error: unknown) => (machine.accel === 'kvm' ? withoutKvm(error) : error);
    const starting = startQemu({ clock, args: (path) => guestArguments(options, path) });
    const qemu = await starting.catch((error: unknown) => {
      throw adviseOn(error);
    });
    const abort = () => void qemu.stop();
    signal?.addEventListener('abort', abort);
    void qemu.ended.finally(() => signal?.removeEventListener('abort', abort)).catch(() => {});
    try {
      if (signal?.aborted) throw new ShootdownError('refused', 'stopped');
      options.onStart?.(qemu);
      const console = new SerialLog(await connect(qemu.path('console')), options.onConsole);
      const line = new CommandLine(await connect(qemu.path('line')), clock);
      const qtest = await QtestClient.connect(qemu.path(FILES.qtest), { clock });
      const guest = new Guest(qemu, console, line, qtest, clock);
      // Started halted, so that nothing is said before somebody listens.
      await qemu.qmp.execute('cont');
      if (!(await guest.ready(bootTimeoutMs))) {
        const within = console.closed ? '' : ` within ${bootTimeoutMs / 1000} s`;
        throw adviseOn(guest.failure('timeout', `the guest did not come up${within}`));
      }
      return guest;
    } catch (error) {
      await qemu.stop();
      throw error;
    }
  }

  /** Waits for the next kernel's init; `undefined` if it does not come within `ms`. */
  async ready(ms: number): Promise<Ready | undefined> {
    const ready = await this.#line.ready(ms);
    if (!ready) await this.#lastWords();
    return ready;
  }

  /** Runs a script; its status is the caller's business. */
  async run(script: string, ms = COMMAND_TIMEOUT_MS): Promise<Answer> {
    try {
      return await this.#line.run(script, ms);
    } catch (error) {
      if (!(error instanceof ShootdownError) || error.code !== 'timeout') throw error;
      await this.#lastWords();
      throw this.failure('timeout', error.message);
    }
  }

  /** Runs a script that must succeed; gives what it printed. */
  async must(script: string, ms = COMMAND_TIMEOUT_MS): Promise<string> {
    const { status, output } = await this.run(script, ms);
    if (status === 0) return output;
    const said = output.trim().split('\n').slice(-3).join(' / ');
    throw this.failure('io', `in the guest, status ${status} of: ${script.trim().split('\n')[0]}: ${said}`);
  }

  /** Sends a script that the guest does not answer, such as a jump. */
  send(script: string): void {
    this.#line.send(script);
  }

  /** An error with what the console said last. */
  failure(code: 'timeout' | 'io', message: string): GuestError {
    const closed = this.console.closed || this.#line.log.closed;
    const ended = closed && !this.#cutOff ? 'QEMU has ended; ' : '';
    const panic = /Kernel panic - .*/.exec(this.console.text)?.[0].trim();
    const tail = this.console.tail(TAIL_LINES).split('\n').join(' / ');
    const words = lastWords(this.qemu.stderr);
    const said = words === null ? [] : [`QEMU says: ${words}`];
    const parts = [message, ...said, ...(panic === undefined ? [] : [panic])].join('; ');
    return new GuestError(code, `${ended}${parts}`, tail);
  }

  /**
   * What the guest did that QEMU ended for, in QEMU's word: `guest-reset` after a panic. Rejects with `io` where QEMU
   * was ended from outside or has crashed, which says nothing of the guest.
   */
  async ownEnd(): Promise<string> {
    const stop = new AbortController();
    const goesOn = this.#clock.sleep(END_TIMEOUT_MS, stop.signal).then(() => undefined);
    const end = await Promise.race([this.#end(), goesOn]);
    stop.abort();
    if (end === undefined) {
      this.#cutOff = true;
      throw new ShootdownError('io', 'QEMU goes on, but somebody has closed the socket of the console');
    }
    const { byGuest, word } = end;
    if (byGuest) return word;
    throw this.failure('io', `not by the guest's doing but from outside, or in a crash of its own (${word})`);
  }

  /** A QEMU that has ended closes its sockets one after the other: what the console still had to say counts. */
  async #lastWords(): Promise<void> {
    if (!this.#line.log.closed || this.console.closed) return;
    const from = this.console.text.length;
    await this.console.find(/(?!)/, { from, ms: LAST_WORDS_MS, clock: this.#clock });
  }

  async stop(): Promise<void> {
    this.qtest.close();
    await this.qemu.stop();
  }
}

function guestArguments(options: GuestOptions, path: (name: string) => string): string[] {
  const serial = (name: string) => [
    ...['-chardev', `socket,id=${name},path=${path(name)},server=on,wait=off`],
    ...['-serial', `chardev:${name}`],
  ];
  const { machine, qemu, boot, trace } = options;
  const direct = boot ? ['-kernel', boot.kernel, '-initrd', boot.initramfs, '-append', boot.cmdline] : [];
  return [
    ...qemu,
    ...machineArguments(machine, (name) => (name === FILES.trace && trace) || path(name)),
    ...['-no-reboot', '-S', ...direct],
    ...serial('console'),
    ...serial('line'),
  ];
}

/** Neither QEMU nor a guest that hangs says that one can do without. */
function withoutKvm(error: unknown): unknown {
  if (!(error instanceof ShootdownError) || error.code === 'not-found') return error;
  const advised = (text: string) => `${text}; without --accel kvm it is slower, and works everywhere`;
  return error instanceof GuestError
    ? new GuestError(error.code, advised(error.what), error.tail, error)
    : new ShootdownError(error.code, advised(error.message), { cause: error });
}

/** QEMU listens before it answers on its QMP socket, so there is nothing to wait for. */
function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => resolve(socket));
    socket.once('error', (cause) => reject(new ShootdownError('io', `${path}: ${cause.message}`, { cause })));
  });
}
