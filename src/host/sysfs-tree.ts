import { join, resolve } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { compareSlots, parseSlot, type Slot } from '../pci/slot.js';
import { unknownSlot } from './port.js';
import {
  attempt,
  errnoCode,
  PROC_SUPER_MAGIC,
  printableName,
  readLines,
  SYSFS_MAGIC,
  type SysfsFiles,
} from './sysfs-files.js';

/** Where things are. */
export interface SysfsTree {
  readonly name: string;
  readonly root: string;
  /** `undefined` where there is none that belongs to this tree. */
  readonly procRoot: string | undefined;
  readonly devRoot: string | undefined;
  /** The folder with one entry for each function. */
  readonly devices: string;
  /** It is the running kernel's own sysfs, by whatever path it was reached. */
  readonly real: boolean;
}

export interface SysfsRoots {
  readonly root?: string | undefined;
  readonly procRoot?: string | undefined;
  readonly devRoot?: string | undefined;
}

export function locateTree(files: SysfsFiles, roots: SysfsRoots): SysfsTree {
  const root = resolve(roots.root ?? '/sys');
  const name = `sysfs:${printableName(root)}`;
  const devices = findDevices(files, root);
  if (devices === undefined) throw noFunctions(files, root, name);
  const real = files.fileSystem(devices) === SYSFS_MAGIC;
  return {
    name,
    root,
    procRoot: roots.procRoot ?? (real ? '/proc' : beside(files, root, 'proc')),
    devRoot: roots.devRoot ?? (real ? '/dev' : beside(files, root, 'dev')),
    devices,
    real,
  };
}

/** Linux's own folder; or `devices` with functions in it, as in trees that were copied without their links. */
function findDevices(files: SysfsFiles, root: string): string | undefined {
  const own = join(root, 'bus/pci/devices');
  if (attempt(() => files.readdir(own))) return own;
  const plain = join(root, 'devices');
  const entries = attempt(() => files.readdir(plain));
  return entries?.some((entry) => parseSlot(entry) !== undefined) ? plain : undefined;
}

/** A copied tree may have its /proc beside it; the running kernel's own never belongs to a copy. */
function beside(files: SysfsFiles, root: string, folder: string): string | undefined {
  const path = resolve(root, '..', folder);
  if (path === '/proc' || path === '/dev') return undefined;
  const fileSystem = attempt(() => files.fileSystem(path));
  return fileSystem === undefined || fileSystem === PROC_SUPER_MAGIC ? undefined : path;
}

function noFunctions(files: SysfsFiles, root: string, name: string): ShootdownError {
  try {
    files.readdir(root);
  } catch (cause) {
    const errno = errnoCode(cause);
    return errno === 'EACCES'
      ? new ShootdownError('no-permission', `${name}: not allowed to read this folder (${errno})`, { cause })
      : new ShootdownError('not-found', `${name}: no folder that can be read (${errno})`, { cause });
  }
  return new ShootdownError(
    'not-found',
    `${name}: neither bus/pci/devices nor devices has a PCI function in it`,
  );
}

export interface SlotEntry {
  readonly slot: Slot;
  /** The function's folder by way of `devices`. */
  readonly path: string;
}

/** Finds the functions of a tree; entries that name none are left to `note`. */
export function listSlots(
  files: SysfsFiles,
  tree: SysfsTree,
  note: (text: string) => void,
): ReadonlyMap<Slot, SlotEntry> {
  const entries: SlotEntry[] = [];
  const been = new Set<Slot>();
  for (const name of files.readdir(tree.devices)) {
    const slot = parseSlot(name);
    if (slot === undefined || been.has(slot)) {
      note(
        `${tree.devices}/${printableName(name)} ${slot ? 'names a function a second time' : 'is no PCI function'}`,
      );
      continue;
    }
    been.add(slot);
    entries.push({ slot, path: `${tree.devices}/${name}` });
  }
  entries.sort((a, b) => compareSlots(a.slot, b.slot));
  return new Map(entries.map((entry) => [entry.slot, entry]));
}

export function entryOf(tree: SysfsTree, entries: ReadonlyMap<Slot, SlotEntry>, slot: Slot): SlotEntry {
  const entry = entries.get(slot);
  if (!entry) throw unknownSlot(tree.name, slot);
  return entry;
}

/** CAP_SYS_ADMIN outside user namespaces: without it the kernel shows 64 bytes of configuration space. */
export function seesAll(files: SysfsFiles): boolean {
  const status = attempt(() => readLines(files, '/proc/self/status')) ?? [];
  const effective =
    status
      .find((line) => line.startsWith('CapEff:'))
      ?.slice(7)
      .trim() ?? '0';
  const users = attempt(() => readLines(files, '/proc/self/uid_map'))?.[0]
    ?.trim()
    .split(/\s+/);
  const initial = users === undefined || (users[0] === '0' && users[1] === '0' && users[2] === '4294967295');
  return initial && ((BigInt(`0x${effective}`) >> 21n) & 1n) === 1n;
}

/** How many files this process may have open; `undefined` where that cannot be told. */
export function openFileLimit(files: SysfsFiles): number | undefined {
  const line = attempt(() => readLines(files, '/proc/self/limits'))?.find((l) =>
    l.startsWith('Max open files'),
  );
  const soft = line?.slice('Max open files'.length).trim().split(/\s+/)[0];
  if (soft === 'unlimited') return Number.MAX_SAFE_INTEGER;
  return soft === undefined ? undefined : Number.parseInt(soft, 10);
}
