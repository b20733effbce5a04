import { parseSlot, type Slot } from '../pci/slot.js';
import type { FunctionFacts } from './facts.js';
import { attempt, printable, readAttribute, type SysfsFiles } from './sysfs-files.js';
import type { SlotEntry } from './sysfs-tree.js';

export interface FactSources {
  readonly files: SysfsFiles;
  readonly root: string;
  readonly entries: ReadonlyMap<Slot, SlotEntry>;
  readonly holds: (slot: Slot, bootVga: boolean) => FunctionFacts['holds'];
  /** Whether a driver has a shutdown method, by its name and that of its module. */
  readonly hasShutdown: (driver: string, module: string | undefined) => boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const POWER_STATES = ['D0', 'D1', 'D2', 'D3hot', 'D3cold', 'unknown'] as const;

/**
 * Reads what sysfs says of functions. None of it touches a device: the kernel answers from memory. One listing
 * of the folder tells what there is; asking in vain for each attribute would cost twice as much.
 */
export class FactReader {
  readonly #sources: FactSources;
  readonly #groupTypes = new Map<number, string | undefined>();
  readonly #suspended = new Map<Slot, boolean>();

  constructor(sources: FactSources) {
    this.#sources = sources;
  }

  /** A function that is gone has no facts. */
  read({ slot, path }: SlotEntry): FunctionFacts {
    const { files } = this.#sources;
    const names = new Set(attempt(() => files.readdir(path)));
    const text = (name: string): string | undefined =>
      names.has(name) ? attempt(() => readAttribute(files, `${path}/${name}`)) : undefined;
    const link = (name: string): string | undefined =>
      names.has(name)
        ? attempt(() => files.readlink(`${path}/${name}`))
            ?.split('/')
            .at(-1)
        : undefined;

    const facts: Mutable<FunctionFacts> = {};
    // Every folder of sysfs has this link; a tree copied without links cannot say that there is no driver.
    const hasLinks = names.has('subsystem');
    const powerState = POWER_STATES.find((state) => state === text('power_state'));
    if (powerState) facts.powerState = powerState;
    const runtime = names.has('power')
      ? attempt(() => readAttribute(files, `${path}/power/runtime_status`))
      : undefined;
    if (runtime) facts.runtimeStatus = runtime;
    this.#suspended.set(slot, isSuspended(runtime));
    if (this.#accessWakes(slot, path, facts)) facts.asleep = true;
    if (facts.asleep || powerState === 'D3cold' || isSuspended(runtime)) {
      const ids = idsOf(text);
      if (ids) facts.ids = ids;
    }
    const driver = link('driver');
    if (driver) this.#addDriver(facts, driver, path);
    else if (hasLinks) facts.driver = null;
    addNumber(facts, 'enabled', text('enable'), 0);
    addNumber(facts, 'numaNode', text('numa_node'), 0);
    addNumber(facts, 'numVfs', text('sriov_numvfs'), 0);
    const group = link('iommu_group');
    if (group && /^\d+$/.test(group)) this.#addGroup(facts, Number(group));
    else if (hasLinks) facts.iommuGroup = null;
    const methods = text('reset_method');
    if (methods !== undefined) facts.resetMethods = methods.split(/\s+/).filter((word) => word !== '');
    else if (hasLinks && !names.has('reset')) facts.resetMethods = [];
    const physfn = link('physfn');
    if (hasLinks || physfn) facts.physfn = physfn ? (parseSlot(physfn) ?? null) : null;
    const bootVga = text('boot_vga');
    if (bootVga !== undefined) facts.bootVga = bootVga === '1';
    const holds = this.#sources.holds(slot, facts.bootVga === true);
    if (holds) facts.holds = holds;
    return facts;
  }

  /** Forgets what may change from one moment to the next. */
  refresh(): void {
    this.#suspended.clear();
  }

  /**
   * An access through sysfs first resumes the device above (`pci_config_pm_runtime_get`), and the function itself
   * only from D3cold: one that sleeps in D3hot below a bridge that is awake can be read as it is.
   */
  #accessWakes(slot: Slot, path: string, facts: FunctionFacts): boolean {
    if (facts.runtimeStatus === 'suspending') return true;
    // Kernels before 5.11 do not say whether it is D3hot or D3cold.
    if (facts.powerState === undefined && isSuspended(facts.runtimeStatus)) return true;
    const above = this.#above(slot, path);
    return above !== undefined && this.#isSuspended(above);
  }

  #above(slot: Slot, path: string): Slot | undefined {
    const target = attempt(() => this.#sources.files.readlink(path));
    const parents = target?.split('/').slice(0, -1).map(parseSlot);
    return parents?.findLast((parent) => parent !== undefined && parent !== slot);
  }

  #isSuspended(slot: Slot): boolean {
    const known = this.#suspended.get(slot);
    if (known !== undefined) return known;
    const { files, entries } = this.#sources;
    const path = entries.get(slot)?.path;
    const suspended =
      path !== undefined && isSuspended(attempt(() => readAttribute(files, `${path}/power/runtime_status`)));
    this.#suspended.set(slot, suspended);
    return suspended;
  }

  #addDriver(facts: Mutable<FunctionFacts>, driver: string, path: string): void {
    const { files, hasShutdown } = this.#sources;
    facts.driver = printable(driver);
    // Only some callers want to know, and the answer is a pass over all symbols of the kernel.
    Object.defineProperty(facts, 'driverShutdown', {
      enumerable: true,
      configurable: true,
      get: () => {
        const module = attempt(() => files.readlink(`${path}/driver/module`))
          ?.split('/')
          .at(-1);
        return hasShutdown(driver, module) ? 'likely' : 'unknown';
      },
    });
  }

  #addGroup(facts: Mutable<FunctionFacts>, group: number): void {
    facts.iommuGroup = group;
    const { files, root } = this.#sources;
    if (!this.#groupTypes.has(group)) {
      const path = `${root}/kernel/iommu_groups/${group}/type`;
      this.#groupTypes.set(
        group,
        attempt(() => readAttribute(files, path)),
      );
    }
    const type = this.#groupTypes.get(group);
    if (type) facts.iommuDomain = type;
  }
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

function addNumber(
  facts: Mutable<FunctionFacts>,
  key: 'enabled' | 'numaNode' | 'numVfs',
  text: string | undefined,
  least: number,
): void {
  if (text === undefined || !/^-?\d{1,9}$/.test(text)) return;
  const value = Number(text);
  if (value >= least) facts[key] = value;
}
