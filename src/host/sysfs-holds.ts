import { parseSlot, type Slot } from '../pci/slot.js';
import type { FunctionFacts } from './facts.js';
import { attempt, printableName, readAttribute, readLines, type SysfsFiles } from './sysfs-files.js';
import { type Mount, mountOf, readMounts, unescapeOctal } from './sysfs-mounts.js';
import type { SysfsTree } from './sysfs-tree.js';

type Hold = 'root' | 'swap' | 'console';
const ORDER: readonly Hold[] = ['root', 'swap', 'console'];

export interface Holdings {
  /** The functions that the root file system, swap or the console would be lost with. */
  readonly bySlot: ReadonlyMap<Slot, NonNullable<FunctionFacts['holds']>>;
  /** A virtual terminal is a console: what shows the firmware's picture may show it, too. */
  readonly screen: boolean;
  /** What it could not be told for. */
  readonly notes: readonly string[];
}

/** More block devices than this on top of each other are a loop. */
const DEPTH_MAX = 16;

/** Where the running system lives. The whole of /usr is as good as the root: without it nothing can be run. */
const ROOTS = ['/', '/usr'];

/** Follows mounts, swaps and consoles down to the PCI functions that carry them. */
export function readHoldings(files: SysfsFiles, tree: SysfsTree): Holdings {
  if (tree.procRoot === undefined) return { bySlot: new Map(), screen: false, notes: [] };
  const finder = new Finder(files, tree, tree.procRoot);
  for (const at of ROOTS) {
    const mount = finder.mounts.findLast((m) => m.at === at);
    if (mount) finder.holdMount('root', mount, 0);
  }
  for (const line of (attempt(() => readLines(files, `${tree.procRoot}/swaps`)) ?? []).slice(1)) {
    const path = unescapeOctal(line.split(/\s+/)[0] ?? '');
    finder.holdSwap(path);
  }
  for (const line of attempt(() => readLines(files, `${tree.procRoot}/consoles`)) ?? [])
    finder.holdConsole(line.split(/\s+/)[0] ?? '');
  const bySlot = new Map<Slot, readonly Hold[]>();
  for (const [slot, holds] of finder.found)
    bySlot.set(
      slot,
      ORDER.filter((hold) => holds.has(hold)),
    );
  return { bySlot, screen: finder.screen, notes: [...finder.notes] };
}

class Finder {
  readonly found = new Map<Slot, Set<Hold>>();
  readonly notes = new Set<string>();
  screen = false;
  readonly mounts: readonly Mount[];
  readonly #files: SysfsFiles;
  readonly #tree: SysfsTree;

  constructor(files: SysfsFiles, tree: SysfsTree, procRoot: string) {
    this.#files = files;
    this.#tree = tree;
    this.mounts = readMounts(files, procRoot);
  }

  holdMount(hold: Hold, mount: Mount, depth: number): void {
    if (depth > DEPTH_MAX) return;
    if (!mount.number.startsWith('0:')) {
      const path = this.#real(`dev/block/${mount.number}`);
      if (path !== undefined) this.#holdBlock(hold, path, depth + 1);
      else this.#cannotTell(hold, `block device ${mount.number}`);
      return;
    }
    // These live in memory.
    if (['tmpfs', 'ramfs', 'rootfs', 'devtmpfs'].includes(mount.type)) return;
    const below = this.#below(mount);
    for (const path of below) this.#holdBlock(hold, path, depth + 1);
    const layers = overlayLayers(mount)
      .map((layer) => mountOf(this.mounts, layer))
      .filter((under) => under !== undefined)
      .filter((under) => under !== mount);
    for (const under of layers) this.holdMount(hold, under, depth + 1);
    if (below.length + layers.length === 0) this.#cannotTell(hold, `${mount.type} ${mount.source}`);
  }

  holdSwap(path: string): void {
    if (path.startsWith('/dev/')) {
      const device = this.#deviceNode(path);
      if (device !== undefined) this.#holdBlock('swap', device, 0);
      else this.#cannotTell('swap', path);
      return;
    }
    const mount = mountOf(this.mounts, path);
    if (mount) this.holdMount('swap', mount, 0);
  }

  holdConsole(name: string): void {
    if (/^tty\d+$/.test(name)) {
      this.screen = true;
      this.#holdFramebuffers();
      return;
    }
    const path = /^[\w-]+$/.test(name) ? this.#real(`class/tty/${name}`) : undefined;
    const slot = path === undefined ? undefined : this.#nearest(path);
    if (slot !== undefined) this.#add(slot, 'console');
    else if (path?.includes('/virtual/') || name.startsWith('netcon')) this.#cannotTell('console', name);
  }

