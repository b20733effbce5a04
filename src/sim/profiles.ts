import { ShootdownError } from '../pci/error.js';
import type { ExpressType } from '../pci/function.js';
import { type FunctionDescription, type MachineDescription, PORT_DRIVER } from './description.js';

type More = Partial<FunctionDescription>;

/** A function of a kind; its IDs as lspci prints them, and in what it differs. */
const kind =
  (classCode: number, of: More = {}) =>
  (slot: string, ids: string, more: More = {}): FunctionDescription => {
    const [vendor = 0, device = 0] = ids.split(':').map((id) => Number.parseInt(id, 16));
    return { slot, vendor, device, classCode, ...of, ...more };
  };

/** portdrv of 2018 to 2023 (cc27b735ad3a, 62b6dee1b44a) disabled its ports at shutdown; such machines say so. */
const port = (express: ExpressType, shutdown: true | 'disables' = true) =>
  kind(0x060400, { express, driver: { name: PORT_DRIVER, shutdown } });

const hostBridge = kind(0x060000, { busMaster: true, busMasterReadOnly: true });
const isaBridge = kind(0x060100, { busMaster: true, busMasterReadOnly: true });
const pciBridge = kind(0x060401, { busMaster: true });
const rootPort = port('root-port');
const oldRootPort = port('root-port', 'disables');
const upstreamPort = port('upstream-port');
const downstreamPort = port('downstream-port');
const bus = (secondary: number): More => ({ secondary });

const nic = kind(0x020000, { workload: 'nic' });
const wireless = kind(0x028000, { workload: 'nic' });
const nvme = kind(0x010802, { workload: 'nvme' });
const scsi = kind(0x010000, { workload: 'nvme' });
const raid = kind(0x010400, { workload: 'nvme' });
const ahci = kind(0x010601, { workload: 'ahci' });
const xhci = kind(0x0c0330, { workload: 'xhci' });
const ehci = kind(0x0c0320, { workload: 'xhci' });
const ohci = kind(0x0c0310, { workload: 'xhci' });
const screen = kind(0x030000, { workload: 'display', bootVga: true, holds: ['console'] });
const accelerator = kind(0x030200, { workload: 'gpu' });
const dmaEngine = kind(0x088000, { workload: 'dma-engine' });
const smbus = kind(0x0c0500);
const serial = kind(0x070002);
const system = kind(0x088000);

/** INTA, and the line that it is wired to. */
const line = (number: number): More => ({ pin: 1, line: number });
const endpoint: More = { express: 'endpoint' };
const integrated: More = { express: 'rc-endpoint', flr: true };
const flr: More = { ...endpoint, flr: true };
const msi: More = { messages: 'msi' };
const msix: More = { messages: 'msix' };
const by = (name: string, shutdown = true): More => ({ driver: { name, shutdown } });

/** An ICH9-era server with a switch, a conventional bus, and one network adapter that nobody looks after. */
const SERVER: MachineDescription = {
  name: 'server',
  captureDrivers: ['nvme', 'i801_smbus'],
  functions: [
    hostBridge('00:00.0', '8086:29c0'),
    rootPort('00:01.0', '8086:29c1', bus(1)),
    screen('00:02.0', '8086:29c2', { ...msi, ...line(16), ...by('i915') }),
    nic('00:19.0', '8086:10bd', { ...msi, ...line(20), leftBy: 'driver' }),
    rootPort('00:1c.0', '8086:2940', bus(2)),
    rootPort('00:1c.4', '8086:2948', bus(6)),
    pciBridge('00:1e.0', '8086:244e', bus(7)),
    isaBridge('00:1f.0', '8086:2918'),
    smbus('00:1f.3', '8086:2930', { pin: 3, line: 18, ...by('i801_smbus') }),
    accelerator('01:00.0', '10de:20b0', { ...flr, ...msix, ...line(16), ...by('nvidia', false) }),
    upstreamPort('02:00.0', '10b5:8724', bus(3)),
    downstreamPort('03:01.0', '10b5:8724', bus(4)),
    downstreamPort('03:02.0', '10b5:8724', bus(5)),
    nic('04:00.0', '8086:10d3', { ...endpoint, ...msix, ...line(17), ...by('e1000e') }),
    nvme('05:00.0', '144d:a80a', { ...flr, ...msix, ...line(19), ...by('nvme'), holds: ['root'] }),
    xhci('06:00.0', '1912:0014', { ...endpoint, ...msix, ...line(16), ...by('xhci_hcd') }),
    nic('07:01.0', '8086:107c', { ...line(18), ...by('e1000') }),
  ],
};

/** A laptop whose USB controller still belongs to the firmware. */
const LAPTOP: MachineDescription = {
  name: 'laptop',
  platform: 'laptop',
  captureDrivers: ['nvme'],
  functions: [
    hostBridge('00:00.0', '8086:9a14'),
    screen('00:02.0', '8086:9a49', { ...integrated, ...msi, ...line(16), ...by('i915') }),
    xhci('00:14.0', '8086:a0ed', { ...msi, ...line(16), leftBy: 'firmware' }),
    rootPort('00:1c.0', '8086:a0bc', bus(1)),
    rootPort('00:1d.0', '8086:a0b0', bus(2)),
    isaBridge('00:1f.0', '8086:a082'),
    wireless('01:00.0', '8086:2723', { ...flr, ...msix, ...line(17), ...by('iwlwifi', false) }),
    nvme('02:00.0', '144d:a80a', { ...flr, ...msix, ...line(18), ...by('nvme'), holds: ['root', 'swap'] }),
  ],
};

