import { ShootdownError } from '../pci/error.js';
import type { MachineDescription } from './description.js';
import { PORT_DRIVER } from './kernel.js';

const PORT = { driver: { name: PORT_DRIVER, shutdown: true }, classCode: 0x060400 } as const;
const HOST_BRIDGE = { classCode: 0x060000, busMaster: true, busMasterReadOnly: true } as const;
const ISA_BRIDGE = { classCode: 0x060100, busMaster: true, busMasterReadOnly: true } as const;

/** An ICH9-era server with a switch, a conventional bus, and one network adapter that nobody looks after. */
const SERVER: MachineDescription = {
  name: 'server',
  captureDrivers: ['nvme', 'i801_smbus'],
  functions: [
    { slot: '00:00.0', vendor: 0x8086, device: 0x29c0, ...HOST_BRIDGE },
    { slot: '00:01.0', vendor: 0x8086, device: 0x29c1, ...PORT, express: 'root-port', secondary: 1 },
    {
      slot: '00:02.0',
      vendor: 0x8086,
      device: 0x29c2,
      classCode: 0x030000,
      workload: 'display',
      messages: 'msi',
      pin: 1,
      line: 16,
      bootVga: true,
      holds: ['console'],
      driver: { name: 'i915', shutdown: true },
    },
    {
      slot: '00:19.0',
      vendor: 0x8086,
      device: 0x10bd,
      classCode: 0x020000,
      workload: 'nic',
      messages: 'msi',
      pin: 1,
      line: 20,
      leftBy: 'driver',
    },
    { slot: '00:1c.0', vendor: 0x8086, device: 0x2940, ...PORT, express: 'root-port', secondary: 2 },
    { slot: '00:1c.4', vendor: 0x8086, device: 0x2948, ...PORT, express: 'root-port', secondary: 6 },
    { slot: '00:1e.0', vendor: 0x8086, device: 0x244e, classCode: 0x060401, secondary: 7, busMaster: true },
    { slot: '00:1f.0', vendor: 0x8086, device: 0x2918, ...ISA_BRIDGE },
    {
      slot: '00:1f.3',
      vendor: 0x8086,
      device: 0x2930,
      classCode: 0x0c0500,
      pin: 3,
      line: 18,
      driver: { name: 'i801_smbus', shutdown: true },
    },
    {
      slot: '01:00.0',
      vendor: 0x10de,
      device: 0x20b0,
      classCode: 0x030200,
      express: 'endpoint',
      flr: true,
      workload: 'gpu',
      messages: 'msix',
      pin: 1,
      line: 16,
      driver: { name: 'nvidia', shutdown: false },
    },
    { slot: '02:00.0', vendor: 0x10b5, device: 0x8724, ...PORT, express: 'upstream-port', secondary: 3 },
    { slot: '03:01.0', vendor: 0x10b5, device: 0x8724, ...PORT, express: 'downstream-port', secondary: 4 },
    { slot: '03:02.0', vendor: 0x10b5, device: 0x8724, ...PORT, express: 'downstream-port', secondary: 5 },
    {
      slot: '04:00.0',
      vendor: 0x8086,
      device: 0x10d3,
      classCode: 0x020000,
      express: 'endpoint',
      workload: 'nic',
      messages: 'msix',
      pin: 1,
      line: 17,
      driver: { name: 'e1000e', shutdown: true },
    },
    {
      slot: '05:00.0',
      vendor: 0x144d,
      device: 0xa80a,
      classCode: 0x010802,
      express: 'endpoint',
      flr: true,
      workload: 'nvme',
      messages: 'msix',
      pin: 1,
      line: 19,
      driver: { name: 'nvme', shutdown: true },
      holds: ['root'],
    },
    {
      slot: '06:00.0',
      vendor: 0x1912,
      device: 0x0014,
      classCode: 0x0c0330,
      express: 'endpoint',
      workload: 'xhci',
      messages: 'msix',
      pin: 1,
      line: 16,
      driver: { name: 'xhci_hcd', shutdown: true },
    },
    {
      slot: '07:01.0',
      vendor: 0x8086,
      device: 0x107c,
      classCode: 0x020000,
      workload: 'nic',
      pin: 1,
      line: 18,
      driver: { name: 'e1000', shutdown: true },
    },
  ],
};

/** A laptop whose USB controller still belongs to the firmware. */
const LAPTOP: MachineDescription = {
  name: 'laptop',
  captureDrivers: ['nvme'],
  functions: [
    { slot: '00:00.0', vendor: 0x8086, device: 0x9a14, ...HOST_BRIDGE },
    {
      slot: '00:02.0',
      vendor: 0x8086,
      device: 0x9a49,
      classCode: 0x030000,
      express: 'rc-endpoint',
      flr: true,
      workload: 'display',
      messages: 'msi',
      pin: 1,
      line: 16,
      bootVga: true,
      holds: ['console'],
      driver: { name: 'i915', shutdown: true },
    },
    {
      slot: '00:14.0',
      vendor: 0x8086,
      device: 0xa0ed,
      classCode: 0x0c0330,
      workload: 'xhci',
      messages: 'msi',
      pin: 1,
      line: 16,
      leftBy: 'firmware',
    },
    { slot: '00:1c.0', vendor: 0x8086, device: 0xa0bc, ...PORT, express: 'root-port', secondary: 1 },
    { slot: '00:1d.0', vendor: 0x8086, device: 0xa0b0, ...PORT, express: 'root-port', secondary: 2 },
    { slot: '00:1f.0', vendor: 0x8086, device: 0xa082, ...ISA_BRIDGE },
    {
      slot: '01:00.0',
      vendor: 0x8086,
      device: 0x2723,
      classCode: 0x028000,
      express: 'endpoint',
      flr: true,
      workload: 'nic',
      messages: 'msix',
      pin: 1,
      line: 17,
      driver: { name: 'iwlwifi', shutdown: false },
    },
    {
      slot: '02:00.0',
      vendor: 0x144d,
      device: 0xa80a,
      classCode: 0x010802,
      express: 'endpoint',
      flr: true,
      workload: 'nvme',
      messages: 'msix',
      pin: 1,
      line: 18,
      driver: { name: 'nvme', shutdown: true },
      holds: ['root', 'swap'],
    },
  ],
};

const PROFILES: ReadonlyMap<string, MachineDescription> = new Map(
  [SERVER, LAPTOP].map((profile) => [profile.name, profile]),
);

export const profileNames: readonly string[] = [...PROFILES.keys()];

export function profile(name: string): MachineDescription {
  const found = PROFILES.get(name);
  if (found) return found;
  const message = `there is no simulated machine ${name}: try ${profileNames.join(' or ')}`;
  throw new ShootdownError('usage', message);
}
