import type { VisibleBytes } from '../pci/config-image.js';
import { ShootdownError } from '../pci/error.js';
import { hex, type Slot } from '../pci/slot.js';
import { checkAccess } from './port.js';
import { NEEDS_FLAG, sysfsError } from './sysfs-error.js';
import { errnoCode, PROC_SUPER_MAGIC, SYSFS_MAGIC, type SysfsFiles } from './sysfs-files.js';

/** Left free for the journal, the lock, the terminal and Node itself. */
const RESERVED_FILES = 64;
const FILES_WITHOUT_LIMIT = 256;

export interface ConfigFilesOptions {
  readonly files: SysfsFiles;
  /** The config file of a slot; throws for a slot that there is not. */
  readonly pathOf: (slot: Slot) => string;
  readonly write: boolean;
  /** Files of the kernel itself may be written. */
  readonly writeReal: boolean;
  /** The kernel shows this process no more than 64 bytes. */
  readonly only64: boolean;
  readonly openFileLimit: number | undefined;
  readonly lockdown: () => string | undefined;
}

interface ConfigFile {
  readonly fd: number;
  visible: VisibleBytes;
  /** Why it was opened for reading only, where it should have been for writing. */
  readonly notWritable: unknown;
}

/**
 * The open config files of a machine. The first that fit under the limit stay open until they are released, so
 * that passes over all functions open each once; the others share one place, so that passes over more than
 * fit do not close what the next pass needs.
 */
export class ConfigFiles {
  readonly #options: ConfigFilesOptions;
  readonly #held = new Map<Slot, ConfigFile>();
  #guest: { slot: Slot; file: ConfigFile } | undefined;
  #capacity: number;
  #closed = false;
  readonly #only64 = new Set<Slot>();
  /** Whether the file system with a device number is the kernel's own. */
  readonly #kernels = new Map<number, boolean>();
  readonly #buffer = new Uint8Array(4096);
  readonly #view = new DataView(this.#buffer.buffer);

  constructor(options: ConfigFilesOptions) {
    this.#options = options;
    const limit = options.openFileLimit ?? FILES_WITHOUT_LIMIT;
    this.#capacity = Math.max(0, limit - RESERVED_FILES);
  }

  /** Functions of which the kernel hid all but 64 bytes. */
  get hidden(): number {
    return this.#only64.size;
  }

  visible(slot: Slot): VisibleBytes {
    return this.#use(slot).visible;
  }

  /** Little-endian. The access must be one that `visible` allows. */
  read(slot: Slot, offset: number, width: 1 | 2 | 4): number {
    const got = this.#pread(slot, offset, width);
    if (got < width) {
      // The kernel hides what lies behind the header from those who may not see it, and nothing else.
      if (offset >= 64) checkAccess(slot, offset, width, this.#hideRest(slot));
      throw this.#gone(slot, offset);
    }
    if (width === 4) return this.#view.getUint32(0, true);
    return width === 2 ? this.#view.getUint16(0, true) : this.#view.getUint8(0);
  }

  /** As much as there is. */
  readRange(slot: Slot, offset: number, length: number): Uint8Array {
    const got = this.#pread(slot, offset, length);
    if (got === 0 && offset < 64) throw this.#gone(slot, offset);
    return this.#buffer.slice(0, got);
  }

  write(slot: Slot, offset: number, width: 1 | 2 | 4, value: number): void {
    const { lockdown, files } = this.#options;
    const call = {
      slot,
      what: `register ${hex(offset, 2)} cannot be written`,
      register: hex(offset, 2),
      lockdown,
    };
    const file = this.#use(slot);
    if (file.notWritable !== undefined) throw sysfsError(file.notWritable, call);
    if (width === 4) this.#view.setUint32(0, value, true);
    else if (width === 2) this.#view.setUint16(0, value, true);
    else this.#view.setUint8(0, value);
    let done: number;
    try {
      done = files.pwrite(file.fd, this.#buffer, width, offset);
    } catch (error) {
      throw this.#failed(sysfsError(error, call));
    }
    if (done === width) return;
    const message = `${slot}: ${done} of ${width} bytes were written to register ${hex(offset, 2)}`;
    throw new ShootdownError('io', message, { slot, register: hex(offset, 2) });
  }

  release(slot: Slot): void {
    const file = this.#held.get(slot);
    if (file) {
      this.#held.delete(slot);
      this.#close(file);
    }
    if (this.#guest?.slot === slot) this.#dropGuest();
  }

  close(): void {
    this.#closed = true;
    this.#dropGuest();
    for (const file of this.#held.values()) this.#close(file);
    this.#held.clear();
  }

  #pread(slot: Slot, offset: number, length: number): number {
    const { files } = this.#options;
    const file = this.#use(slot);
    try {
      return files.pread(file.fd, this.#buffer, Math.min(length, this.#buffer.length), offset);
    } catch (error) {
      const call = { slot, what: `register ${hex(offset, 2)} cannot be read`, register: hex(offset, 2) };
      throw this.#failed(sysfsError(error, call));
    }
  }

  #hideRest(slot: Slot): VisibleBytes {
    this.#use(slot).visible = 64;
    this.#only64.add(slot);
    return 64;
  }

  #gone(slot: Slot, offset: number): ShootdownError {
    const register = hex(offset, 2);
    const message = `${slot}: register ${register} is not in its config file any more: the function is gone`;
    return this.#failed(new ShootdownError('vanished', message, { slot, register }));
  }

  /** A file whose function is gone stays dead, even if another takes the slot. */
  #failed(error: ShootdownError): ShootdownError {
    if (error.code === 'vanished' && error.slot) this.release(error.slot);
    return error;
  }

  #use(slot: Slot): ConfigFile {
    const file = this.#held.get(slot) ?? (this.#guest?.slot === slot ? this.#guest.file : undefined);
    return file ?? this.#open(slot);
  }

