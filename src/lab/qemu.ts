import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../host/clock.js';
import { ShootdownError } from '../pci/error.js';
import { printable } from '../pci/printable.js';
import { fileError } from './file-error.js';
import { type QemuExit, SupervisedChild } from './qemu-child.js';
import { Qmp } from './qmp.js';
import { needRoom, roomError } from './room.js';

export interface QemuOptions {
  /** Everything but the binary and its QMP socket; `path` names a file in the private folder. */
  readonly args: (path: (name: string) => string) => readonly string[];
  /** Default `qemu-system-x86_64`. */
  readonly binary?: string | undefined;
  readonly clock?: Clock | undefined;
  /** Until QEMU answers on its QMP socket. Default 20000. */
  readonly startTimeoutMs?: number | undefined;
}

const BINARY = 'qemu-system-x86_64';
const PACKAGE = 'qemu-system-x86';
const MINIMAL: readonly [major: number, minor: number] = [7, 2];
const START_TIMEOUT_MS = 20_000;
const VERSION_TIMEOUT_MS = 20_000;
const POLL_MS = 5;
/** What sockaddr_un holds, less the name of a socket in the folder. */
const FOLDER_MAX_BYTES = 90;
const MEMORY_READ = "a look at the machine's memory";
/** What `pmemsave` says of a disk that is full. */
const QEMU_CANNOT_WRITE = /An IO error has occurred|No space left/;

const WHY_NO_FOLDER: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there',
  ENOTDIR: 'it is no folder',
  EACCES: 'no permission to write there',
  EROFS: 'it is read-only',
  ENOSPC: 'no space left on its disk',
};

/** A QEMU that is running, or was. */
export class QemuProcess {
  /** Private to it, with its sockets; removed by `stop`, and when this process ends. */
  readonly folder: string;
  /** What was run, for repeating it by hand. */
  readonly command: readonly string[];
  readonly pid: number;
  /** QEMU's machine protocol: the view from outside. */
  readonly qmp: Qmp;
  /** Resolves when QEMU has ended, by itself or not. */
  readonly ended: Promise<QemuExit>;
  readonly #child: SupervisedChild;
  readonly #clock: Clock;
  #dumps = 0;

  /** Made by `startQemu`. */
  constructor(child: SupervisedChild, pid: number, qmp: Qmp, clock: Clock) {
    this.folder = child.folder;
    this.command = child.command;
    this.ended = child.ended;
    this.pid = pid;
    this.qmp = qmp;
    this.#child = child;
    this.#clock = clock;
  }

  /** A file in the private folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** The tail of what QEMU has written to standard error. */
  get stderr(): string {
    return this.#child.stderr;
  }

  /**
   * Physical memory as QEMU itself has it: the guest is not asked. It goes through a file in the private folder, and
   * rejects with `io` where there is no room for it.
   */
  async readMemory(address: number | bigint, length: number): Promise<Uint8Array> {
    await needRoom(this.folder, length, MEMORY_READ);
    const file = this.path(`memory-${this.#dumps++}`);
    try {
      await this.qmp.execute('pmemsave', { val: Number(address), size: length, filename: file });
      const bytes = await readFile(file);
      if (bytes.length === length) return new Uint8Array(bytes);
    } catch (error) {
      if (!(error instanceof ShootdownError)) throw fileError(file, error);
      if (!QEMU_CANNOT_WRITE.test(error.message)) throw error;
    } finally {
      await rm(file, { force: true });
    }
    throw await roomError(this.folder, length, MEMORY_READ);
  }

  /** Ends QEMU and removes its folder; resolves when both have happened. May be called again. */
  async stop(): Promise<void> {
    this.qmp.close();
    await this.#child.stop(this.#clock);
  }
}

/**
 * Starts QEMU in a private folder of its own and waits until it answers. It ends when `stop` is called or this
 * process ends, in whatever way. Rejects with `not-found` (no QEMU), `unsupported` (too old a QEMU), `usage`, `io`
 * (it ended at once: the message has what it said) or `timeout`; nothing is left over then.
 */
