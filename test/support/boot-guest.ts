import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock as clock } from '../../src/host/clock.js';
import { BOOT_PARAMS, PROGRESS, SETUP } from '../../src/image/layout.js';
import { CONSOLE_CMDLINE, Guest } from '../../src/lab/guest.js';
import { readFlight, type TracedWrite, tracedWrites } from '../../src/lab/guest-flight.js';
import { readFunctions } from '../../src/lab/guest-pci.js';
import { buildInitramfs, type GuestParts, NEXT_INITRAMFS, NEXT_KERNEL } from '../../src/lab/initramfs.js';
import { readTrace } from '../../src/lab/qemu-trace.js';
import { espArguments, ovmfArguments } from './ovmf.js';

// Guests whose kernels are entered in every way that there is, and what is seen of it from inside and outside.

/** `ovmf`: given to UEFI firmware by QEMU; `ovmf-disk`: found by it on a disk. */
export type Firmware = 'seabios' | 'ovmf' | 'ovmf-disk';

export interface BootGuestOptions {
  readonly parts: GuestParts;
  /** Path of the kernel that is booted. */
  readonly kernel: string;
  readonly firmware: Firmware;
  /** Path of the kernel that `kexec` loads. */
  readonly next: string;
}

/** A kernel that has come up. */
export interface BootSeen {
  /** Boot loader ID, as in boot_params. */
  readonly loader: number;
  readonly initSize: number;
  /** `MemTotal:  468416 kB` */
  readonly memTotal: string;
  /** Ranges that the kernel was told of, a line each. */
  readonly memoryMap: string;
  /** Types of the setup_data nodes. */
  readonly setupData: string;
  readonly flight: Uint8Array | null;
  /** Command registers by slot, before any driver. */
  readonly commands: Readonly<Record<string, number>>;
  /** To configuration space since the machine was started, or since the jump was asked for. */
  readonly writes: readonly TracedWrite[];
  /** The stub's first two codes were written to port 0x80, one after the other. */
  readonly progress: boolean;
}

const MEMORY_MIB = 512;
const READY_TIMEOUT_MS = 120_000;
/** Nobody else writes to port 0x80 then. */
const WORDS = `${CONSOLE_CMDLINE} io_delay=none`;
const FACTS = `p=/sys/kernel/boot_params
u32() { od -An -tu4 -j $1 -N 4 $p/data; }
echo $(od -An -tu1 -j ${SETUP.typeOfLoader} -N 1 $p/data) $(u32 ${SETUP.initSize})
grep MemTotal /proc/meminfo
echo $(cat $p/setup_data/*/type 2>/dev/null)
od -An -tu1 -j ${BOOT_PARAMS.e820Entries} -N 1 $p/data
for one in /sys/firmware/memmap/*; do echo $(cat $one/start $one/end $one/type); done | sort`;

export class BootGuest {
  readonly #guest: Guest;
  readonly #folder: string;
  #writesBefore = 0;

  private constructor(guest: Guest, folder: string) {
    this.#guest = guest;
    this.#folder = folder;
  }

  static async start({ parts, kernel, firmware, next }: BootGuestOptions): Promise<BootGuest> {
    const folder = mkdtempSync(join(tmpdir(), 'shootdown-boot-'));
    try {
      const { path: initramfs } = await buildInitramfs(parts, { next });
      const direct = { kernel, initramfs, cmdline: WORDS };
      const guest = await Guest.boot({
        machine: {
          chipset: 'q35',
          memoryMiB: MEMORY_MIB,
          devices: [{ model: 'e1000e', device: 3 }],
          traces: ['pci_cfg_write'],
          extra: [
            ...['-chardev', `file,id=progress,path=${join(folder, 'progress')}`],
            ...['-device', 'isa-debugcon,iobase=0x80,chardev=progress'],
          ],
        },
        qemu: firmwareArguments(firmware, folder, direct),
        boot: firmware === 'ovmf-disk' ? null : direct,
        onConsole: () => {},
        clock,
        trace: join(folder, 'trace'),
      });
      return new BootGuest(guest, folder);
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  async seen(): Promise<BootSeen> {
    const text = await this.#guest.must(FACTS);
    const [numbers = '', memTotal = '', setupData = '', ...map] = text.trimEnd().split('\n');
    const [loader = 0, initSize = 0] = numbers.split(' ').map(Number);
    const functions = await readFunctions(this.#guest);
    return {
      loader,
      initSize,
      memTotal,
      setupData,
      memoryMap: map.join('\n'),
      flight: await readFlight(this.#guest),
      commands: Object.fromEntries(functions.map(({ fn }) => [fn.slot, fn.command])),
      writes: this.#writes().slice(this.#writesBefore),
      progress: readFileSync(join(this.#folder, 'progress')).includes(Buffer.from([PROGRESS, PROGRESS + 1])),
    };
  }

  /** Jumps on purpose into the next kernel, which has been loaded by `kexec -c` with these words. */
  async kexec(...words: string[]): Promise<void> {
    const load = ['kexec', '-c', '-l', ...words, NEXT_KERNEL, `--initrd=${NEXT_INITRAMFS}`];
    await this.#guest.must(`${load.join(' ')} --command-line='${WORDS} shootdown.boot=1'`);
    this.#writesBefore = this.#writes().length;
    this.#guest.send('kexec -e');
    const ready = await this.#guest.ready(READY_TIMEOUT_MS);
    if (ready?.boot !== 1) throw this.#guest.failure('timeout', 'the next kernel did not come up');
  }

  async stop(): Promise<void> {
    await this.#guest.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #writes(): readonly TracedWrite[] {
    return tracedWrites(readTrace(join(this.#folder, 'trace')));
  }
}

interface Direct {
  readonly kernel: string;
  readonly initramfs: string;
  readonly cmdline: string;
}

function firmwareArguments(firmware: Firmware, folder: string, direct: Direct): string[] {
  const variables = join(folder, 'variables');
  if (firmware === 'seabios') return [];
  if (firmware === 'ovmf') return ovmfArguments({ variables });
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  copyFileSync(direct.kernel, join(disk, 'vmlinuz.efi'));
  copyFileSync(direct.initramfs, join(disk, 'initramfs'));
  const entry = { path: '\\vmlinuz.efi', cmdline: `initrd=\\initramfs ${direct.cmdline}` };
  return [...ovmfArguments({ variables, entry }), ...espArguments(disk)];
}