  #open(slot: Slot): ConfigFile {
    if (this.#closed) throw new ShootdownError('usage', `${slot}: the host was closed`, { slot });
    const path = this.#options.pathOf(slot);
    this.#dropGuest();
    let file: ConfigFile;
    try {
      file = this.#openFile(slot, path);
    } catch (error) {
      if (errnoCode(error) !== 'EMFILE' || this.#held.size === 0) throw this.#openError(slot, error);
      // The limit was lower than it said, or others took from it: make do with what was reached.
      const [oldest] = this.#held.keys();
      if (oldest !== undefined) this.release(oldest);
      this.#capacity = this.#held.size;
      file = this.#retryOpen(slot, path);
    }
    if (this.#held.size < this.#capacity) this.#held.set(slot, file);
    else this.#guest = { slot, file };
    return file;
  }

  #retryOpen(slot: Slot, path: string): ConfigFile {
    try {
      return this.#openFile(slot, path);
    } catch (error) {
      throw this.#openError(slot, error);
    }
  }

  #openError(slot: Slot, error: unknown): ShootdownError {
    return sysfsError(error, { slot, what: 'its config file cannot be opened' });
  }

  #openFile(slot: Slot, path: string): ConfigFile {
    const { files, write } = this.#options;
    let notWritable: unknown;
    let fd: number | undefined;
    if (write) {
      try {
        fd = files.open(path, 'read-write');
      } catch (error) {
        if (!['EACCES', 'EPERM', 'EROFS'].includes(errnoCode(error))) throw error;
        notWritable = error;
      }
    }
    fd ??= files.open(path, 'read');
    try {
      const { size, dev } = files.stat(fd);
      if (write && notWritable === undefined) notWritable = this.#whyNot(slot, fd, dev);
      return { fd, visible: this.#visibleOf(slot, size), notWritable };
    } catch (error) {
      files.close(fd);
      throw error;
    }
  }

  /** A copied tree may have links into the running kernel's: what counts is what was opened. */
  #whyNot(slot: Slot, fd: number, dev: number): ShootdownError | undefined {
    const { files, writeReal } = this.#options;
    if (writeReal) return undefined;
    let kernels = this.#kernels.get(dev);
    if (kernels === undefined) {
      kernels = [SYSFS_MAGIC, PROC_SUPER_MAGIC].includes(files.fileSystem(fd));
      this.#kernels.set(dev, kernels);
    }
    return kernels ? new ShootdownError('refused', `${slot}: ${NEEDS_FLAG}`, { slot }) : undefined;
  }

  #visibleOf(slot: Slot, size: number): VisibleBytes {
    const visible = size >= 4096 ? 4096 : size >= 256 ? 256 : 64;
    if (!this.#options.only64 || visible === 64) return visible;
    this.#only64.add(slot);
    return 64;
  }

  #dropGuest(): void {
    if (this.#guest) this.#close(this.#guest.file);
    this.#guest = undefined;
  }

  #close(file: ConfigFile): void {
    this.#options.files.close(file.fd);
  }
}
