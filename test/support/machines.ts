import { openQtest, type QtestHost } from '../../src/host/qtest.js';
import type { QemuMachine } from '../../src/lab/machine.js';
import { type StartedMachine, startMachine } from '../../src/lab/machine-start.js';
import { ConfigImage } from '../../src/pci/config-image.js';
import { decodeFunction } from '../../src/pci/decode.js';
import { type PciFunction, seen } from '../../src/pci/function.js';
import * as regs from '../../src/pci/regs.js';
import type { Slot } from '../../src/pci/slot.js';
import { hasCommand } from './cli.js';
import { slotOf } from './memory-host.js';

/** False only where a missing QEMU was allowed by SHOOTDOWN_ALLOW_MISSING; throws where it was not. */
export const haveQemu = () => hasCommand('qemu-system-x86_64', 'qemu-system-x86');

/** One of everything: switches, bridges to conventional PCI, several functions in a slot. */
export const SERVER: QemuMachine = {
  chipset: 'q35',
  traces: ['pci_cfg_write'],
  devices: [
    { model: 'pcie-root-port', id: 'rp1' },
    { model: 'e1000e', bus: 'rp1' },
    { model: 'pcie-root-port', id: 'rp2' },
    { model: 'nvme', bus: 'rp2' },
    { model: 'pcie-root-port', id: 'rp3' },
    { model: 'x3130-upstream', id: 'up', bus: 'rp3' },
    { model: 'xio3130-downstream', id: 'dn0', bus: 'up', device: 0 },
    { model: 'xio3130-downstream', id: 'dn1', bus: 'up', device: 1 },
    { model: 'qemu-xhci', bus: 'dn0' },
    { model: 'vmxnet3', bus: 'dn1' },
    { model: 'pcie-pci-bridge', id: 'conv' },
    { model: 'e1000', bus: 'conv', device: 1 },
    { model: 'lsi53c895a', bus: 'conv', device: 2 },
    { model: 'pci-bridge', id: 'deep', bus: 'conv', device: 3 },
    { model: 'rtl8139', bus: 'deep', device: 1 },
    { model: 'edu', bus: 'deep', device: 2 },
    { model: 'megasas', device: 0x10, function: 0, multifunction: true },
    { model: 'virtio-net-pci', device: 0x10, function: 1 },
    { model: 'virtio-blk-pci', device: 0x10, function: 2 },
    { model: 'ich9-ahci', device: 0x11 },
  ],
};

export async function decode(host: QtestHost, slot: Slot): Promise<PciFunction> {
  const length = await host.visibleBytes(slot);
  return decodeFunction(slot, ConfigImage.of((await host.readRange?.(slot, 0, length)) ?? new Uint8Array()));
}

/**
 * Does what a driver does to a function's registers: decoding and bus mastering on, and the message interrupts that
 * it has, MSI-X rather than MSI, with INTx off.
 */
export async function drive(host: QtestHost, fn: PciFunction): Promise<void> {
  const { slot } = fn;
  const msix = seen(fn.msix);
  const msi = seen(fn.msi);
  if (msix) await host.write(slot, msix.offset + 2, 2, msix.control | regs.PCI_MSIX_FLAGS_ENABLE);
  else if (msi) await host.write(slot, msi.offset + 2, 2, msi.control | regs.PCI_MSI_FLAGS_ENABLE);
  const intx = msi || msix ? regs.PCI_COMMAND_INTX_DISABLE : 0;
  await host.write(slot, regs.PCI_COMMAND, 2, fn.command | regs.PCI_COMMAND_MASTER | intx);
}

/** Drives every function that the machine has. */
export async function driveAll(host: QtestHost): Promise<void> {
  for (const slot of await host.slots()) await drive(host, await decode(host, slot));
}

/** Runs `action` with a connection of its own: a machine serves one at a time, and the CLI needs its turn, too. */
export async function connected<T>(
  machine: StartedMachine,
  action: (host: QtestHost) => Promise<T>,
): Promise<T> {
  const host = await openQtest(machine.qtest);
  try {
    return await action(host);
  } finally {
    await host.close();
  }
}

/** Starts a machine, runs `action`, and ends it whatever happens. */
export async function withMachine<T>(
  machine: QemuMachine,
  action: (machine: StartedMachine) => Promise<T>,
): Promise<T> {
  const started = await startMachine(machine);
  try {
    return await action(started);
  } finally {
    await started.stop();
  }
}

/** All configuration space that can be seen, as hexadecimal by slot. */
export async function snapshot(host: QtestHost): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const slot of await host.slots()) {
    const bytes = (await host.readRange?.(slot, 0, await host.visibleBytes(slot))) ?? new Uint8Array();
    all[slot] = Buffer.from(bytes).toString('hex');
  }
  return all;
}

export interface ConfigWrite {
  readonly slot: Slot;
  readonly offset: number;
  readonly value: number;
}

/** What QEMU's trace event `pci_cfg_write` says, in order. */
export function configWrites(trace: string): ConfigWrite[] {
  const lines = trace.matchAll(/^pci_cfg_write \S+ ([0-9a-f:.]+) @0x([0-9a-f]+) <- 0x([0-9a-f]+)$/gm);
  return [...lines].map(([, slot = '', offset = '', value = '']) => ({
    slot: slotOf(slot),
    offset: Number.parseInt(offset, 16),
    value: Number.parseInt(value, 16),
  }));
}

/** The slot of the one function of a machine with this vendor and device. */
export async function find(host: QtestHost, vendor: number, device: number): Promise<Slot> {
  const wanted = device * 0x1_0000 + vendor;
  for (const slot of await host.slots()) if ((await host.read(slot, 0, 4)) === wanted) return slot;
  throw new Error(`no function ${vendor.toString(16)}:${device.toString(16)}`);
}

/** Where a base address register in memory space points. */
export async function barOf(host: QtestHost, slot: Slot, index: number): Promise<number> {
  const value = await host.read(slot, 0x10 + 4 * index, 4);
  if ((value & 1) !== 0) throw new Error(`${slot}: base address register ${index} is in I/O space`);
  return (value & ~0xf) >>> 0;
}
