import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { printable } from '../pci/printable.js';

const NAME_MAX = 256;

/**
 * The system calls that the sysfs host makes; every method throws an errno exception. Tests pass others in.
 */
export interface SysfsFiles {
  readdir(path: string): readonly string[];
  readlink(path: string): string;
  realpath(path: string): string;
  open(path: string, access: 'read' | 'read-write'): number;
  close(fd: number): void;
  /** The size in bytes, and the number of the device that the file lies on. */
  stat(fd: number): { readonly size: number; readonly dev: number };
  /** Bytes read; 0 at the end. */
  pread(fd: number, buffer: Uint8Array, length: number, position: number): number;
  pwrite(fd: number, buffer: Uint8Array, length: number, position: number): number;
  /** The magic number of the file system that a path, or an open file, lies on. */
  fileSystem(target: string | number): number;
  /** Device and inode: the same for every way that leads to a folder. */
  identity(path: string): string;
  /** Writes a text to a file that is there, waiting for as long as the kernel takes. */
  writeText(path: string, text: string): Promise<void>;
}

/** `statfs(2)` */
export const SYSFS_MAGIC = 0x62656572;
export const PROC_SUPER_MAGIC = 0x9fa0;

export const nodeFiles: SysfsFiles = {
  readdir: (path) => fs.readdirSync(path),
  readlink: (path) => fs.readlinkSync(path),
  realpath: (path) => fs.realpathSync.native(path),
  open: (path, access) =>
    fs.openSync(path, access === 'read-write' ? fs.constants.O_RDWR : fs.constants.O_RDONLY),
  close: (fd) => fs.closeSync(fd),
  stat: (fd) => fs.fstatSync(fd),
  pread: (fd, buffer, length, position) => fs.readSync(fd, buffer, 0, length, position),
  pwrite: (fd, buffer, length, position) => fs.writeSync(fd, buffer, 0, length, position),
  fileSystem: (target) =>
    fs.statfsSync(typeof target === 'number' ? `/proc/self/fd/${target}` : target).type >>> 0,
  identity: (path) => {
    const { dev, ino } = fs.statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  },
  writeText: writeInChild,
};

// Opens without creating: a file that is not there must stay so in a copied tree, too.
const CHILD = `
const fs = require('node:fs');
const [path, text] = process.argv.slice(1);
try {
  const fd = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_TRUNC);
  fs.writeSync(fd, text);
} catch (error) {
  fs.writeSync(1, String(error.code));
  process.exitCode = 1;
}
`;

/**
 * An unbind or reset can hang in the kernel for good. A thread of this process that hangs would keep it from
 * ever exiting (Node waits for its thread pool), so that another process does the write.
 */
function writeInChild(path: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', CHILD, '--', path, text], {
      stdio: ['ignore', 'pipe', 'ignore'],
      // Out of reach of the terminal's ^C, which would end it half-way.
      detached: true,
      env: {},
    });
    let code = '';
    child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
      code += chunk;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) return resolve();
      const what = code || signal || `status ${status}`;
      reject(Object.assign(new Error(`${what}: write '${path}'`), { code: what }));
    });
  });
}

const attributeBuffer = Buffer.alloc(4096);

/** The text of a sysfs attribute (at most a page, by its nature) without its newline, sanitised. */
export function readAttribute(files: SysfsFiles, path: string): string {
  const fd = files.open(path, 'read');
  try {
    const length = files.pread(fd, attributeBuffer, attributeBuffer.length, 0);
    return printableName(attributeBuffer.toString('utf8', 0, length).trim());
  } finally {
    files.close(fd);
  }
}

/** What a call returns, or `undefined` where it throws: for what may well not be there. */
export function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}

/** The pieces of a file of any length, one after another in the same buffer. */
export function* readPieces(files: SysfsFiles, path: string, size = 1 << 16): Generator<Buffer, void, void> {
  const buffer = Buffer.allocUnsafe(size);
  const fd = files.open(path, 'read');
  try {
    let position = 0;
    for (;;) {
      const length = files.pread(fd, buffer, size, position);
      if (length === 0) return;
      position += length;
      yield buffer.subarray(0, length);
    }
  } finally {
    files.close(fd);
  }
}

/** Up to 4 MiB of a text file of several lines, as in /proc; not sanitised. */
export function readLines(files: SysfsFiles, path: string): string[] {
  let text = '';
  for (const piece of readPieces(files, path)) {
    text += piece.toString('latin1');
    if (text.length > 1 << 22) break;
  }
  return Buffer.from(text, 'latin1')
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
}

/** As `printable`, and no longer than a name in sysfs needs to be. */
export function printableName(text: string): string {
  return printable(text).slice(0, NAME_MAX);
}

/** The `code` of an errno exception: `ENOENT`, …; empty for anything else. */
export function errnoCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