  #holdFramebuffers(): void {
    for (const name of this.#list('class/graphics')) {
      const path = /^fb\d+$/.test(name) ? this.#real(`class/graphics/${name}`) : undefined;
      const slot = path === undefined ? undefined : this.#nearest(path);
      if (slot !== undefined) this.#add(slot, 'console');
    }
  }

  /** Block devices under a file system that has no device number of its own: btrfs on one or several. */
  #below(mount: Mount): string[] {
    const named = mount.source.split(':').filter((part) => part.startsWith('/dev/'));
    const paths = named.map((part) => this.#deviceNode(part)).filter((path) => path !== undefined);
    if (mount.type !== 'btrfs') return paths;
    for (const id of this.#list('fs/btrfs')) {
      const members = this.#list(`fs/btrfs/${id}/devices`)
        .map((name) => this.#real(`fs/btrfs/${id}/devices/${name}`))
        .filter((path) => path !== undefined);
      if (members.some((member) => paths.includes(member))) return members;
    }
    return paths;
  }

  /** The folder in sysfs of `/dev/NAME`, also if that is a link. */
  #deviceNode(path: string): string | undefined {
    const { devRoot } = this.#tree;
    const name = path.slice('/dev/'.length);
    const node =
      devRoot === undefined ? undefined : attempt(() => this.#files.realpath(`${devRoot}/${name}`));
    const base = attempt(() => (devRoot === undefined ? undefined : this.#files.realpath(devRoot)));
    const real =
      node !== undefined && base !== undefined && node.startsWith(`${base}/`)
        ? node.slice(base.length + 1)
        : name;
    // sysfs writes the slash in the name of a device as an exclamation mark.
    return this.#real(`class/block/${real.replaceAll('/', '!')}`);
  }

  #holdBlock(hold: Hold, path: string, depth: number): void {
    if (depth > DEPTH_MAX) return;
    // A partition is a folder in its disk's, which is where the slaves are.
    const disk = this.#text(`${path}/partition`) === undefined ? path : path.slice(0, path.lastIndexOf('/'));
    const slaves = attempt(() => this.#files.readdir(`${disk}/slaves`)) ?? [];
    for (const slave of slaves) {
      const below = attempt(() => this.#files.realpath(`${disk}/slaves/${slave}`));
      if (below !== undefined) this.#holdBlock(hold, below, depth + 1);
    }
    if (slaves.length > 0) return;
    const backing = this.#text(`${disk}/loop/backing_file`);
    if (backing !== undefined) {
      const mount = mountOf(this.mounts, backing);
      if (mount) this.holdMount(hold, mount, depth + 1);
      return;
    }
    const slots = [...this.#multipath(disk), disk]
      .map((p) => this.#nearest(p))
      .filter((slot) => slot !== undefined);
    for (const slot of slots) this.#add(slot, hold);
    const name = disk.slice(disk.lastIndexOf('/') + 1);
    if (slots.length === 0 && !/^(zram|ram)\d+$/.test(name)) this.#cannotTell(hold, name);
  }

  /** A disk under NVMe's own multipath hangs on the subsystem, which has links to its controllers. */
  #multipath(path: string): string[] {
    const subsystem = /^.*\/nvme-subsys\d+/.exec(path)?.[0];
    if (subsystem === undefined) return [];
    const names = attempt(() => this.#files.readdir(subsystem)) ?? [];
    return names
      .filter((name) => /^nvme\d+$/.test(name))
      .map((name) => attempt(() => this.#files.realpath(`${subsystem}/${name}`)))
      .filter((target) => target !== undefined);
  }

  /** The function that a device hangs on; the bridges above it are another matter. */
  #nearest(path: string): Slot | undefined {
    const parts = path.split('/').filter((part) => part.length >= 12);
    return parts.map(parseSlot).findLast((slot) => slot !== undefined);
  }

  #add(slot: Slot, hold: Hold): void {
    const holds = this.found.get(slot);
    if (holds) holds.add(hold);
    else this.found.set(slot, new Set([hold]));
  }

  #cannotTell(hold: Hold, what: string): void {
    const thing = { root: 'the root file system', swap: 'swap', console: 'the console' }[hold];
    this.notes.add(`${thing} is on ${printableName(what)}: which function carries it cannot be told`);
  }

  #real(path: string): string | undefined {
    return attempt(() => this.#files.realpath(`${this.#tree.root}/${path}`));
  }

  #list(path: string): readonly string[] {
    return attempt(() => this.#files.readdir(`${this.#tree.root}/${path}`)) ?? [];
  }

  #text(path: string): string | undefined {
    return attempt(() => readAttribute(this.#files, path));
  }
}

/** The folders that an overlay shows, one over the other. */
function overlayLayers(mount: Mount): string[] {
  if (mount.type !== 'overlay') return [];
  const layers = mount.options.split(',').filter((option) => /^(upperdir|lowerdir)=/.test(option));
  return layers.flatMap((option) => option.slice(option.indexOf('=') + 1).split(':'));
}
