// Makes the dumps of QEMU machines: node scripts/run.mjs scripts/make-dumps.ts
// Needs qemu-system-x86 and, for names and text in the shape of lspci, pciutils.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRange } from '../src/host/port.js';
import { openQtest, type QtestHost } from '../src/host/qtest.js';
import { startMachine } from '../src/lab/machine-start.js';
import { ConfigImage } from '../src/pci/config-image.js';
import { decodeFunction } from '../src/pci/decode.js';
import { seen } from '../src/pci/function.js';
import * as regs from '../src/pci/regs.js';
import { parseSlot, type Slot } from '../src/pci/slot.js';
import { type DumpEntry, formatDump } from '../test/support/encode.js';

interface Recipe {
  readonly name: string;
  readonly chipset: 'q35' | 'i440fx';
  readonly qemu: readonly string[];
  /** What lspci is asked to print. */
  readonly lspci: readonly string[];
  /** Whether something acts as the drivers would: bus mastering and interrupts on. */
  readonly driven: boolean;
  /** Slots, without domain, that no driver was bound to. */
  readonly idle?: readonly string[];
  /** Slots, without domain, that a network boot has just used: firmware of NICs leaves BME set. */
  readonly booted?: readonly string[];
  readonly vfs?: number;
}

const device = (...values: string[]) => values.flatMap((value) => ['-device', value]);
const nullDrives = (...ids: string[]) =>
  ids.flatMap((id) => ['-drive', `if=none,id=${id},driver=null-co,size=1G`]);

const RECIPES: readonly Recipe[] = [
  {
    name: 'q35-server-xxxx.txt',
    chipset: 'q35',
    qemu: [
      ...[...nullDrives('d0', 'd1')],
      ...device('VGA', 'pcie-root-port,id=rp1,chassis=1', 'pcie-root-port,id=rp2,chassis=2'),
      ...device('pcie-root-port,id=rp3,chassis=3', 'pcie-root-port,id=rp4,chassis=4'),
      ...device('e1000e,bus=rp1', 'nvme,bus=rp2,serial=made-up,drive=d0', 'megasas-gen2,bus=rp3'),
      ...device('x3130-upstream,id=up,bus=rp4', 'xio3130-downstream,id=dn0,bus=up,chassis=10'),
      ...device('xio3130-downstream,id=dn1,bus=up,chassis=11', 'qemu-xhci,bus=dn0', 'vmxnet3,bus=dn1'),
      ...device('pcie-pci-bridge,id=conv', 'e1000,bus=conv,addr=1', 'lsi53c895a,bus=conv,addr=2'),
      ...device('edu,bus=conv,addr=3', 'virtio-blk-pci,drive=d1'),
    ],
    lspci: ['-D', '-xxxx'],
    driven: true,
  },
  {
    name: 'q35-sriov-vv-xxxx.txt',
    chipset: 'q35',
    qemu: [
      ...[...device('pcie-root-port,id=rp1,chassis=1', 'nvme-subsys,id=sub')],
      ...device(
        'nvme,bus=rp1,serial=made-up,subsys=sub,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4',
      ),
    ],
    lspci: ['-vv', '-xxxx'],
    driven: true,
    vfs: 3,
  },
  {
    name: 'q35-desktop-vv-nn-k-xxx.txt',
    chipset: 'q35',
    qemu: [
      ...[...device('VGA', 'ich9-intel-hda', 'rtl8139', 'virtio-gpu-pci')],
      ...device('ich9-usb-ehci1,addr=1d.7,multifunction=on', 'ich9-usb-uhci1,addr=1d.0,multifunction=on'),
      ...device('ich9-usb-uhci2,addr=1d.1', 'ich9-usb-uhci3,addr=1d.2', 'i82801b11-bridge,id=dmi'),
      ...device('virtio-net-pci,bus=dmi,addr=1', 'sdhci-pci,bus=dmi,addr=2'),
    ],
    lspci: ['-vv', '-nn', '-k', '-xxx'],
    driven: true,
    idle: ['00:02.0'],
  },
  {
    name: 'q35-firmware-xxxx.txt',
    chipset: 'q35',
    qemu: [
      ...[...device('VGA', 'pcie-root-port,id=rp1,chassis=1', 'e1000e,bus=rp1')],
      ...device('pcie-root-port,id=rp2,chassis=2,hotplug=on', 'qemu-xhci', 'mptsas1068', 'pvscsi', 'tpci200'),
    ],
    lspci: ['-xxxx'],
    driven: false,
    booted: ['01:00.0'],
  },
  {
    name: 'q35-two-roots-v-xxxx.txt',
    chipset: 'q35',
    qemu: [
      ...[...nullDrives('d0'), ...device('pxb-pcie,id=far,bus_nr=128,bus=pcie.0')],
      ...device('pcie-root-port,id=rp1,chassis=1,bus=far', 'pcie-root-port,id=rp2,chassis=2,bus=far,addr=3'),
      ...device('nvme,bus=rp1,serial=made-up,drive=d0', 'e1000e,bus=rp2', 'pcie-root-port,id=rp3,chassis=3'),
      ...device('virtio-net-pci,bus=rp3'),
    ],
    lspci: ['-v', '-xxxx'],
    driven: true,
  },
  {
    name: 'i440fx-xxx.txt',
    chipset: 'i440fx',
    qemu: [
      ...[...device('cirrus-vga', 'e1000', 'rtl8139', 'lsi53c895a', 'edu', 'am53c974')],
      ...device('pci-bridge,id=br,chassis_nr=1', 'e1000-82545em,bus=br,addr=1', 'megasas,bus=br,addr=2'),
      ...device('pci-bridge,id=br2,chassis_nr=2,bus=br,addr=3', 'intel-hda,bus=br2,addr=1'),
    ],
    lspci: ['-xxx'],
    driven: true,
    idle: ['00:06.0'],
  },
  {
    name: 'i440fx-x.txt',
    chipset: 'i440fx',
    qemu: [...device('VGA', 'e1000', 'virtio-net-pci', 'nec-usb-xhci')],
    lspci: ['-x'],
    driven: true,
  },
];

