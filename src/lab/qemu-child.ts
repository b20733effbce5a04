import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { type Readable, Writable } from 'node:stream';
import type { Clock } from '../host/clock.js';
import { ShootdownError } from '../pci/error.js';

export interface QemuExit {
  /** As a shell says it: 128 plus the signal's number where a signal ended it. */
  readonly status: number;
  /** The tail of what it wrote to standard error. */
  readonly stderr: string;
}

const STDERR_MAX = 8 * 1024;
const STOP_TIMEOUT_MS = 10_000;
/** What a shell says of a command that SIGKILL ended. */
const STATUS_KILLED = 128 + 9;

/**
 * Runs a command until descriptor 3, the lifeline, is closed at its other end, then removes a folder ($1). The
 * lifeline closes however the process at that end goes, by SIGKILL too, so nothing is left over. Says the command's
 * id and later its exit status on the lifeline. The reader, which ends the command, lives no longer than it, since its
 * id may mean another process later; should somebody have killed this shell, the reader does its work all the same.
 */
const SUPERVISOR = `
folder=$1; shift
"$@" </dev/null 3>&- &
child=$!; alive=1
trap '' PIPE
trap '[ -z "$alive" ] || kill -9 "$child"' TERM INT HUP
( while read -r _; do :; done; kill -9 "$child" ) <&3 3>&- >/dev/null 2>&1 &
reader=$!
echo "$child" >&3
wait "$child"; status=$?
wait "$child" 2>/dev/null; again=$?
alive=
kill -9 "$reader" 2>/dev/null
wait "$reader" 2>/dev/null
[ "$again" -eq 127 ] || status=$again
echo "$status" >&3
while read -r _; do :; done <&3
rm -rf -- "$folder"
`;

/** A command under supervision: it does not outlive this process, and neither does its folder. */
export class SupervisedChild {
  /** Removed by `stop`, or when this process ends. */
  readonly folder: string;
  readonly command: readonly string[];
  /** Its process id. */
  readonly pid: Promise<number>;
  /** Resolves when it has ended, by itself or not. */
  readonly ended: Promise<QemuExit>;
  readonly #shell: ChildProcess;
  readonly #gone: Promise<void>;
  #stderr = '';

  constructor(folder: string, command: readonly string[]) {
    this.folder = folder;
    this.command = command;
    // In a session of its own: a Ctrl-C is for this process, which then ends the child in good order.
    this.#shell = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', folder, ...command], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    this.#shell.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_MAX);
    });
    this.#gone = new Promise((resolve, reject) => {
      this.#shell.once('close', () => resolve());
      this.#shell.once('error', (cause) =>
        reject(new ShootdownError('io', `/bin/sh cannot be started: ${cause.message}`, { cause })),
      );
    });
    this.#gone.catch(() => {});
    const words = this.#words();
    this.pid = words.then(([pid]) => pid);
    this.ended = words.then(async ([, status]) => ({ status: await status, stderr: this.#stderr }));
    this.pid.catch(() => {});
    this.ended.catch(() => {});
  }

  /** The tail of what it has written to standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** The two numbers that the supervisor says. */
  #words(): Promise<[pid: number, status: Promise<number>]> {
    return new Promise((resolve, reject) => {
      let text = '';
      let ended: (status: number) => void = () => {};
      const status = new Promise<number>((resolveStatus) => {
        ended = resolveStatus;
      });
      const lifeline = this.#shell.stdio[3] as Readable | null | undefined;
      lifeline?.setEncoding('latin1').on('data', (more: string) => {
        text += more;
        const [pid, exit, rest] = text.split('\n');
        if (exit !== undefined) resolve([Number(pid), status]);
        if (rest !== undefined) ended(Number(exit));
      });
      // One that fails because the other side is gone is no news: the shell's end says so.
      lifeline?.on('error', () => {});
      this.#gone.then(() => {
        reject(new ShootdownError('io', `${this.command[0]} did not start: its supervisor ended`));
        ended(STATUS_KILLED);
      }, reject);
    });
  }

  /** Ends it and removes its folder; resolves when both have happened. Rejects with `timeout`. */
  async stop(clock: Clock): Promise<void> {
    const lifeline = this.#shell.stdio[3];
    if (lifeline instanceof Writable) lifeline.end();
    const timer = new AbortController();
    const late = clock.sleep(STOP_TIMEOUT_MS, timer.signal).then(() => {
      if (timer.signal.aborted) return;
      const text = `${this.command[0]} did not end within ${STOP_TIMEOUT_MS} ms after it was killed`;
      throw new ShootdownError('timeout', text);
    });
    try {
      await Promise.race([this.#gone, late]);
    } finally {
      late.catch(() => {});
      timer.abort();
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
