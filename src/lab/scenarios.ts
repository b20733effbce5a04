import { ShootdownError } from '../pci/error.js';
import { EDU_TARGET } from './edu-master.js';
import type { DeviceModel } from './machine.js';
import { RING_CMDLINE, RING_DESCRIPTORS, ringAliveScript, ringScript } from './ring.js';
import { GUEST_MAC, NETDEV, type Scenario } from './scenario.js';
import {
  findDevice,
  INTX_WITHOUT_MSI,
  LEAVE_MASTERING,
  LINE_IN_USE,
  msiOnScript,
  NIC_ALIVE,
  NIC_UP,
  requestsScript,
} from './scripts.js';

interface Nic {
  readonly name: string;
  readonly model: DeviceModel;
  readonly modules: readonly string[];
}

const NICS: readonly Nic[] = [
  { name: 'e1000', model: 'e1000', modules: ['e1000'] },
  { name: 'e1000e', model: 'e1000e', modules: ['e1000e'] },
  { name: 'vmxnet3', model: 'vmxnet3', modules: ['vmxnet3'] },
  { name: 'virtio-net', model: 'virtio-net-pci', modules: ['virtio_pci', 'virtio_net'] },
];

function nicDevice(model: DeviceModel): Scenario['devices'][number] {
  return { model, netdev: NETDEV, device: 3, properties: { mac: GUEST_MAC } };
}

const BUSY_NICS: readonly Scenario[] = NICS.flatMap(({ name, model, modules }) =>
  (['normal', 'crash'] as const).map((jump) => ({
    name: `${jump}-${name}`,
    title: `${jump} jump while frames come in through ${name}; the next kernel has no driver for it`,
    jump,
    hazards: ['H01'],
    devices: [nicDevice(model)],
    modules,
    setup: NIC_UP,
    alive: NIC_ALIVE,
    // Measured: after a crash QEMU 7.2's vmxnet3 does not answer, in a plain capture kernel no more than in a wrapped one.
    comesBack: !(jump === 'crash' && name === 'vmxnet3'),
    oracle: { kind: 'frames' as const },
  })),
);

const E1000 = '0x100e';
const EDU_ID = '0x11e8';
const DRIVERLESS_NIC: Scenario = {
  name: 'normal-driverless-nic',
  title: 'normal jump with an e1000 that never had a driver, left at work by its last user (firmware, say)',
  jump: 'normal',
  hazards: ['H01'],
  devices: [nicDevice('e1000')],
  modules: [],
  cmdline: RING_CMDLINE,
  setup: [findDevice(E1000), LEAVE_MASTERING, ringScript('$bar')].join('\n'),
  alive: [findDevice(E1000), ringAliveScript('$bar')].join('\n'),
  oracle: { kind: 'frames', descriptors: RING_DESCRIPTORS },
};

/** Linux clears BME of this one by itself: an e1000 that has lost its driver keeps the power state D0. */
const UNBOUND_NIC: Scenario = {
  ...DRIVERLESS_NIC,
  name: 'normal-unbound-nic',
  title: 'normal jump with an e1000 that was taken from its driver and set to work again',
  modules: ['e1000'],
  setup: [
    NIC_UP,
    findDevice(E1000),
    'echo $(basename $d) >$d/driver/unbind',
    LEAVE_MASTERING,
    ringScript('$bar'),
  ].join('\n'),
};

const LEAVE_ALONE = `memmap=64K$0x${EDU_TARGET.toString(16)}`;
const EDU: Scenario = {
  name: 'normal-edu',
  title: 'normal jump with a driverless device, BME on, that is told to write after the jump',
  jump: 'normal',
  hazards: ['H01'],
  devices: [{ model: 'edu', device: 4 }],
  modules: [],
  cmdline: { first: LEAVE_ALONE, next: LEAVE_ALONE },
  setup: [findDevice(EDU_ID), LEAVE_MASTERING].join('\n'),
  oracle: { kind: 'edu' },
};

const EDU_CRASH: Scenario = {
  ...EDU,
  name: 'crash-edu',
  title: 'crash jump with a driverless device, BME on, that is told to write after the jump',
  jump: 'crash',
};

const APPLY: Scenario = {
  ...DRIVERLESS_NIC,
  name: 'apply-restore',
  title: 'apply, restore and apply again on a real /sys, then a normal jump',
  // Of an Express function, restore is held to 4096 bytes.
  devices: [...DRIVERLESS_NIC.devices, { model: 'e1000e', device: 5 }],
  restores: true,
};

/** Slots 3 and 7 of a q35 share an interrupt line. */
const SHARED_LINE: Pick<Scenario, 'jump' | 'devices' | 'modules' | 'nextModules'> = {
  jump: 'normal',
  devices: [
    { model: 'e1000', device: 3 },
    { model: 'edu', device: 7 },
  ],
  modules: [],
  nextModules: ['e1000'],
};

const INTX: Scenario = {
  ...SHARED_LINE,
  name: 'normal-intx',
  title:
    'normal jump while a driverless device asserts INTx on a line that the next kernel uses for another one',
  hazards: ['H06'],
  setup: [findDevice(EDU_ID), LEAVE_MASTERING, 'devmem $(( $bar + 0x60 )) 32 1'].join('\n'),
  oracle: { kind: 'console' },
  after: LINE_IN_USE,
};

