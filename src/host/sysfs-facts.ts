import { parseSlot, type Slot } from '../pci/slot.js';
import type { FunctionFacts } from './facts.js';
import { attempt, printableName, readAttribute, type SysfsFiles } from './sysfs-files.js';
import type { SlotEntry } from './sysfs-tree.js';

export interface FactSources {
  readonly files: SysfsFiles;
  readonly root: string;
  readonly entries: ReadonlyMap<Slot, SlotEntry>;
  readonly holds: (slot: Slot, bootVga: boolean) => FunctionFacts['holds'];
  /** Whether a driver has a shutdown method, by its name and that of its module. */
  readonly hasShutdown: (driver: string, module: string | undefined) => boolean;
}

/** Each fact, or `undefined` where it is not known. */
type Known = { readonly [K in keyof FunctionFacts]-?: FunctionFacts[K] | undefined };
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const POWER_STATES = ['D0', 'D1', 'D2', 'D3hot', 'D3cold', 'unknown'] as const;

/** Reads what sysfs says of functions. None of it touches a device: the kernel answers from memory. */
export class FactReader {
  readonly #sources: FactSources;
  readonly #groupTypes = new Map<number, string | undefined>();
  readonly #suspended = new Map<Slot, boolean>();
  readonly #aboveBus = new Map<string, Slot | undefined>();

  constructor(sources: FactSources) {
    this.#sources = sources;
  }

  /** Each fact is read when it is first asked for. A function that is gone has none. */
  read(entry: SlotEntry): FunctionFacts {
    return new SysfsFacts(entry, this.#sources, this) as FunctionFacts;
  }

  /** Forgets what may change from one moment to the next. */
  refresh(): void {
    this.#suspended.clear();
    this.#aboveBus.clear();
  }

  /** Whether the bridge above a function is suspended. */
  isSuspendedAbove(entry: SlotEntry): boolean {
    const above = this.above(entry);
    if (above === undefined) return false;
    let suspended = this.#suspended.get(above);
    if (suspended === undefined) {
      const { files, entries } = this.#sources;
      const path = entries.get(above)?.path;
      suspended =
        path !== undefined &&
        isSuspended(attempt(() => readAttribute(files, `${path}/power/runtime_status`)));
      this.#suspended.set(above, suspended);
    }
    return suspended;
  }

  groupType(group: number): string | undefined {
    if (!this.#groupTypes.has(group)) {
      const { files, root } = this.#sources;
      const path = `${root}/kernel/iommu_groups/${group}/type`;
      this.#groupTypes.set(
        group,
        attempt(() => readAttribute(files, path)),
      );
    }
    return this.#groupTypes.get(group);
  }

  /** All functions of a bus hang on the same bridge, so that one link tells for all of them. */
  above({ slot, path }: SlotEntry): Slot | undefined {
    const bus = slot.slice(0, slot.lastIndexOf(':'));
    if (this.#aboveBus.has(bus)) return this.#aboveBus.get(bus);
    const target = attempt(() => this.#sources.files.readlink(path));
    const parents = target?.split('/').slice(0, -1).map(parseSlot);
    const above = parents?.findLast((parent) => parent !== undefined && parent !== slot);
    if (target !== undefined) this.#aboveBus.set(bus, above);
    return above;
  }
}

/** What sysfs says of one function, read as it is asked for and remembered. */
class SysfsFacts implements Known {
  readonly #entry: SlotEntry;
  readonly #sources: FactSources;
  readonly #reader: FactReader;
  readonly #known: Partial<Mutable<Known>> = {};
  #names: readonly string[] | undefined;

  constructor(entry: SlotEntry, sources: FactSources, reader: FactReader) {
    this.#entry = entry;
    this.#sources = sources;
    this.#reader = reader;
  }

  // Every function is asked for this one, and most are for no other: it is read without a look at what there is.
  get powerState(): Known['powerState'] {
    return this.#once('powerState', () => {
      const text = this.#read('power_state');
      return POWER_STATES.find((state) => state === text);
    });
  }