export async function startQemu(options: QemuOptions): Promise<QemuProcess> {
  const { binary = BINARY, clock = systemClock, startTimeoutMs = START_TIMEOUT_MS } = options;
  await checkVersion(binary);
  const folder = privateFolder();
  const path = (name: string) => join(folder, name);
  const qmpPath = path('qmp');
  const command = [binary, ...options.args(path), '-qmp', `unix:${qmpPath},server=on,wait=off`];
  const child = new SupervisedChild(folder, command);
  try {
    if (Buffer.byteLength(folder) > FOLDER_MAX_BYTES)
      throw new ShootdownError('usage', `${folder} is too long for a socket's path: choose a shorter TMPDIR`);
    const pid = await child.pid;
    const qmp = await firstAnswer(child, qmpPath, clock, startTimeoutMs);
    return new QemuProcess(child, pid, qmp, clock);
  } catch (error) {
    await child.stop(clock);
    throw error;
  }
}

function privateFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'shootdown-qemu-'));
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const why = WHY_NO_FOLDER[code] ?? message;
    const text = `no folder can be made in ${tmpdir()}: ${why}: set TMPDIR to a folder that can be written`;
    throw new ShootdownError(code === 'EACCES' || code === 'EROFS' ? 'no-permission' : 'io', text, { cause });
  }
}

/** Connects as soon as QEMU listens. */
async function firstAnswer(
  child: SupervisedChild,
  path: string,
  clock: Clock,
  timeoutMs: number,
): Promise<Qmp> {
  const deadline = clock.now() + timeoutMs;
  let exit: QemuExit | undefined;
  child.ended.then(
    (how) => {
      exit = how;
    },
    () => {},
  );
  for (;;) {
    const left = deadline - clock.now();
    try {
      return await Qmp.connect(path, { clock, timeoutMs: Math.max(left, 1) });
    } catch (error) {
      // Not there yet, there and not listening yet, or just gone.
      const early = error instanceof ShootdownError && (error.code === 'not-found' || error.code === 'io');
      if (!early) throw error;
    }
    if (exit) throw new ShootdownError('io', endedAtOnce(child.command[0] ?? '', exit));
    if (left <= 0) {
      const text = `QEMU does not answer within ${timeoutMs} ms${said(child.stderr)}`;
      throw new ShootdownError('timeout', text);
    }
    await clock.sleep(POLL_MS);
  }
}

function endedAtOnce(binary: string, { status, stderr }: QemuExit): string {
  return `${binary} ended with status ${status} as soon as it was started${said(stderr)}`;
}

/** The last lines of standard error, in one line. */
function said(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const tail = printable(lines.slice(-4).join(' / '));
  return tail === '' ? '' : `: ${tail}`;
}

async function checkVersion(binary: string): Promise<void> {
  const text = await new Promise<string>((resolve, reject) => {
    execFile(binary, ['--version'], { timeout: VERSION_TIMEOUT_MS }, (cause, stdout) => {
      if (cause === null) resolve(stdout);
      else reject(notStarted(binary, cause));
    });
  });
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(text) ?? [];
  if (major === undefined || minor === undefined)
    throw new ShootdownError('unsupported', `${binary} --version does not say a version: is it QEMU?`);
  const [needMajor, needMinor] = MINIMAL;
  if (Number(major) > needMajor || (Number(major) === needMajor && Number(minor) >= needMinor)) return;
  throw new ShootdownError(
    'unsupported',
    `${binary} is version ${major}.${minor}: ${needMajor}.${needMinor} or newer is needed`,
  );
}

function notStarted(binary: string, cause: Error): ShootdownError {
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') {
    const text = `${binary} is not installed: apt-get install ${PACKAGE}`;
    return new ShootdownError('not-found', text, { cause });
  }
  if (code === 'EACCES')
    return new ShootdownError('no-permission', `${binary} may not be run by this user`, { cause });
  return new ShootdownError('io', `${binary} --version failed: ${cause.message.split('\n')[0]}`, { cause });
}