const MESSAGE = 0x5348;
const MSI_OFF: Scenario = {
  ...SHARED_LINE,
  name: 'normal-msi-off',
  title:
    'normal jump with a driverless device that uses MSI; the next kernel turns MSI off, and the device falls back to INTx',
  hazards: ['H05'],
  cmdline: { first: LEAVE_ALONE, next: LEAVE_ALONE },
  setup: [findDevice(EDU_ID), LEAVE_MASTERING, msiOnScript(EDU_TARGET, MESSAGE)].join('\n'),
  oracle: { kind: 'edu-interrupt', message: MESSAGE },
  after: [findDevice(EDU_ID), INTX_WITHOUT_MSI, LINE_IN_USE].join('\n'),
};

/** Each request takes this long, so that some are on their way whenever it is looked, and when the kernel goes. */
const DISK_LATENCY_NS = 100_000_000;
const DISK = `if=none,id=disk,driver=null-co,size=1G,latency-ns=${DISK_LATENCY_NS}`;
const READERS = 4;

function busyDisk(name: string, disk: string, device: string, modules: readonly string[]): Scenario[] {
  const read = (count: number) =>
    `dd if=/dev/${disk} of=/dev/null bs=64k count=${count} iflag=direct 2>/dev/null`;
  const appears = `for i in $(seq 150); do [ -b /dev/${disk} ] && break; sleep 0.1; done; [ -b /dev/${disk} ]`;
  return (['normal', 'crash'] as const).map((jump) => ({
    name: `${jump}-${name}`,
    title: `${jump} jump while ${name} reads; the next kernel takes the disk over`,
    jump,
    hazards: ['H18', 'H19'],
    devices: [],
    qemu: ['-drive', DISK, '-device', device],
    modules,
    nextModules: modules,
    setup: `${appears} || exit 1
for i in $(seq ${READERS}); do (while :; do ${read(4000)}; done) >/dev/null 2>&1 & done`,
    alive: requestsScript(`/sys/block/${disk}/stat`),
    oracle: { kind: 'console' },
    after: `${appears} || { echo the disk does not come back; exit 1; }
${read(10)}`,
  }));
}

const DISKS: readonly Scenario[] = [
  ...busyDisk('nvme', 'nvme0n1', 'nvme,drive=disk,serial=lab,addr=3', ['nvme']),
  ...busyDisk('ahci', 'sda', 'ide-hd,drive=disk,bus=ide.0', ['ahci', 'sd_mod']),
];

/** Virtual functions of a device model, each with a BME of its own, which no ID and no multi-function bit shows. */
const VFS: Scenario = {
  name: 'crash-nvme-vfs',
  title: 'crash jump with an NVMe whose SR-IOV functions have BME set; wrap it --for this',
  jump: 'crash',
  hazards: ['H01'],
  devices: [
    { model: 'nvme-subsys', id: 'sub' },
    { model: 'pcie-root-port', id: 'rp' },
    {
      model: 'nvme',
      bus: 'rp',
      properties: { subsys: 'sub', sriov_max_vfs: 4, sriov_vq_flexible: 8, sriov_vi_flexible: 4 },
    },
  ],
  modules: ['nvme'],
  setup: `for i in $(seq 150); do [ -e /sys/bus/pci/drivers/nvme/*:*/sriov_numvfs ] && break; sleep 0.1; done
pf=$(dirname /sys/bus/pci/drivers/nvme/*:*/sriov_numvfs)
echo 0 >$pf/sriov_drivers_autoprobe
echo 3 >$pf/sriov_numvfs || exit 1
for vf in $pf/virtfn*; do
  printf '\\006\\000' | dd of=$vf/config bs=1 seek=4 conv=notrunc 2>/dev/null || exit 1
done`,
  oracle: { kind: 'console' },
  nextModules: ['nvme'],
};

/** Old translations are taken over by a capture kernel; on the normal path the old kernel ends them. */
const IOMMU: readonly Scenario[] = BUSY_NICS.filter(({ name }) => name.endsWith('-e1000e')).map(
  (scenario) => ({
    ...scenario,
    name: `${scenario.name}-iommu`,
    title: `${scenario.title}; both kernels with intel_iommu=on`,
    hazards: ['H01', 'H12'],
    qemu: ['-device', 'intel-iommu'],
    cmdline: { first: 'intel_iommu=on', next: 'intel_iommu=on' },
  }),
);

/** In the order in which a matrix shows them. */
export const SCENARIOS: readonly Scenario[] = [
  ...BUSY_NICS,
  DRIVERLESS_NIC,
  UNBOUND_NIC,
  APPLY,
  EDU,
  EDU_CRASH,
  INTX,
  MSI_OFF,
  ...DISKS,
  VFS,
  ...IOMMU,
];

export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found) return found;
  const names = SCENARIOS.map((scenario) => scenario.name).join(', ');
  throw new ShootdownError('usage', `no scenario is called ${name}: ${names}`);
}
