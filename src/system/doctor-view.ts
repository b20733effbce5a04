import type { Machine } from '../host/scan.js';
import { inspectImage } from '../image/inspect.js';
import { STUB } from '../image/stub.generated.js';
import { ShootdownError } from '../pci/error.js';
import type { Policy } from '../quiesce/policy.js';
import { runningAndNewest } from './installed-kernels.js';
import { policyOf } from './installed-policy.js';
import { crashKernel, kexecCommandPath } from './kdump.js';
import { type KdumpSettings, readKdumpSettings } from './kdump-settings.js';
import { PLACES_OF } from './places.js';
import { runningRelease } from './running-release.js';
import {
  type ChangeJournal,
  type Install,
  type KernelRecord,
  kernelFiles,
  type Part,
  readChanges,
  readInstall,
  readKernelRecord,
} from './state.js';
import { hasProgram, isNewer, readTextOf, realPath, type System } from './system.js';

/** What `doctor` is given. */
export interface DoctorAround {
  readonly system: System;
  /** The version of this program. */
  readonly tool: string;
  /** Reads the functions of this machine. */
  readonly machine: () => Promise<Machine>;
}

/** A system as checks see it: what several of them need, read once, when it is first asked for. */
export class DoctorView {
  readonly system: System;
  readonly tool: string;
  readonly #readMachine: () => Promise<Machine>;
  readonly #known = new Map<string, unknown>();

  constructor({ system, tool, machine }: DoctorAround) {
    this.system = system;
    this.tool = tool;
    this.#readMachine = machine;
  }

  /** What was asked of `install`; `undefined` if nothing was, or it cannot be read, which is a check of its own. */
  get install(): Install | undefined {
    return this.#once('install', () => sound(() => readInstall(this.system)));
  }

  get changes(): ChangeJournal | undefined {
    return this.#once('changes', () => sound(() => readChanges(this.system)));
  }

  has(part: Part): boolean {
    return this.install?.parts[part] !== undefined;
  }

  /** Something installed needs a capture kernel. */
  get needsKdump(): boolean {
    return this.has('kdump') || this.install?.parts.hook?.when === 'crash';
  }

  get hasKdumpTools(): boolean {
    return hasProgram(this.system, 'kdump-config');
  }

  /** `undefined` where it is missing or damaged, which is a check of its own. */
  get policy(): Policy | undefined {
    return this.#once('policy', () => sound(() => policyOf(this.system, this.install)));
  }

  /** As in `uname -r`; `undefined` for a system in a folder. */
  get running(): string | undefined {
    return this.system.live ? runningRelease(this.system) || undefined : undefined;
  }

  /** The kernel that runs and the newest, as far as they are in /boot. */
  get versions(): readonly string[] {
    return runningAndNewest(this.system, this.running ?? '');
  }

  get cmdline(): string {
    return readTextOf(this.system, PLACES_OF.cmdline)?.trim() ?? '';
  }

  get settings(): KdumpSettings {
    return this.#once('settings', () => readKdumpSettings(this.system));
  }

  /** systemd starts it at boot. */
  isEnabled(unit: string): boolean {
    const { units } = PLACES_OF;
    return this.system
      .list(units)
      .some(
        (name) => name.endsWith('.wants') && this.system.readLink(`${units}/${name}/${unit}`) !== undefined,
      );
  }

  /** A kernel waits for a crash. */
  get isLoaded(): boolean {
    return crashKernel(this.system).loaded;
  }

  /** Where kdump-tools notes how it loaded the kernel. */
  get kexecCommandPath(): string {
    return kexecCommandPath(this.system);
  }

  get kexecCommand(): string | undefined {
    return readTextOf(this.system, this.kexecCommandPath)?.trim() || undefined;
  }

  /** The kernel that waits for a crash, as kdump-tools noted it. */
  get loadedKernel(): string | undefined {
    return crashKernel(this.system).kernel ?? undefined;
  }

  /** The machine, read once; rejects where it cannot be. */
  machine(): Promise<Machine> {
    return this.#once('machine', () => this.#readMachine());
  }

  /** `undefined` where it cannot be read, which is a check of its own, and for a system in a folder. */
  async machineIfSeen(): Promise<Machine | undefined> {
    if (!this.system.live) return undefined;
    try {
      return await this.machine();
    } catch (error) {
      if (error instanceof ShootdownError) return undefined;
      throw error;
    }
  }

  record(version: string): KernelRecord | undefined {
    return sound(() => readKernelRecord(this.system, version));
  }

  /** What `inspect` says of a kernel; `undefined` if it is not there or no bzImage. */
  image(path: string): ReturnType<typeof inspectImage> | undefined {
    return this.#once(`image ${path}`, () => {
      const bytes = this.system.read(path);
      return bytes && sound(() => inspectImage(bytes, STUB));
    });
  }

  /** The wrapped kernel of this version if it is there, else the plain one. */
  kernelToLoad(version: string): string {
    const { wrapped, original } = kernelFiles(version);
    return this.has('kdump') && this.system.exists(wrapped) ? wrapped : original;
  }

  /** In bytes, links followed; 0 for what is not there. */
  size(path: string): number {
    return this.system.entry(realPath(this.system, path))?.size ?? 0;
  }

  /** Whether a file was written after another; false where one of them is not there. */
  isNewer(path: string, than: string): boolean {
    return isNewer(this.system, path, than);
  }

  #once<T>(key: string, read: () => T): T {
    if (!this.#known.has(key)) this.#known.set(key, read());
    return this.#known.get(key) as T;
  }
}

/** `undefined` for what is damaged; what must not be read still throws. */
function sound<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ShootdownError) || error.code === 'no-permission') throw error;
    return undefined;
  }
}
