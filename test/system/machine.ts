import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock as clock } from '../../src/host/clock.js';
import { Closing } from '../../src/lab/closing.js';
import { command } from '../../src/lab/command.js';
import { CONSOLE_CMDLINE, Guest } from '../../src/lab/guest.js';
import type { DeviceDescription } from '../../src/lab/machine.js';
import { openMaster } from '../../src/lab/master.js';
import { openFrameSource } from '../../src/lab/qemu-net.js';
import { RunFolder } from '../../src/lab/run-folder.js';
import { GUEST_MAC, NETDEV } from '../../src/lab/scenario.js';
import type { Store } from '../../src/lab/store.js';
import { espArguments, ovmfArguments } from '../support/ovmf.js';
import { ROOT_LABEL } from './bootstrap.js';
import { Disk } from './disk.js';
import { SystemGuest } from './guest.js';
import { CRASHKERNEL } from './recipe.js';

export interface SystemMachineOptions {
  readonly store: Store;
  /** As `guestImage` gives it. */
  readonly image: string;
  /** Of the folder below `runs` in the store where its console and traces are left. */
  readonly name: string;
}

export interface BootOptions {
  /** `uname -r` of the kernel; default the newest in /boot, as a boot loader would take it. */
  readonly release?: string;
  /** Further words on its command line. */
  readonly cmdline?: string;
  /** A folder of this machine: the guest finds a read-only copy of it at `FILES_FOLDER`. */
  readonly files?: string;
  /** Instead of an e1000e below a root port, fed with frames. */
  readonly devices?: readonly DeviceDescription[];
  /** Further arguments for QEMU. */
  readonly qemu?: readonly string[];
  /** UEFI firmware with Secure Boot and the snakeoil key finds the kernel, which must be signed with it. */
  readonly secureBoot?: boolean;
}

export const FILES_FOLDER = '/run/files';
const FILES_LABEL = 'files';
const MEMORY_MIB = 1024;
/** Firmware leaves holes in it. */
const SECURE_BOOT_MEMORY_MIB = 2048;
const BOOT_TIMEOUT_MS = 900_000;

/** The NIC is below a PCIe root port, like those of a server. */
export const BUSY_NIC: readonly DeviceDescription[] = [
  { model: 'pcie-root-port', id: 'rp1', device: 3 },
  { model: 'e1000e', bus: 'rp1', netdev: NETDEV, properties: { mac: GUEST_MAC } },
];

/** A machine with a disk of its own, which starts as the image is and lives through as many boots as there are. */
export class SystemMachine {
  readonly disk: Disk;
  /** Console and trace of each boot. */
  readonly folder: RunFolder;
  readonly #closing = new Closing();
  #boots = 0;

  private constructor(disk: Disk, folder: RunFolder) {
    this.disk = disk;
    this.folder = folder;
  }

  static async create(options: SystemMachineOptions): Promise<SystemMachine> {
    const { store, image, name } = options;
    const folder = store.path('runs', name);
    await rm(folder, { recursive: true, force: true });
    return new SystemMachine(await Disk.copyOf(store, image), new RunFolder(folder));
  }