  /**
   * An access through sysfs first resumes the device above (`pci_config_pm_runtime_get`), and the function itself
   * only from D3cold: one that sleeps in D3hot below a bridge that is awake can be read as it is. One in D0 does not
   * sleep, but the bridge above it may: without a driver, a function is left in D0 when it is suspended.
   */
  get asleep(): true | undefined {
    return this.#once('asleep', () => {
      const own = this.powerState === 'D0' ? undefined : this.runtimeStatus;
      if (own === 'suspending') return true;
      // Kernels before 5.11 do not say whether it is D3hot or D3cold.
      if (this.powerState === undefined && isSuspended(own)) return true;
      return this.#reader.isSuspendedAbove(this.#entry) || undefined;
    }) as true | undefined;
  }

  get runtimeStatus(): Known['runtimeStatus'] {
    return this.#once('runtimeStatus', () => this.#read('power/runtime_status') || undefined);
  }

  get ids(): Known['ids'] {
    return this.#once('ids', () => idsOf((name) => this.#text(name)));
  }

  get driver(): Known['driver'] {
    return this.#once('driver', () => {
      const driver = this.#link('driver');
      return driver ? printableName(driver) : this.#hasLinks ? null : undefined;
    });
  }

  get driverShutdown(): Known['driverShutdown'] {
    return this.#once('driverShutdown', () => {
      const driver = this.#link('driver');
      if (!driver) return undefined;
      const { files, hasShutdown } = this.#sources;
      const module = lastOf(attempt(() => files.readlink(`${this.#entry.path}/driver/module`)));
      return hasShutdown(driver, module) ? 'likely' : 'unknown';
    });
  }

  get enabled(): Known['enabled'] {
    return this.#once('enabled', () => countOf(this.#text('enable')));
  }

  get numaNode(): Known['numaNode'] {
    return this.#once('numaNode', () => countOf(this.#text('numa_node')));
  }

  get numVfs(): Known['numVfs'] {
    return this.#once('numVfs', () => countOf(this.#text('sriov_numvfs')));
  }

  get iommuGroup(): Known['iommuGroup'] {
    return this.#once('iommuGroup', () => {
      const group = this.#link('iommu_group');
      if (group && /^\d+$/.test(group)) return Number(group);
      return this.#hasLinks ? null : undefined;
    });
  }

  get iommuDomain(): Known['iommuDomain'] {
    return this.iommuGroup == null ? undefined : this.#reader.groupType(this.iommuGroup) || undefined;
  }

  get resetMethods(): Known['resetMethods'] {
    return this.#once('resetMethods', () => {
      const methods = this.#text('reset_method');
      if (methods !== undefined) return methods.split(/\s+/).filter((word) => word !== '');
      return this.#hasLinks && !this.#has('reset') ? [] : undefined;
    });
  }

  get physfn(): Known['physfn'] {
    return this.#once('physfn', () => {
      const physfn = this.#link('physfn');
      if (physfn) return parseSlot(physfn) ?? null;
      return this.#hasLinks ? null : undefined;
    });
  }

  get parent(): Known['parent'] {
    return this.#once('parent', () => this.#reader.above(this.#entry));
  }

  get bootVga(): Known['bootVga'] {
    return this.#once('bootVga', () => {
      const text = this.#text('boot_vga');
      return text === undefined ? undefined : text === '1';
    });
  }

  get holds(): Known['holds'] {
    return this.#once('holds', () => this.#sources.holds(this.#entry.slot, this.bootVga === true));
  }

  /** All that is known, and nothing else. */
  toJSON(): FunctionFacts {
    const plain: Record<string, unknown> = {};
    for (const key of KEYS) {
      if (this[key] !== undefined) plain[key] = this[key];
    }
    return plain;
  }

  #once<K extends keyof Known>(key: K, ask: () => Known[K]): Known[K] {
    const known = this.#known;
    if (!(key in known)) known[key] = ask();
    return known[key] as Known[K];
  }

  /** Every folder of sysfs has this link; a tree copied without links cannot say that there is no driver. */
  get #hasLinks(): boolean {
    return this.#has('subsystem');
  }

  /** One listing of the folder costs half of asking in vain for each attribute that is not there. */
  #has(name: string): boolean {
    this.#names ??= attempt(() => this.#sources.files.readdir(this.#entry.path)) ?? [];
    return this.#names.includes(name);
  }

  #text(name: string): string | undefined {
    return this.#has(name) ? this.#read(name) : undefined;
  }

  #read(name: string): string | undefined {
    return attempt(() => readAttribute(this.#sources.files, `${this.#entry.path}/${name}`));
  }

  /** The last name of what a link leads to. */
  #link(name: string): string | undefined {
    if (!this.#has(name)) return undefined;
    return lastOf(attempt(() => this.#sources.files.readlink(`${this.#entry.path}/${name}`)));
  }
}

const KEYS = Object.keys({
  ids: true,
  driver: true,
  driverShutdown: true,
  enabled: true,
  powerState: true,
  runtimeStatus: true,
  asleep: true,
  numaNode: true,
  iommuGroup: true,
  iommuDomain: true,
  resetMethods: true,
  physfn: true,
  parent: true,
  numVfs: true,
  bootVga: true,
  holds: true,
} satisfies Record<keyof FunctionFacts, true>) as (keyof FunctionFacts)[];

/** Facts with all that is known as properties of their own: to be printed or compared. */
export function plainFacts(facts: FunctionFacts): FunctionFacts {
  return facts instanceof SysfsFacts ? facts.toJSON() : facts;
}

function isSuspended(runtimeStatus: string | undefined): boolean {
  return runtimeStatus === 'suspended' || runtimeStatus === 'suspending';
}

function idsOf(text: (name: string) => string | undefined): FunctionFacts['ids'] {
  const [vendor, device, classCode] = ['vendor', 'device', 'class'].map((name) =>
    Number(text(name) || Number.NaN),
  );
  if (vendor === undefined || device === undefined || classCode === undefined) return undefined;
  return [vendor, device, classCode].some(Number.isNaN) ? undefined : { vendor, device, classCode };
}

/** `numa_node` is -1 where there is none. */
function countOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function lastOf(path: string | undefined): string | undefined {
  return path?.slice(path.lastIndexOf('/') + 1);
}
