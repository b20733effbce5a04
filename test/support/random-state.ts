import type { QtestHost } from '../../src/host/qtest.js';
import { outCommand } from '../../src/host/qtest-client.js';
import type { QemuMachine } from '../../src/lab/machine.js';
import { type PciFunction, seen } from '../../src/pci/function.js';
import * as regs from '../../src/pci/regs.js';
import { routingId, type Slot } from '../../src/pci/slot.js';
import type { Random } from '../../src/sim/random.js';
import { decode } from './machines.js';
import { randomTopology } from './random-topology.js';

const VFS_MAX = 4;
const PCI_SRIOV_CTRL_MSE = 8;
const COMMAND_BITS = regs.PCI_COMMAND_MASTER | regs.PCI_COMMAND_INTX_DISABLE;
const MSIX_BITS = regs.PCI_MSIX_FLAGS_ENABLE | regs.PCI_MSIX_FLAGS_MASKALL;
const BUS_NUMBERS = 0xff_ffff;

/** A random topology with what its simulated twin has not: virtual functions, a second root bus, displays. */
export function randomBareMachine(seed: number, random: Random): QemuMachine {
  const { qemu } = randomTopology(seed);
  const devices = [...qemu.devices];
  if (random.chance(60)) {
    devices.push(
      { model: 'nvme-subsys', id: 'sub' },
      { model: 'pcie-root-port', id: 'sriov', device: 0x10 },
      {
        model: 'nvme',
        bus: 'sriov',
        properties: { subsys: 'sub', sriov_max_vfs: VFS_MAX, sriov_vq_flexible: 8, sriov_vi_flexible: 4 },
      },
    );
  }
  if (random.chance(15)) {
    devices.push(
      { model: 'pxb-pcie', id: 'root2', device: 0x11, properties: { bus_nr: 0xc0 } },
      { model: 'pcie-root-port', id: 'far', bus: 'root2', device: 0 },
      { model: random.pick(['e1000e', 'nvme', 'qemu-xhci'] as const), bus: 'far' },
    );
  }
  if (random.chance(25)) devices.push({ model: 'VGA', device: 0x12, properties: { romfile: '' } });
  if (random.chance(30)) {
    const display = random.chance(50);
    devices.push(
      { model: 'pcie-pci-bridge', id: 'behind', device: 0x13 },
      { model: 'e1000', bus: 'behind', device: 2 },
    );
    if (display) devices.push({ model: 'VGA', bus: 'behind', device: 1, properties: { romfile: '' } });
  }
  if (random.chance(40)) devices.push({ model: 'virtio-net-pci', device: 0x14 });
  // With two root buses QEMU wants to be told which.
  const placed = devices.map((device) => {
    return device.bus === undefined && device.model !== 'nvme-subsys' ? { ...device, bus: 'pcie.0' } : device;
  });
  return { ...qemu, devices: placed };
}

/** Registers that a state is made of, as firmware left them. */
export type Pristine = ReadonlyMap<Slot, ReadonlyMap<number, number>>;

export async function pristineOf(host: QtestHost): Promise<Pristine> {
  const all = new Map<Slot, Map<number, number>>();
  for (const fn of await decodeAll(host)) {
    const { slot } = fn;
    const words = new Map<number, number>();
    for (const offset of [regs.PCI_COMMAND, ...stateRegisters(fn)])
      words.set(offset, await host.read(slot, offset, 2));
    if (fn.bridge) words.set(regs.PCI_PRIMARY_BUS, await host.read(slot, regs.PCI_PRIMARY_BUS, 4));
    all.set(slot, words);
  }
  return all;
}

function stateRegisters(fn: PciFunction): number[] {
  const [msi, msix, pm] = [seen(fn.msi), seen(fn.msix), seen(fn.pm)];
  return [
    ...(msi ? [msi.offset + regs.PCI_MSI_FLAGS] : []),
    ...(msix ? [msix.offset + regs.PCI_MSIX_FLAGS] : []),
    ...(pm ? [pm.offset + regs.PCI_PM_CTRL] : []),
  ];
}

