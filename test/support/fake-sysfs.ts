import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** One PCI function of a fake tree. Only `slot` and `config` are needed. */
export interface FakeFunction {
  readonly slot: string;
  /** 64, 256 or 4096 bytes; `vendor`, `device` and `class` are taken from it. */
  readonly config: Uint8Array;
  /** Slot of the bridge above; without it the function sits on a root bus. */
  readonly parent?: string;
  readonly driver?: string;
  /** Module of the driver; without it the driver counts as built in. */
  readonly module?: string;
  /** Default `D0`. */
  readonly powerState?: string;
  /** Default `active`. */
  readonly runtimeStatus?: string;
  readonly enable?: number;
  readonly numaNode?: number;
  readonly iommuGroup?: number;
  readonly resetMethods?: readonly string[];
  /** Slot of the PF that this VF belongs to. */
  readonly physfn?: string;
  readonly numVfs?: number;
  readonly bootVga?: boolean;
  /** More attributes, or other values for those above; `null` leaves one out. */
  readonly attributes?: Readonly<Record<string, string | null>>;
}

/** A block device, found under `block/NAME` of its function. */
export interface FakeBlockDevice {
  readonly name: string;
  /** `major:minor` */
  readonly number: string;
  /** Slot of the controller, or a path below `devices/`, such as `virtual/block`. Default `virtual/block`. */
  readonly on?: string;
  /** Names of partitions, numbered on from the device's minor. */
  readonly partitions?: readonly string[];
  /** Names of the block devices below: dm, md. Those must come first. */
  readonly slaves?: readonly string[];
  /** More files of its folder: `loop/backing_file`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** What `buildFakeSysfs` makes. Everything is optional but the functions. */
export interface FakeMachine {
  readonly functions: readonly FakeFunction[];
  readonly blockDevices?: readonly FakeBlockDevice[];
  /** Domain type of each IOMMU group; a group without one is `DMA`. */
  readonly iommuGroups?: Readonly<Record<number, string>>;
  readonly lockdown?: 'none' | 'integrity' | 'confidentiality';
  readonly kexecLoaded?: boolean;
  readonly kexecCrashLoaded?: boolean;
  /** Lines of /proc/self/mountinfo. */
  readonly mountinfo?: readonly string[];
  /** Files and devices in /proc/swaps. */
  readonly swaps?: readonly string[];
  /** Lines of /proc/consoles. */
  readonly consoles?: readonly string[];
  /** What /proc/sys/kernel/hostname and osrelease hold. */
  readonly hostname?: string;
  readonly kernel?: string;
  /** Links of /dev: `mapper/root` → `dm-0`. */
  readonly devLinks?: Readonly<Record<string, string>>;
  readonly kallsyms?: string;
  /** Class devices: `tty/ttyS0` → slot of its function, or a path below `devices/`. */
  readonly classes?: Readonly<Record<string, string>>;
}

export interface FakeSysfs {
  /** For `openSysfs({ root })`; `proc` and `dev` lie beside it, where openSysfs finds them. */
  readonly root: string;
  configPath(slot: string): string;
  config(slot: string): Uint8Array;
  /** What an attribute holds now, or `undefined`: also what was written to `unbind` of a driver. */
  read(path: string): string | undefined;
  /** Adds a link; both paths are relative to the root. */
  link(path: string, target: string): void;
  /** The bytes of every config file as they are now, by slot. */
  snapshot(): ReadonlyMap<string, Uint8Array>;
  remove(): void;
}

/** Builds a tree in the layout of Linux's sysfs, links included, in a temporary folder or in `folder`. */
export function buildFakeSysfs(machine: FakeMachine, folder?: string): FakeSysfs {
  const base = folder ?? mkdtempSync(join(tmpdir(), 'shootdown-sysfs-'));
  const tree = new Tree(join(base, 'sys'));
  const bySlot = new Map(machine.functions.map((f) => [f.slot, f]));
  tree.folder('bus/pci/devices');
  tree.folder('bus/pci/drivers');
  tree.folder('kernel/iommu_groups');
  tree.folder('class/iommu');
  for (const f of machine.functions) addFunction(tree, f, bySlot);
  for (const [group, type] of Object.entries(machine.iommuGroups ?? {}))
    tree.file(`kernel/iommu_groups/${group}/type`, type);
  if (machine.functions.some((f) => f.iommuGroup !== undefined)) tree.folder('class/iommu/dmar0');
  for (const device of machine.blockDevices ?? []) addBlockDevice(tree, device, bySlot);
  for (const [path, on] of Object.entries(machine.classes ?? {})) {
    const home = `${deviceFolder(on, bySlot)}/${path}`;
    tree.folder(home);
    tree.link(`class/${path}`, home);
  }
  if (machine.lockdown) {
    const words = ['none', 'integrity', 'confidentiality'];
    const line = words.map((word) => (word === machine.lockdown ? `[${word}]` : word)).join(' ');
    tree.file('kernel/security/lockdown', line);
  }
  if (machine.kexecLoaded !== undefined) tree.file('kernel/kexec_loaded', machine.kexecLoaded ? '1' : '0');
  if (machine.kexecCrashLoaded !== undefined)
    tree.file('kernel/kexec_crash_loaded', machine.kexecCrashLoaded ? '1' : '0');
  addProcAndDev(base, machine);
  return openTree(base, machine, tree);
}

function openTree(base: string, machine: FakeMachine, tree: Tree): FakeSysfs {
  const root = join(base, 'sys');
  const configPath = (slot: string) => join(root, 'bus/pci/devices', slot, 'config');
  return {
    root,
    configPath,
    config: (slot) => new Uint8Array(readFileSync(configPath(slot))),
    read: (path) => {
      const full = join(root, path);
      return existsSync(full) ? readFileSync(full, 'utf8') : undefined;
    },
    link: (path, target) => tree.link(path, target),
    snapshot: () =>
      new Map(machine.functions.map((f) => [f.slot, new Uint8Array(readFileSync(configPath(f.slot)))])),
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}

/** Where a function's real folder lies: `devices/pci0000:00/0000:00:1c.0/0000:01:00.0`. */
function deviceFolder(on: string, bySlot: ReadonlyMap<string, FakeFunction>): string {
  const f = bySlot.get(on);
  if (!f) return `devices/${on}`;
  if (f.parent !== undefined) return `${deviceFolder(f.parent, bySlot)}/${f.slot}`;
  return `devices/pci${f.slot.slice(0, -5)}/${f.slot}`;
}

function addFunction(tree: Tree, f: FakeFunction, bySlot: ReadonlyMap<string, FakeFunction>): void {
  const home = deviceFolder(f.slot, bySlot);
  const word = (at: number) => (f.config[at] ?? 0xff) | ((f.config[at + 1] ?? 0xff) << 8);
  const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;
  const attributes: Record<string, string | null> = {
    vendor: hex(word(0), 4),
    device: hex(word(2), 4),
    class: hex((word(10) << 8) | (f.config[9] ?? 0xff), 6),
    irq: '0',
    resource: Array(13).fill('0x0000000000000000 0x0000000000000000 0x0000000000000000').join('\n'),
    enable: String(f.enable ?? (f.driver === undefined ? 0 : 1)),
    numa_node: String(f.numaNode ?? -1),
    power_state: f.powerState ?? 'D0',
    'power/runtime_status': f.runtimeStatus ?? 'active',
    reset_method: f.resetMethods ? f.resetMethods.join(' ') : null,
    reset: f.resetMethods ? '' : null,
    sriov_numvfs: f.numVfs === undefined ? null : String(f.numVfs),
    boot_vga: f.bootVga === undefined ? null : f.bootVga ? '1' : '0',
    ...f.attributes,
  };
  tree.folder(`${home}/power`);
  for (const [name, text] of Object.entries(attributes)) {
    if (text !== null) tree.file(`${home}/${name}`, text);
  }
  tree.bytes(`${home}/config`, f.config);
  tree.link(`bus/pci/devices/${f.slot}`, home);
  tree.link(`${home}/subsystem`, 'bus/pci');
  if (f.physfn !== undefined) tree.link(`${home}/physfn`, deviceFolder(f.physfn, bySlot));
  if (f.driver !== undefined) addDriver(tree, f.driver, f, home);
  if (f.iommuGroup !== undefined) {
    const group = `kernel/iommu_groups/${f.iommuGroup}`;
    if (!tree.has(`${group}/type`)) tree.file(`${group}/type`, 'DMA');
    tree.link(`${group}/devices/${f.slot}`, home);
    tree.link(`${home}/iommu_group`, group);
  }
}

function addDriver(tree: Tree, driver: string, f: FakeFunction, home: string): void {
  const folder = `bus/pci/drivers/${driver}`;
  if (!tree.has(folder)) {
    tree.file(`${folder}/bind`, '');
    tree.file(`${folder}/unbind`, '');
    if (f.module !== undefined) {
      tree.folder(`module/${f.module}`);
      tree.link(`${folder}/module`, `module/${f.module}`);
    }
  }
  tree.link(`${folder}/${f.slot}`, home);
  tree.link(`${home}/driver`, folder);
}

function addBlockDevice(
  tree: Tree,
  device: FakeBlockDevice,
  bySlot: ReadonlyMap<string, FakeFunction>,
): void {
  const on = device.on ?? 'virtual/block';
  const home = bySlot.has(on)
    ? `${deviceFolder(on, bySlot)}/block/${device.name}`
    : `devices/${on}/${device.name}`;
  const [major = '0', minor = '0'] = device.number.split(':');
  const add = (name: string, folder: string, number: string) => {
    tree.file(`${folder}/dev`, number);
    tree.link(`dev/block/${number}`, folder);
    tree.link(`class/block/${name}`, folder);
  };
  add(device.name, home, device.number);
  tree.folder(`${home}/slaves`);
  for (const slave of device.slaves ?? []) tree.link(`${home}/slaves/${slave}`, `class/block/${slave}`);
  for (const [name, text] of Object.entries(device.files ?? {})) tree.file(`${home}/${name}`, text);
  (device.partitions ?? []).forEach((name, index) => {
    add(name, `${home}/${name}`, `${major}:${Number(minor) + index + 1}`);
    tree.file(`${home}/${name}/partition`, String(index + 1));
  });
}

function addProcAndDev(base: string, machine: FakeMachine): void {
  const proc = new Tree(join(base, 'proc'));
  const dev = new Tree(join(base, 'dev'));
  if (machine.mountinfo) proc.file('self/mountinfo', machine.mountinfo.join('\n'));
  if (machine.consoles) proc.file('consoles', machine.consoles.join('\n'));
  if (machine.hostname !== undefined) proc.file('sys/kernel/hostname', machine.hostname);
  if (machine.kernel !== undefined) proc.file('sys/kernel/osrelease', machine.kernel);
  if (machine.kallsyms !== undefined) proc.file('kallsyms', machine.kallsyms);
  const lines = (machine.swaps ?? []).map(
    (path) => `${path} ${path.startsWith('/dev/') ? 'partition' : 'file'}\t1048572\t\t0\t\t-2`,
  );
  if (machine.swaps)
    proc.file('swaps', ['Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority', ...lines].join('\n'));
  for (const device of machine.blockDevices ?? []) {
    for (const name of [device.name, ...(device.partitions ?? [])]) dev.file(name, '');
  }
  for (const [path, target] of Object.entries(machine.devLinks ?? {})) dev.link(path, target);
}

/** A folder that is written into by paths relative to it. */
class Tree {
  readonly #root: string;
  readonly #folders = new Set<string>();

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true });
  }

  has(path: string): boolean {
    return existsSync(join(this.#root, path));
  }

  folder(path: string): void {
    if (this.#folders.has(path)) return;
    mkdirSync(join(this.#root, path), { recursive: true });
    this.#folders.add(path);
  }

  /** A text with the newline that sysfs puts behind it. */
  file(path: string, text: string): void {
    this.folder(dirname(path));
    writeFileSync(join(this.#root, path), text === '' ? '' : `${text}\n`);
  }

  bytes(path: string, bytes: Uint8Array): void {
    this.folder(dirname(path));
    writeFileSync(join(this.#root, path), bytes);
  }

  link(path: string, target: string): void {
    this.folder(dirname(path));
    symlinkSync(relative(join(this.#root, dirname(path)), join(this.#root, target)), join(this.#root, path));
  }
}
