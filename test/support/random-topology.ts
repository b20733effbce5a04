import type { DeviceDescription, DeviceModel, QemuMachine } from '../../src/lab/machine.js';
import type { ExpressType } from '../../src/pci/function.js';
import { formatSlot, type Slot } from '../../src/pci/slot.js';
import type { FunctionDescription, MachineDescription } from '../../src/sim/index.js';
import { Random } from '../../src/sim/random.js';

/** What somebody has left in a function's registers. */
export interface Condition {
  readonly busMaster: boolean;
  readonly intxDisable: boolean;
  /** Message interrupts on, where the model has them. */
  readonly messages: boolean;
}

/** One machine, described twice: for QEMU and for the simulator. */
export interface RandomTopology {
  readonly qemu: QemuMachine;
  readonly sim: MachineDescription;
  readonly conditions: ReadonlyMap<Slot, Condition>;
}

type Interface = 'express' | 'conventional' | 'either';
type Model = Pick<FunctionDescription, 'vendor' | 'device' | 'classCode' | 'messages'> & {
  readonly model: DeviceModel;
  readonly interface: Interface;
};

const ENDPOINTS: readonly Model[] = [
  { model: 'e1000', vendor: 0x8086, device: 0x100e, classCode: 0x020000, interface: 'conventional' },
  { model: 'rtl8139', vendor: 0x10ec, device: 0x8139, classCode: 0x020000, interface: 'conventional' },
  { model: 'lsi53c895a', vendor: 0x1000, device: 0x0012, classCode: 0x010000, interface: 'conventional' },
  {
    model: 'edu',
    vendor: 0x1234,
    device: 0x11e8,
    classCode: 0x00ff00,
    messages: 'msi',
    interface: 'conventional',
  },
  {
    model: 'ich9-ahci',
    vendor: 0x8086,
    device: 0x2922,
    classCode: 0x010601,
    messages: 'msi',
    interface: 'conventional',
  },
  {
    model: 'e1000e',
    vendor: 0x8086,
    device: 0x10d3,
    classCode: 0x020000,
    messages: 'msix',
    interface: 'express',
  },
  {
    model: 'nvme',
    vendor: 0x1b36,
    device: 0x0010,
    classCode: 0x010802,
    messages: 'msix',
    interface: 'express',
  },
  {
    model: 'qemu-xhci',
    vendor: 0x1b36,
    device: 0x000d,
    classCode: 0x0c0330,
    messages: 'msix',
    interface: 'express',
  },
  {
    model: 'vmxnet3',
    vendor: 0x15ad,
    device: 0x07b0,
    classCode: 0x020000,
    messages: 'msix',
    interface: 'either',
  },
];
const BRIDGES = {
  'pcie-root-port': { vendor: 0x1b36, device: 0x000c, express: 'root-port', pin: 1 },
  'x3130-upstream': { vendor: 0x104c, device: 0x8232, express: 'upstream-port', pin: 0 },
  'xio3130-downstream': { vendor: 0x104c, device: 0x8233, express: 'downstream-port', pin: 0 },
  'pcie-pci-bridge': { vendor: 0x1b36, device: 0x000e, express: 'pcie-to-pci-bridge', pin: 1 },
  'pci-bridge': { vendor: 0x1b36, device: 0x0001, express: undefined, pin: 1 },
} as const satisfies Partial<Record<DeviceModel, unknown>>;
/** What every q35 has. */
const CHIPSET: readonly FunctionDescription[] = [
  { slot: '00:00.0', vendor: 0x8086, device: 0x29c0, classCode: 0x060000 },
  { slot: '00:1f.0', vendor: 0x8086, device: 0x2918, classCode: 0x060100 },
  { slot: '00:1f.2', vendor: 0x8086, device: 0x2922, classCode: 0x010601, messages: 'msi', pin: 1 },
  { slot: '00:1f.3', vendor: 0x8086, device: 0x2930, classCode: 0x0c0500, pin: 1 },
];
/** More of them do not fit into the I/O ports that SeaBIOS hands out to bridges. */
const BRIDGES_MAX = 10;