  /** Starts it until its command line answers. The guest before must have ended. */
  async boot(options: BootOptions = {}): Promise<SystemGuest> {
    const { devices = BUSY_NIC, cmdline = '', qemu = [], files, secureBoot = false } = options;
    const memoryMiB = secureBoot ? SECURE_BOOT_MEMORY_MIB : MEMORY_MIB;
    const boot = await this.#kernel(options.release);
    const number = ++this.#boots;
    const disks = [
      '-drive',
      `if=none,id=root,format=raw,file=${this.disk.path}`,
      '-device',
      'ide-hd,drive=root,bus=ide.0',
    ];
    if (files !== undefined) {
      const image = await this.#filesImage(files);
      disks.push('-drive', `if=none,id=files,format=raw,readonly=on,file=${image}`);
      disks.push('-device', 'virtio-blk-pci,drive=files');
    }
    const source = await openFrameSource(NETDEV);
    this.#closing.add(() => source.close());
    this.disk.changed();
    const words = [CONSOLE_CMDLINE, `root=LABEL=${ROOT_LABEL} ro net.ifnames=0`, CRASHKERNEL, cmdline];
    const guest = await Guest.boot({
      machine: {
        chipset: 'q35',
        memoryMiB,
        devices,
        netdevs: [source.options],
        traces: ['pci_cfg_write'],
        extra: disks,
      },
      qemu: [...(secureBoot ? await this.#firmware(boot, words.join(' ').trim()) : []), ...qemu],
      boot: secureBoot ? null : { ...boot, cmdline: words.join(' ').trim() },
      onConsole: (text) => this.folder.append(`console-${number}.txt`, text),
      trace: join(this.folder.path, `trace-${number}`),
      clock,
      bootTimeoutMs: BOOT_TIMEOUT_MS,
    });
    this.#closing.add(() => guest.stop());
    const master = openMaster({ kind: 'frames' }, { source, seed: randomBytes(12), clock, memoryMiB });
    this.#closing.add(() => master.close());
    const system = new SystemGuest(guest, master);
    if (files !== undefined)
      await system.must(`mkdir -p ${FILES_FOLDER}; modprobe virtio_blk; udevadm settle
mount -o ro LABEL=${FILES_LABEL} ${FILES_FOLDER}`);
    return system;
  }

  /** Ends what runs and removes the disk. */
  async close(): Promise<void> {
    await this.#closing.close();
    await this.disk.remove();
    await rm(this.#scratch, { recursive: true, force: true });
  }

  get #scratch(): string {
    return `${this.disk.path}-files`;
  }

  /** Out of /boot, as a boot loader would do it. */
  async #kernel(asked: string | undefined): Promise<{ kernel: string; initramfs: string }> {
    const release = asked ?? (await this.kernels()).at(-1);
    if (release === undefined) throw new Error('the guest has no kernel in /boot');
    await mkdir(this.#scratch, { recursive: true });
    const copy = async (name: string) => {
      await this.disk.copyOut(`/boot/${name}`, join(this.#scratch, name));
      return join(this.#scratch, name);
    };
    return { kernel: await copy(`vmlinuz-${release}`), initramfs: await copy(`initrd.img-${release}`) };
  }

  /** On the disk that firmware boots from, there are the kernel and its initramfs alone: no boot loader. */
  async #firmware(boot: { kernel: string; initramfs: string }, cmdline: string): Promise<string[]> {
    const esp = join(this.#scratch, 'esp');
    await mkdir(esp, { recursive: true });
    await rename(boot.kernel, join(esp, 'vmlinuz.efi'));
    await rename(boot.initramfs, join(esp, 'initrd.img'));
    const entry = { path: '\\vmlinuz.efi', cmdline: `initrd=\\initrd.img ${cmdline}` };
    const variables = join(this.#scratch, 'variables');
    return [...ovmfArguments({ variables, secure: true, entry }), ...espArguments(esp)];
  }

  /** Releases of the kernels in /boot, the newest last. */
  async kernels(): Promise<readonly string[]> {
    const names = (await this.disk.list('/boot')).map(({ name }) => name);
    const releases = names.flatMap((name) => /^vmlinuz-(.+)$/.exec(name)?.[1] ?? []);
    return releases.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  }

  async #filesImage(folder: string): Promise<string> {
    const image = join(this.#scratch, FILES_LABEL);
    await rm(image, { force: true });
    const kib = (await command('du', ['-sk', folder])).toString('utf8').split('\t')[0] ?? '0';
    const size = `${Math.ceil(Number(kib) / 1024) * 2 + 16}M`;
    await command('mkfs.ext4', ['-q', '-L', FILES_LABEL, '-d', folder, image, size]);
    return image;
  }
}
