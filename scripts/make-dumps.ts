// Makes the dumps of QEMU machines: node scripts/run.mjs scripts/make-dumps.ts
// Needs qemu-system-x86 and, for names and text in the shape of lspci, pciutils.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigImage } from '../src/pci/config-image.js';
import { decodeFunction } from '../src/pci/decode.js';
import { seen } from '../src/pci/function.js';
import * as regs from '../src/pci/regs.js';
import { formatSlot } from '../src/pci/slot.js';
import { type DumpEntry, formatDump } from '../test/support/encode.js';
import { type Bdf, QtestMachine } from './qtest-machine.js';

interface Recipe {
  readonly name: string;
  readonly qemu: readonly string[];
  /** Root buses beside 0. */
  readonly roots?: readonly number[];
  /** What lspci is asked to print. */
  readonly lspci: readonly string[];
  /** Whether something acts as the drivers would: bus mastering and interrupts on. */
  readonly driven: boolean;
  /** Slots, without domain, that no driver was bound to. */
  readonly idle?: readonly string[];
  readonly vfs?: number;
}

const device = (...values: string[]) => values.flatMap((value) => ['-device', value]);
const nullDrives = (...ids: string[]) =>
  ids.flatMap((id) => ['-drive', `if=none,id=${id},driver=null-co,size=1G`]);

const RECIPES: readonly Recipe[] = [
  {
    name: 'q35-server-xxxx.txt',
    qemu: [
      ...['-M', 'q35', ...nullDrives('d0', 'd1')],
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
    qemu: [
      ...['-M', 'q35', ...device('pcie-root-port,id=rp1,chassis=1', 'nvme-subsys,id=sub')],
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
    qemu: [
      ...['-M', 'q35', ...device('VGA', 'ich9-intel-hda', 'rtl8139', 'virtio-gpu-pci')],
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
    qemu: [
      ...['-M', 'q35', ...device('VGA', 'pcie-root-port,id=rp1,chassis=1', 'e1000e,bus=rp1')],
      ...device('pcie-root-port,id=rp2,chassis=2,hotplug=on', 'qemu-xhci', 'mptsas1068', 'pvscsi', 'tpci200'),
    ],
    lspci: ['-xxxx'],
    driven: false,
  },
  {
    name: 'q35-two-roots-v-xxxx.txt',
    qemu: [
      ...['-M', 'q35', ...nullDrives('d0'), ...device('pxb-pcie,id=far,bus_nr=128,bus=pcie.0')],
      ...device('pcie-root-port,id=rp1,chassis=1,bus=far', 'pcie-root-port,id=rp2,chassis=2,bus=far,addr=3'),
      ...device('nvme,bus=rp1,serial=made-up,drive=d0', 'e1000e,bus=rp2', 'pcie-root-port,id=rp3,chassis=3'),
      ...device('virtio-net-pci,bus=rp3'),
    ],
    roots: [0x80],
    lspci: ['-v', '-xxxx'],
    driven: true,
  },
  {
    name: 'i440fx-xxx.txt',
    qemu: [
      ...['-M', 'pc', ...device('cirrus-vga', 'e1000', 'rtl8139', 'lsi53c895a', 'edu', 'am53c974')],
      ...device('pci-bridge,id=br,chassis_nr=1', 'e1000-82545em,bus=br,addr=1', 'megasas,bus=br,addr=2'),
      ...device('pci-bridge,id=br2,chassis_nr=2,bus=br,addr=3', 'intel-hda,bus=br2,addr=1'),
    ],
    lspci: ['-xxx'],
    driven: true,
    idle: ['00:06.0'],
  },
  {
    name: 'i440fx-x.txt',
    qemu: ['-M', 'pc', ...device('VGA', 'e1000', 'virtio-net-pci', 'nec-usb-xhci')],
    lspci: ['-x'],
    driven: true,
  },
];

async function make(recipe: Recipe): Promise<string> {
  const machine = await QtestMachine.start(recipe.qemu);
  try {
    const functions: Bdf[] = [];
    const buses = [0, ...(recipe.roots ?? [])];
    for (let bus = buses.shift(); bus !== undefined; bus = buses.shift()) {
      for (const bdf of await machine.functionsOn(bus)) {
        functions.push(bdf, ...(await act(machine, recipe, bdf)));
        const secondary = ((await machine.read32(bdf, regs.PCI_PRIMARY_BUS)) >>> 8) & 0xff;
        const header = ((await machine.read32(bdf, 0x0c)) >>> 16) & regs.PCI_HEADER_TYPE_MASK;
        if (header === regs.PCI_HEADER_TYPE_BRIDGE && secondary > bus) buses.push(secondary);
      }
    }
    const entries: DumpEntry[] = [];
    for (const bdf of functions) {
      const { express } = await decode(machine, bdf);
      const bytes = await machine.space(bdf, seen(express) && machine.hasEcam ? 4096 : 256);
      entries.push({ slot: slotOf(bdf), bytes });
    }
    return asPrinted(formatDump(entries), recipe.lspci);
  } finally {
    await machine.stop();
  }
}

/** Does what a driver does to the registers; answers with the virtual functions that came of it. */
async function act(machine: QtestMachine, recipe: Recipe, bdf: Bdf): Promise<Bdf[]> {
  if (!recipe.driven || recipe.idle?.includes(slotOf(bdf).slice(5))) return [];
  const fn = await decode(machine, bdf);
  const isBridge = fn.classCode >>> 16 === 6;
  const msi = isBridge && !seen(fn.express) ? undefined : seen(fn.msi);
  const msix = seen(fn.msix);
  if (msix) await machine.write(bdf, msix.offset + 2, 2, msix.control | regs.PCI_MSIX_FLAGS_ENABLE);
  else if (msi) await machine.write(bdf, msi.offset + 2, 2, msi.control | regs.PCI_MSI_FLAGS_ENABLE);
  const intx = msi || msix ? regs.PCI_COMMAND_INTX_DISABLE : 0;
  if (!isBridge || fn.headerType === regs.PCI_HEADER_TYPE_BRIDGE) {
    await machine.write(bdf, regs.PCI_COMMAND, 2, fn.command | regs.PCI_COMMAND_MASTER | intx);
  }
  const sriov = seen(fn.sriov);
  if (!sriov || recipe.vfs === undefined) return [];
  await machine.write(bdf, sriov.offset + regs.PCI_SRIOV_NUM_VF, 2, recipe.vfs);
  await machine.write(bdf, sriov.offset + regs.PCI_SRIOV_CTRL, 2, regs.PCI_SRIOV_CTRL_VFE | 8);
  const first = bdf.bus * 256 + bdf.devfn + sriov.vfOffset;
  const vfs: Bdf[] = [];
  for (let i = 0; i < recipe.vfs; i++) {
    const id = first + i * sriov.vfStride;
    const vf = { bus: id >> 8, devfn: id & 0xff };
    vfs.push(vf);
    // The last one stays as it is after its reset.
    if (i + 1 < recipe.vfs) await machine.write(vf, regs.PCI_COMMAND, 2, regs.PCI_COMMAND_MASTER);
  }
  return vfs;
}

async function decode(machine: QtestMachine, bdf: Bdf) {
  const bytes = await machine.space(bdf, machine.hasEcam ? 4096 : 256);
  return decodeFunction(slotOf(bdf), ConfigImage.of(bytes));
}

function slotOf({ bus, devfn }: Bdf) {
  return formatSlot({ domain: 0, bus, device: devfn >> 3, function: devfn & 7 });
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