/** The same seed draws the same topology. */
export function randomTopology(seed: number): RandomTopology {
  return new Drawing(new Random(seed).fork('topology')).draw(`topology-${seed}`);
}

interface Place {
  /** The QEMU id of the bridge; `undefined` on the root bus. */
  readonly below: string | undefined;
  readonly bus: number;
}

class Drawing {
  readonly #random: Random;
  readonly #devices: DeviceDescription[] = [];
  readonly #functions: FunctionDescription[] = [...CHIPSET];
  #bridges = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  draw(name: string): RandomTopology {
    const root: Place = { below: undefined, bus: 0 };
    const count = this.#random.between(3, 8);
    // SeaBIOS numbers buses depth first, in the order of device numbers: so does this.
    for (let device = 1; device <= count; device++) {
      const draw = this.#random.below(10);
      if (draw < 5) this.#bridge('pcie-root-port', root, device);
      else if (draw < 6) this.#bridge('pcie-pci-bridge', root, device);
      else this.#slotOf(root, device, 'rc-endpoint');
    }
    const conditions = new Map(
      this.#functions.map(({ slot }) => [`0000:${slot}` as Slot, this.#condition()]),
    );
    return {
      qemu: { chipset: 'q35', devices: this.#devices },
      sim: { name, functions: this.#functions, captureDrivers: [] },
      conditions,
    };
  }

  #condition(): Condition {
    const busMaster = this.#random.chance(70);
    const messages = busMaster && this.#random.chance(60);
    return { busMaster, messages, intxDisable: messages || this.#random.chance(20) };
  }

  #bridge(model: keyof typeof BRIDGES, at: Place, device: number): void {
    if (this.#bridges >= BRIDGES_MAX) return;
    const secondary = ++this.#bridges;
    const id = `bridge${secondary}`;
    const { vendor, device: deviceId, express, pin } = BRIDGES[model];
    this.#devices.push({ model, id, device, ...(at.below === undefined ? {} : { bus: at.below }) });
    const type = express === undefined ? {} : { express };
    const ids = { vendor, device: deviceId, classCode: 0x060400, pin };
    this.#functions.push({ slot: slotAt(at.bus, device, 0), ...ids, ...type, secondary });
    const place = { below: id, bus: secondary };
    switch (model) {
      case 'pcie-root-port':
      case 'xio3130-downstream': {
        const draw = this.#random.below(10);
        if (draw < 3) this.#bridge('x3130-upstream', place, 0);
        else if (draw < 5) this.#bridge('pcie-pci-bridge', place, 0);
        else if (draw < 9) this.#slotOf(place, 0, 'endpoint');
        return;
      }
      case 'x3130-upstream':
        for (let port = 0; port < this.#random.between(1, 3); port++)
          this.#bridge('xio3130-downstream', place, port);
        return;
      case 'pcie-pci-bridge':
      case 'pci-bridge':
        for (let at = 1; at <= this.#random.between(1, 3); at++) {
          if (this.#random.chance(25)) this.#bridge('pci-bridge', place, at);
          else this.#slotOf(place, at, undefined);
        }
    }
  }

  /** One device, of one function or several; `express` is the type that an Express function has there. */
  #slotOf(at: Place, device: number, express: ExpressType | undefined): void {
    const functions = this.#random.chance(30) ? this.#random.between(2, 4) : 1;
    for (let fn = 0; fn < functions; fn++) {
      const fits = ENDPOINTS.filter((model) => express !== undefined || model.interface !== 'express');
      const { model, interface: kind, ...ids } = this.#random.pick(fits);
      this.#devices.push({
        ...{ model, device, function: fn },
        ...(at.below === undefined ? {} : { bus: at.below }),
        ...(fn === 0 && functions > 1 ? { multifunction: true } : {}),
      });
      const type = express === undefined || kind === 'conventional' ? {} : { express };
      this.#functions.push({ slot: slotAt(at.bus, device, fn), ...ids, ...type, pin: 1 });
    }
  }
}

function slotAt(bus: number, device: number, fn: number): string {
  return formatSlot({ domain: 0, bus, device, function: fn }).slice('0000:'.length);
}