/**
 * A two-socket server whose firmware looks at errors first. Its capture kernel knows the disk only: the array
 * controller and both ports of the network adapter are left at work below root ports.
 */
const HPE_LIKE: MachineDescription = {
  name: 'hpe-like',
  platform: 'hpe-like',
  captureDrivers: ['ahci'],
  functions: [
    hostBridge('00:00.0', '8086:2f00'),
    oldRootPort('00:01.0', '8086:2f02', bus(3)),
    oldRootPort('00:02.0', '8086:2f04', bus(4)),
    dmaEngine('00:04.0', '8086:2f20', { ...endpoint, ...msix, ...line(31), ...by('ioatdma') }),
    oldRootPort('00:1c.0', '8086:8d10', bus(1)),
    isaBridge('00:1f.0', '8086:8d44'),
    ahci('00:1f.2', '8086:8d02', { ...msi, ...line(17), ...by('ahci'), holds: ['root'] }),
    system('01:00.0', '103c:3306', { ...endpoint, ...line(16), ...by('hpilo') }),
    screen('01:00.1', '102b:0533', { ...endpoint, pin: 2, line: 17, ...by('mgag200', false) }),
    raid('03:00.0', '103c:3239', { ...endpoint, ...msix, ...line(24), ...by('hpsa') }),
    nic('04:00.0', '10df:0720', { ...flr, ...msix, ...line(26), ...by('be2net') }),
    nic('04:00.1', '10df:0720', { ...flr, ...msix, pin: 2, line: 27, ...by('be2net') }),
    hostBridge('80:00.0', '8086:2f00'),
    oldRootPort('80:02.0', '8086:2f04', bus(0x81)),
    nic('81:00.0', '14e4:1657', { ...flr, ...msix, ...line(40), leftBy: 'driver' }),
  ],
};

/** Conventional PCI below several root complexes, as 64-bit servers of about 2006 had it. */
const IA64: MachineDescription = {
  name: 'ia64',
  platform: 'ia64',
  era: '2006',
  captureDrivers: ['mptspi'],
  functions: [
    ehci('00:01.0', '1033:00e0', { ...line(16), ...by('ehci_hcd', false) }),
    serial('00:03.0', '103c:1290', { ...line(17), ...by('8250_pci') }),
    scsi('20:01.0', '1000:0030', { ...line(27), ...by('mptspi'), holds: ['root'] }),
    scsi('20:01.1', '1000:0030', { pin: 2, line: 28, ...by('mptspi') }),
    nic('20:02.0', '14e4:1645', { ...line(29), ...by('tg3') }),
    pciBridge('40:01.0', '1011:0026', bus(0x41)),
    nic('41:04.0', '8086:1229', { ...line(38), ...by('e100', false) }),
    nic('41:05.0', '8086:1229', { ...line(39), ...by('e100', false) }),
    nic('60:01.0', '8086:1010', { ...msi, ...line(49), ...by('e1000') }),
    nic('60:01.1', '8086:1010', { ...msi, pin: 2, line: 50, ...by('e1000') }),
    screen('e0:01.0', '1002:5159', { ...line(66), ...by('radeonfb', false) }),
  ],
};

/** A machine around an LS7A-like bridge chip; the console's adapter lies below a root port. */
const LOONGSON_LIKE: MachineDescription = {
  name: 'loongson-like',
  platform: 'loongson-like',
  captureDrivers: ['ahci'],
  functions: [
    hostBridge('00:00.0', '0014:7a00'),
    nic('00:03.0', '0014:7a03', { ...line(12), ...by('dwmac_loongson') }),
    ohci('00:04.0', '0014:7a24', { ...line(49), ...by('ohci_hcd') }),
    ahci('00:08.0', '0014:7a08', { ...line(16), ...by('ahci'), holds: ['root'] }),
    oldRootPort('00:09.0', '0014:7a19', bus(1)),
    oldRootPort('00:0d.0', '0014:7a29', bus(2)),
    oldRootPort('00:0f.0', '0014:7a29', bus(3)),
    nvme('01:00.0', '144d:a808', { ...flr, ...msix, ...line(32), ...by('nvme') }),
    screen('02:00.0', '1002:6611', { ...endpoint, ...msi, ...line(40), ...by('radeon', false) }),
    nic('03:00.0', '10ec:8168', { ...endpoint, ...msi, ...line(48), leftBy: 'driver' }),
  ],
};

const PROFILES: ReadonlyMap<string, MachineDescription> = new Map(
  [SERVER, LAPTOP, HPE_LIKE, IA64, LOONGSON_LIKE].map((profile) => [profile.name, profile]),
);

export const profileNames: readonly string[] = [...PROFILES.keys()];

export function profile(name: string): MachineDescription {
  const found = PROFILES.get(name);
  if (found) return found;
  const message = `there is no simulated machine ${name}: try ${profileNames.join(', ')}`;
  throw new ShootdownError('usage', message);
}