/** SeaBIOS runs option ROMs of displays only: those of NICs would look for a network for 20 seconds each. */
const NO_ROMS = ['-fw_cfg', 'name=etc/pci-optionrom-exec,string=\x01'];

async function make(recipe: Recipe): Promise<string> {
  const { chipset, qemu: extra } = recipe;
  const machine = await startMachine({ chipset, memoryMiB: 256, devices: [], extra: [...NO_ROMS, ...extra] });
  try {
    if (recipe.driven) await connected(machine.qtest, (host) => act(host, recipe));
    const booted = recipe.booted?.map((slot) => parseSlot(slot) as Slot) ?? [];
    await connected(machine.qtest, (host) => master(host, booted));
    if (recipe.vfs !== undefined) await connected(machine.qtest, masterVfs);
    return await connected(machine.qtest, async (host) => {
      const entries: DumpEntry[] = [];
      for (const slot of await host.slots()) entries.push({ slot, bytes: await space(host, slot) });
      return asPrinted(formatDump(entries), recipe.lspci);
    });
  } finally {
    await machine.stop();
  }
}

/** Each connection finds the functions anew, virtual ones among them. */
async function connected<T>(path: string, action: (host: QtestHost) => Promise<T>): Promise<T> {
  const host = await openQtest(path);
  try {
    return await action(host);
  } finally {
    await host.close();
  }
}

/** Does what drivers do to the registers. */
async function act(host: QtestHost, recipe: Recipe): Promise<void> {
  for (const slot of await host.slots()) {
    if (recipe.idle?.includes(slot.slice(5))) continue;
    const fn = await decode(host, slot);
    const isBridge = fn.classCode >>> 16 === 6;
    const msi = isBridge && !seen(fn.express) ? undefined : seen(fn.msi);
    const msix = seen(fn.msix);
    if (msix) await host.write(slot, msix.offset + 2, 2, msix.control | regs.PCI_MSIX_FLAGS_ENABLE);
    else if (msi) await host.write(slot, msi.offset + 2, 2, msi.control | regs.PCI_MSI_FLAGS_ENABLE);
    const intx = msi || msix ? regs.PCI_COMMAND_INTX_DISABLE : 0;
    if (!isBridge || fn.headerType === regs.PCI_HEADER_TYPE_BRIDGE) {
      await host.write(slot, regs.PCI_COMMAND, 2, fn.command | regs.PCI_COMMAND_MASTER | intx);
    }
    const sriov = seen(fn.sriov);
    if (!sriov || recipe.vfs === undefined) continue;
    await host.write(slot, sriov.offset + regs.PCI_SRIOV_NUM_VF, 2, recipe.vfs);
    await host.write(slot, sriov.offset + regs.PCI_SRIOV_CTRL, 2, regs.PCI_SRIOV_CTRL_VFE | 8);
  }
}
/** Sets BME of the virtual functions, but for the last, which stays as it is after its reset. */
async function masterVfs(host: QtestHost): Promise<void> {
  const vfs: Slot[] = [];
  for (const slot of await host.slots()) if ((await host.facts?.(slot))?.physfn) vfs.push(slot);
  await master(host, vfs.slice(0, -1));
}

async function master(host: QtestHost, slots: readonly Slot[]): Promise<void> {
  for (const slot of slots) {
    const command = await host.read(slot, regs.PCI_COMMAND, 2);
    await host.write(slot, regs.PCI_COMMAND, 2, command | regs.PCI_COMMAND_MASTER);
  }
}

async function space(host: QtestHost, slot: Slot): Promise<Uint8Array> {
  return readRange(host, slot, 0, await host.visibleBytes(slot));
}

async function decode(host: QtestHost, slot: Slot) {
  return decodeFunction(slot, ConfigImage.of(await space(host, slot)));
}

/** Lets lspci read the bytes and print them with its own header lines and text. */
function asPrinted(dump: string, options: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-dump-'));
  try {
    const path = join(folder, 'raw');
    writeFileSync(path, dump);
    return execFileSync('lspci', ['-F', path, ...options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const wanted = process.argv.slice(2);
for (const recipe of RECIPES) {
  if (wanted.length > 0 && !wanted.includes(recipe.name)) continue;
  const text = await make(recipe);
  writeFileSync(join('dumps', recipe.name), text);
  console.log(`${recipe.name}: ${text.match(/^00: /gm)?.length} functions`);
}
