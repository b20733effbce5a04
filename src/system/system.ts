import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { systemClock } from '../host/clock.js';
import { writeOutput } from '../host/output-file.js';
import { ShootdownError } from '../pci/error.js';
import { locate } from './locate.js';

export interface RunOptions {
  /** Until it is killed, with all that it has started in its process group. Default 300000. */
  readonly timeoutMs?: number;
  /** Added to the environment of this process, of which PATH is given what it lacks of the folders of programs. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it prints is bytes, not text: one character a byte. */
  readonly bytes?: boolean;
  /** Characters of each stream that are kept. Default 4 Mi. */
  readonly outputMax?: number;
}

export interface RunResult {
  /** 127 if there is no such program, 124 if it was killed because it did not end. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** What lies at a path; a symbolic link is not followed. */
export interface Entry extends Owner {
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly mtimeMs: number;
}

/**
 * A Linux system: its files and its programs. Paths are absolute and lie below `root`, links among them: what an image
 * holds never leads out of it. Methods that read give `undefined` for what is not there and throw `ShootdownError`
 * (`no-permission`, `io`, …) for what cannot be read; those that write throw the same. Tests pass one that fails, or
 * that only notes what it was asked to run.
 */
export interface System {
  /** Empty for the system that this process runs on. */
  readonly root: string;
  /** The system is running: its programs can be run, and /proc and /sys say how it is. False for a folder or a chroot. */
  readonly live: boolean;
  /** Runs a program to its end, without a shell. Never rejects for what the program does: see `RunResult.status`. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Where a path lies for the calls of this process, links followed. */
  locate(path: string): string;
  entry(path: string): Entry | undefined;
  /** Follows links; for a file or a folder that is there. */
  exists(path: string): boolean;
  read(path: string): Buffer | undefined;
  readLink(path: string): string | undefined;
  /** Names in a folder, sorted; none if it is not there. */
  list(path: string): readonly string[];
  /** Room for files in a folder, in bytes; `undefined` if the folder is not there. */
  freeBytes(path: string): number | undefined;
  /** Replaces a file in one step, or makes it; the folder must be there. A symbolic link is followed. */
  write(path: string, bytes: Uint8Array, mode: number, owner?: Owner): void;
  /** Makes a symbolic link where nothing is. */
  link(path: string, target: string): void;
  /** Gives a file a second name, where nothing is. */
  hardLink(path: string, name: string): void;
  /** In one step, over what is there. */
  rename(path: string, to: string): void;
  /** Removes a file or link; nothing if it is not there. */
  remove(path: string): void;
  /** Makes one folder, mode 0755; nothing if it is there. */
  makeFolder(path: string): void;
  /** Removes a folder if it is there and empty. */
  removeFolder(path: string): void;
}

/** Far more than any kernel. */
const READ_MAX = 1024 * 1024 * 1024;
const TIMEOUT_MS = 300_000;
const OUTPUT_MAX = 4 * 1024 * 1024;

/** The system at / if it `runs` (see `whyApart`), or the one in a folder, whose programs are not run. */
export function openSystem(root: string, runs: boolean): System {
  const live = root === '' && runs;
  return { ...filesBelow(root), live, run: live ? runProgram : refuseToRun };
}

/** The files of a system; it is for the caller to say how its programs are run. */
export function filesBelow(root: string): Omit<System, 'run' | 'live'> {
  const at = (path: string) => locate(root, path, true);
  /** The entry itself, be it a link. */
  const itself = (path: string) => locate(root, path, false);
  return {
    root,
    locate: at,
    entry: (path) => optional(path, () => entryOf(fs.lstatSync(itself(path)))),
    exists: (path) => optional(path, () => fs.statSync(at(path))) !== undefined,
    read: (path) => optional(path, () => readFile(path, at(path))),
    readLink: (path) => optional(path, () => fs.readlinkSync(itself(path))),
    list: (path) => optional(path, () => fs.readdirSync(at(path)).sort()) ?? [],
    freeBytes: (path) =>
      optional(path, () => {
        const { bavail, bsize } = fs.statfsSync(at(path));
        return bavail * bsize;
      }),
    write(path, bytes, mode, owner) {
      writeOutput(at(path), bytes, mode, undefined, owner);
    },
    link: (path, target) => change(path, () => fs.symlinkSync(target, itself(path))),
    hardLink: (path, name) => change(name, () => fs.linkSync(itself(path), itself(name))),
    rename: (path, to) =>
      change(to, () => {
        fs.renameSync(itself(path), itself(to));
        syncFolder(dirname(itself(to)));
      }),
    remove: (path) =>
      change(path, () => {
        const file = itself(path);
        // On a read-only disk even removing nothing is refused.
        if (!fs.lstatSync(file, { throwIfNoEntry: false })) return;
        fs.rmSync(file, { force: true });
        syncFolder(dirname(file));
      }),
    makeFolder: (path) =>
      change(path, () => {
        if (fs.statSync(at(path), { throwIfNoEntry: false })?.isDirectory()) return;
        fs.mkdirSync(at(path));
        fs.chmodSync(at(path), 0o755);
      }),
    removeFolder: (path) =>
      change(path, () => {
        if (!fs.lstatSync(itself(path), { throwIfNoEntry: false })?.isDirectory()) return;
        try {
          fs.rmdirSync(itself(path));
        } catch (cause) {
          if (!['ENOENT', 'ENOTEMPTY', 'ENOTDIR'].includes(codeOf(cause))) throw cause;
        }
      }),
  };
}

/** The path within the system that a path leads to, links followed. */
export function realPath(system: Pick<System, 'root' | 'locate'>, path: string): string {
  const real = system.locate(path).slice(system.root.length);
  return real === '' ? '/' : real;
}

/** The text of a file, or `undefined` if it is not there. */
export function readTextOf(system: Pick<System, 'read'>, path: string): string | undefined {
  return system.read(path)?.toString('utf8');
}

/** Whether a file was written after another, links followed; false where one of them is not there. */
export function isNewer(
  system: Pick<System, 'root' | 'locate' | 'entry'>,
  path: string,
  than: string,
): boolean {
  const [a, b] = [path, than].map((each) => system.entry(realPath(system, each))?.mtimeMs);
  return a !== undefined && b !== undefined && a > b;
}

/** Whether a program is where systems have them. */
export function hasProgram(system: Pick<System, 'exists'>, name: string): boolean {
  return programPath(system, name) !== undefined;
}

/** The absolute path of a program, or `undefined`. */
export function programPath(system: Pick<System, 'exists'>, name: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, name)).find((path) => system.exists(path));
}

const FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'];

/** After `su` the folders of the administrator's programs are missing, and scripts that are run want them. */
function pathWith(path: string | undefined): string {
  const folders = (path ?? '').split(':').filter((folder) => folder !== '');
  return [...folders, ...FOLDERS.filter((folder) => !folders.includes(folder))].join(':');
}

function entryOf(stat: fs.Stats): Entry {
  const kind = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'folder'
      : stat.isSymbolicLink()
        ? 'link'
        : 'other';
  const { size, uid, gid, mtimeMs } = stat;
  return { kind, mode: stat.mode & 0o7777, size, uid, gid, mtimeMs };
}

/** Files of /proc and /sys say that they are empty, and a pipe would hold up the opening. */
function readFile(path: string, file: string): Buffer {
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw new ShootdownError('bad-input', `${path}: not a regular file`);
    if (stat.size > READ_MAX) throw new ShootdownError('bad-input', `${path}: larger than 1 GiB`);
    return fs.readFileSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** `undefined` for what is not there. */
function optional<T>(path: string, action: () => T): T | undefined {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof ShootdownError) throw cause;
    if (['ENOENT', 'ENOTDIR', 'EINVAL'].includes(codeOf(cause))) return undefined;
    const denied = ['EACCES', 'EPERM'].includes(codeOf(cause));
    const message = denied ? `${path}: no permission to read it: run as root` : `${path}: ${String(cause)}`;
    throw new ShootdownError(denied ? 'no-permission' : 'io', message, { cause });
  }
}

function change(path: string, action: () => void): void {
  try {
    action();
  } catch (cause) {
    if (cause instanceof ShootdownError) throw cause;
    throw changeError(path, cause);
  }
}

function changeError(path: string, cause: unknown): ShootdownError {
  switch (codeOf(cause)) {
    case 'EROFS':
      return new ShootdownError('no-permission', `${path} cannot be changed: its file system is read-only`, {
        cause,
      });
    case 'EACCES':
    case 'EPERM':
      return new ShootdownError('no-permission', `${path} cannot be changed: no permission, run as root`, {
        cause,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new ShootdownError('io', `${path} cannot be changed: no space left on its disk`, { cause });
    default:
      return new ShootdownError('io', `${path} cannot be changed: ${(cause as Error).message}`, { cause });
  }
}

/** So that what was removed stays so when the power goes. */
function syncFolder(folder: string): void {
  let fd: number;
  try {
    fd = fs.openSync(folder, 'r');
  } catch {
    return;
  }
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}

function refuseToRun(command: string): Promise<RunResult> {
  return Promise.reject(
    new ShootdownError('unsupported', `${command}: nothing is run for a system that does not run itself`),
  );
}

function runProgram(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { timeoutMs = TIMEOUT_MS, env = {}, bytes = false, outputMax = OUTPUT_MAX } = options;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: pathWith(process.env['PATH']), LC_ALL: 'C.UTF-8', ...env },
      // ^C is for this process, which then ends between two steps; and the group is what the time limit ends.
      detached: true,
    });
    const over = new AbortController();
    let isLate = false;
    let [stdout, stderr] = ['', ''];
    const end = (status: number, said = '') => {
      over.abort();
      resolve({ status, stdout, stderr: stderr + said });
    };
    // A daemon that it left behind may hold the pipes open for as long as it likes.
    const letGo = () => {
      child.stdout.destroy();
      child.stderr.destroy();
    };
    child.stdout.setEncoding(bytes ? 'latin1' : 'utf8').on('data', (text: string) => {
      if (stdout.length < outputMax) stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < outputMax) stderr += text;
    });
    child.on('error', (cause) => end(codeOf(cause) === 'ENOENT' ? 127 : 126, cause.message));
    child.on('exit', (status) => {
      if (status === null) letGo();
    });
    child.on('close', (status) => {
      if (isLate) end(124, `not done within ${timeoutMs / 1000} s`);
      else end(status ?? 128);
    });
    void systemClock.sleep(timeoutMs, over.signal).then(() => {
      if (over.signal.aborted) return;
      // What has ended is not killed: its number may be another's by now.
      isLate = child.exitCode === null && child.signalCode === null;
      if (isLate) killGroup(child);
      letGo();
    });
  });
}

/** All that it has started and that has made no group of its own. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
