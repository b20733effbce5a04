import { ShootdownError } from '../pci/error.js';

/** QEMU's device models that the lab has been tried with. */
export type DeviceModel = keyof typeof MODELS;

export interface DeviceDescription {
  readonly model: DeviceModel;
  /** Needed for a bridge that something is plugged into. */
  readonly id?: string;
  /** The id of the bridge it is below; left out on the root bus. */
  readonly bus?: string;
  /** Device number on that bus, 0 … 31; QEMU chooses if left out. */
  readonly device?: number;
  /** 0 … 7; the description of function 0 needs `multifunction`. */
  readonly function?: number;
  readonly multifunction?: boolean;
  /** The id of a `-netdev`; a NIC without one has its cable unplugged. */
  readonly netdev?: string;
  /** Further properties of the model, as `qemu-system-x86_64 -device MODEL,help` lists them. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
}

/** A machine to be built by QEMU. Functions that its chipset has anyway are not listed. */
export interface QemuMachine {
  readonly chipset: 'q35' | 'i440fx';
  /** Default 128. */
  readonly memoryMiB?: number;
  /** Default `tcg`, which works everywhere. */
  readonly accel?: 'tcg' | 'kvm';
  readonly devices: readonly DeviceDescription[];
  /** Values of `-netdev`, as a `FrameSource` has them. */
  readonly netdevs?: readonly string[];
  /** Arguments beyond these, as they are: for models that are not listed here. */
  readonly extra?: readonly string[];
  /** Trace events that are written to the file `trace` of the private folder. */
  readonly traces?: readonly string[];
}

interface Model {
  /** Needs a number that no other bridge has. */
  readonly chassis?: 'chassis' | 'chassis_nr';
  /** Has an option ROM, which would look for a network to boot from for 20 seconds. */
  readonly rom?: true;
  /** Needs an empty disk. */
  readonly drive?: true;
  readonly properties?: Readonly<Record<string, string>>;
}

const BRIDGE: Model = { chassis: 'chassis' };
const NIC: Model = { rom: true };
const MODELS = {
  'pcie-root-port': BRIDGE,
  'x3130-upstream': {},
  'xio3130-downstream': BRIDGE,
  'pcie-pci-bridge': {},
  'pci-bridge': { chassis: 'chassis_nr' },
  'pxb-pcie': {},
  e1000: NIC,
  e1000e: NIC,
  rtl8139: NIC,
  vmxnet3: NIC,
  'virtio-net-pci': NIC,
  'virtio-blk-pci': { drive: true },
  nvme: { drive: true, properties: { serial: 'lab' } },
  'nvme-subsys': {},
  'ich9-ahci': {},
  'qemu-xhci': {},
  megasas: {},
  'megasas-gen2': {},
  lsi53c895a: {},
  edu: {},
  VGA: {},
} as const satisfies Readonly<Record<string, Model>>;

const MEMORY_MIB = 128;
/** SeaBIOS says on this port what it does. */
const FIRMWARE_PORT = '0x402';

/** Names of files in the private folder. */
export const FILES = { qtest: 'qtest', firmware: 'firmware', trace: 'trace' } as const;

/** The arguments of QEMU for a machine that firmware sets up and nothing boots, with a qtest socket. */
export function machineArguments(machine: QemuMachine, path: (name: string) => string): string[] {
  const args = [
    ...['-machine', machine.chipset === 'q35' ? 'q35' : 'pc', '-accel', machine.accel ?? 'tcg'],
    ...['-m', String(machine.memoryMiB ?? MEMORY_MIB), '-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-qtest', `unix:${path(FILES.qtest)},server=on,wait=off`, '-qtest-log', '/dev/null'],
    ...['-debugcon', `file:${path(FILES.firmware)}`, '-global', `isa-debugcon.iobase=${FIRMWARE_PORT}`],
  ];
  if (machine.traces && machine.traces.length > 0) args.push('-D', path(FILES.trace));
  for (const event of machine.traces ?? []) args.push('-trace', event);
  for (const netdev of machine.netdevs ?? []) args.push('-netdev', netdev);
  machine.devices.forEach((device, at) => {
    args.push(...deviceArguments(device, at + 1));
  });
  return [...args, ...(machine.extra ?? [])];
}

/** `serial` is a number that no other device of the machine has. */
function deviceArguments(of: DeviceDescription, serial: number): string[] {
  const model: Model = MODELS[of.model];
  const values: Record<string, string | number | boolean> = { ...model.properties };
  if (of.id !== undefined) values['id'] = of.id;
  if (of.bus !== undefined) values['bus'] = of.bus;
  if (of.function !== undefined && of.device === undefined)
    throw new ShootdownError('usage', `${of.model}: a function number goes with a device number`);
  if (of.device !== undefined) values['addr'] = `${of.device.toString(16)}.${of.function ?? 0}`;
  if (of.multifunction !== undefined) values['multifunction'] = of.multifunction;
  if (model.chassis !== undefined) values[model.chassis] = serial;
  if (model.rom) values['romfile'] = '';
  if (of.netdev !== undefined) values['netdev'] = of.netdev;
  const args: string[] = [];
  // A controller of a subsystem has its namespaces there.
  if (model.drive && of.properties?.['subsys'] === undefined) {
    values['drive'] = `drive${serial}`;
    args.push('-drive', `if=none,id=drive${serial},driver=null-co,size=1G`);
  }
  const properties = Object.entries({ ...values, ...of.properties }).map(([name, value]) => {
    const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
    return `${name}=${text.replaceAll(',', ',,')}`;
  });
  args.push('-device', [of.model, ...properties].join(','));
  return args;
}
