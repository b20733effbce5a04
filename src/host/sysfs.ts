import { createHash } from 'node:crypto';
import { ShootdownError } from '../pci/error.js';
import type { Slot } from '../pci/slot.js';
import { checkAccess, type Host } from './port.js';
import { sysfsActions } from './sysfs-actions.js';
import { ConfigFiles } from './sysfs-config.js';
import { NEEDS_FLAG } from './sysfs-error.js';
import { FactReader } from './sysfs-facts.js';
import { nodeFiles, type SysfsFiles } from './sysfs-files.js';
import { type Holdings, readHoldings } from './sysfs-holds.js';
import { hasShutdown, readShutdownSymbols, type ShutdownSymbols } from './sysfs-kallsyms.js';
import { readLockdown, readMachineFacts } from './sysfs-machine.js';
import { entryOf, listSlots, locateTree, openFileLimit, type SlotEntry, seesAll } from './sysfs-tree.js';

export interface SysfsOptions {
  /** Default `/sys`; also a folder that has but `devices/SLOT/config` in it. */
  readonly root?: string | undefined;
  /** Default `/proc` for the running kernel's sysfs, else `proc` beside the root where there is one. */
  readonly procRoot?: string | undefined;
  readonly devRoot?: string | undefined;
  readonly write?: boolean | undefined;
  /** Allows writing to the PCI devices of the machine that this runs on. */
  readonly writeRealSys?: boolean | undefined;
  readonly files?: SysfsFiles | undefined;
  /** How many files may be open at once; default the process's own limit. */
  readonly openFileLimit?: number | undefined;
}

/** Notes on more functions than this say no more than their number. */
const NOTES_MAX = 32;

/**
 * Opens the functions of a Linux kernel, or of a tree in the layout of its sysfs. Throws `not-found` where there are
 * none, and `refused` where the running machine would be written without `writeRealSys`.
 */
export function openSysfs(options: SysfsOptions = {}): Host {
  const files = options.files ?? nodeFiles;
  const tree = locateTree(files, options);
  const write = options.write === true;
  const writeReal = options.writeRealSys === true;
  if (write && tree.real && !writeReal) throw new ShootdownError('refused', `${tree.name}: ${NEEDS_FLAG}`);

  const notes: string[] = [];
  let dropped = 0;
  const note = (text: string) => {
    if (notes.length < NOTES_MAX) notes.push(text);
    else dropped++;
  };
  let found: ReadonlyMap<Slot, SlotEntry> | undefined;
  const entries = () => {
    found ??= listSlots(files, tree, note);
    return found;
  };
  const pathOf = (slot: Slot) => entryOf(tree, entries(), slot).path;
  const lockdown = () => readLockdown(files, tree.root);
  const config = new ConfigFiles({
    files,
    pathOf: (slot) => `${pathOf(slot)}/config`,
    write,
    writeReal,
    only64: tree.real && !seesAll(files),
    openFileLimit: options.openFileLimit ?? openFileLimit(files),
    lockdown,
  });

  let holdings: Holdings | undefined;
  const allHoldings = () => {
    if (!holdings) {
      holdings = readHoldings(files, tree);
      holdings.notes.forEach(note);
    }
    return holdings;
  };
  const holds = (slot: Slot, bootVga: boolean) => {
    const { bySlot, screen } = allHoldings();
    const known = bySlot.get(slot);
    if (!bootVga || !screen || known?.includes('console')) return known;
    return [...(known ?? []), 'console' as const];
  };
  let symbols: ShutdownSymbols | undefined;
  const shutdown = (driver: string, module: string | undefined) => {
    if (tree.procRoot === undefined) return false;
    symbols ??= readShutdownSymbols(files, `${tree.procRoot}/kallsyms`);
    return hasShutdown(symbols, driver, module);
  };
  let reader: FactReader | undefined;
  const facts = () => {
    reader ??= new FactReader({ files, root: tree.root, entries: entries(), holds, hasShutdown: shutdown });
    return reader;
  };

  return {
    name: tree.name,
    writable: write,
    get notes() {
      const all = [...notes];
      if (dropped > 0) all.push(`${tree.name}: ${dropped} more notes of this kind`);
      if (config.hidden > 0)
        all.push(
          `only 64 bytes of ${config.hidden} functions can be seen: run as root to see their capabilities`,
        );
      return all;
    },
    slots: async () => {
      facts().refresh();
      return [...entries().keys()];
    },
    visibleBytes: async (slot) => config.visible(slot),
    read: async (slot, offset, width) => {
      checkAccess(slot, offset, width, config.visible(slot));
      return config.read(slot, offset, width);
    },
    write: async (slot, offset, width, value) => {
      checkAccess(slot, offset, width, config.visible(slot));
      if (!write)
        throw new ShootdownError('read-only', `${slot}: ${tree.name} was opened for reading`, { slot });
      config.write(slot, offset, width, value);
    },
    readRange: async (slot, offset, length) => {
      const visible = config.visible(slot);
      if (offset % 2 !== 0 || length % 2 !== 0 || length < 0) checkAccess(slot, offset, 2, 64);
      if (offset >= visible) return new Uint8Array(0);
      return config.readRange(slot, offset, Math.min(length, visible - offset));
    },
    release: (slot) => config.release(slot),
    facts: async (slot) => facts().read(entryOf(tree, entries(), slot)),
    knowsVirtualFunctions: true,
    machineFacts: async () => {
      // A scan takes the notes when it ends, and may not have asked what any function holds.
      const unknown = allHoldings().notes.length > 0;
      return { ...readMachineFacts(files, tree), ...(unknown ? { holdsUnknown: true } : {}) };
    },
    ...(write ? { actions: sysfsActions({ files, root: tree.root, pathOf, writeReal, lockdown }) } : {}),
    lockName: lockName(files, tree.devices, tree.real),
    close: async () => config.close(),
  };
}

/** One name for one machine: however its sysfs was mounted and reached, the devices in it are the same. */
function lockName(files: SysfsFiles, devices: string, real: boolean): string {
  if (real) return 'sysfs-real';
  return `sysfs-${createHash('sha256').update(files.identity(devices)).digest('hex').slice(0, 16)}`;
}