/** Puts everything back, also what no bus number leads to now: bridges first, from the top down. */
export async function makePristine({ client }: QtestHost, pristine: Pristine): Promise<void> {
  const put = (slot: Slot, offset: number, value: number) => {
    const address = 0x8000_0000 + routingId(slot) * 256 + (offset & 0xfc);
    const width = offset === regs.PCI_PRIMARY_BUS ? 4 : 2;
    return [outCommand(0xcf8, 4, address), outCommand(0xcfc + (offset & 3), width, value)];
  };
  const all = [...pristine].flatMap(([slot, words]) =>
    [...words].map(([offset, value]) => ({ slot, offset, value })),
  );
  const [buses, rest] = [true, false].map((of) =>
    all.filter(({ offset }) => (offset === regs.PCI_PRIMARY_BUS) === of),
  );
  const puts = [...(buses ?? []), ...(rest ?? [])].flatMap(({ slot, offset, value }) =>
    put(slot, offset, value),
  );
  await client.batch(puts);
}

/** Turns virtual functions on or off; a host that is opened after this sees them. */
export async function drawVirtual(host: QtestHost, random: Random): Promise<void> {
  for (const fn of await decodeAll(host)) {
    const { slot } = fn;
    const sriov = seen(fn.sriov);
    if (!sriov) continue;
    const count = random.chance(75) ? random.between(1, VFS_MAX) : 0;
    await host.write(slot, sriov.offset + regs.PCI_SRIOV_CTRL, 2, 0);
    if (count === 0) continue;
    await host.write(slot, sriov.offset + regs.PCI_SRIOV_NUM_VF, 2, count);
    await host.write(
      slot,
      sriov.offset + regs.PCI_SRIOV_CTRL,
      2,
      regs.PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE,
    );
  }
}

/**
 * What somebody may have left: bus masters, INTx disabled or not, messages enabled, functions asleep, bridges that
 * nobody has given a bus.
 */
export async function drawState(host: QtestHost, random: Random): Promise<void> {
  const closed: Slot[] = [];
  const writes: Promise<void>[] = [];
  const put = (slot: Slot, offset: number, value: number) => {
    writes.push(host.write(slot, offset, 2, value));
  };
  for (const fn of await decodeAll(host)) {
    const { slot } = fn;
    const bits =
      (random.chance(fn.bridge ? 80 : 65) ? regs.PCI_COMMAND_MASTER : 0) |
      (random.chance(40) ? regs.PCI_COMMAND_INTX_DISABLE : 0);
    put(slot, regs.PCI_COMMAND, (fn.command & ~COMMAND_BITS) | bits);
    const [msi, msix, pm] = [seen(fn.msi), seen(fn.msix), seen(fn.pm)];
    if (msi && random.chance(40))
      put(slot, msi.offset + regs.PCI_MSI_FLAGS, msi.control | regs.PCI_MSI_FLAGS_ENABLE);
    if (msix && random.chance(50)) {
      const on = random.chance(30) ? MSIX_BITS : regs.PCI_MSIX_FLAGS_ENABLE;
      put(slot, msix.offset + regs.PCI_MSIX_FLAGS, (msix.control & ~MSIX_BITS) | on);
    }
    if (pm && random.chance(12)) {
      const control = await host.read(slot, pm.offset + regs.PCI_PM_CTRL, 2);
      const state = random.between(1, regs.PCI_PM_CTRL_STATE_MASK);
      await host.write(
        slot,
        pm.offset + regs.PCI_PM_CTRL,
        2,
        (control & ~regs.PCI_PM_CTRL_STATE_MASK) | state,
      );
    }
    if (fn.bridge && random.chance(10)) closed.push(slot);
  }
  await Promise.all(writes);
  // From below, or the rest could not be reached any more.
  for (const slot of closed.reverse()) {
    const numbers = await host.read(slot, regs.PCI_PRIMARY_BUS, 4);
    await host.write(slot, regs.PCI_PRIMARY_BUS, 4, (numbers & ~BUS_NUMBERS) >>> 0);
  }
}

/** In one go: a round trip for each takes long on a busy machine. */
async function decodeAll(host: QtestHost): Promise<readonly PciFunction[]> {
  return Promise.all((await host.slots()).map((slot) => decode(host, slot)));
}
