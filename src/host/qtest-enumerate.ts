import { ConfigImage, type VisibleBytes } from '../pci/config-image.js';
import { decodeFunction } from '../pci/decode.js';
import { seen } from '../pci/function.js';
import * as regs from '../pci/regs.js';
import { compareSlots, formatSlot, type Slot } from '../pci/slot.js';
import { type ConfigAccess, type RoutingId, routingId } from './qtest-config.js';

export interface QtestFunction {
  readonly slot: Slot;
  readonly id: RoutingId;
  readonly visible: VisibleBytes;
  readonly ids: { readonly vendor: number; readonly device: number; readonly classCode: number };
  readonly physfn: Slot | null;
  /** `undefined` for a function that has no SR-IOV. */
  readonly numVfs: number | undefined;
}

const ALL_ONES = 0xffff_ffff;
const CLASS_HOST_BRIDGE = 0x0600;

/**
 * Every function behind the root buses, by slot in order. Goes down from bus 0 and, where a function there says that
 * it leads to another root bus (QEMU's pxb), from every bus on which something answers. A function is there if its
 * dword at offset 4 is not all ones, since a virtual function reads vendor ID ffff; every routing ID of a bus counts,
 * since virtual functions and those of ARI heed no multi-function bit.
 */
export async function enumerate(config: ConfigAccess): Promise<ReadonlyMap<Slot, QtestFunction>> {
  const found = new Map<RoutingId, Listed>();
  const visited = new Set<number>();
  const descend = async (roots: readonly number[]) => {
    const buses = [...roots];
    for (let bus = buses.shift(); bus !== undefined; bus = buses.shift()) {
      if (visited.has(bus) || bus >= config.buses) continue;
      visited.add(bus);
      for (const fn of await listBus(config, bus)) {
        found.set(fn.id, fn);
        if (fn.secondary > 0) buses.push(fn.secondary);
      }
    }
  };
  await descend([0]);
  if ([...found.values()].some(isOtherRoot)) await descend(await busesThatAnswer(config, visited));
  const functions = await Promise.all([...found.values()].map((fn) => detail(config, fn)));
  return withVirtual(functions);
}

interface Listed {
  readonly id: RoutingId;
  readonly classCode: number;
  /** 0 unless it is a bridge that was given a bus. */
  readonly secondary: number;
}

async function listBus(config: ConfigAccess, bus: number): Promise<Listed[]> {
  const ids = Array.from({ length: 256 }, (_, low) => ((bus << 8) | low) as RoutingId);
  const present = await config.dwords(ids.map((id) => ({ id, offset: regs.PCI_COMMAND })));
  const there = ids.filter((_, at) => present[at] !== ALL_ONES);
  const targets = there.flatMap((id) =>
    [regs.PCI_CLASS_REVISION, HEADER_DWORD, regs.PCI_PRIMARY_BUS].map((offset) => ({ id, offset })),
  );
  const values = await config.dwords(targets);
  return there.map((id, at) => {
    const [classRevision = 0, header = 0, numbers = 0] = values.slice(at * 3, at * 3 + 3);
    const type = (header >>> 16) & regs.PCI_HEADER_TYPE_MASK;
    const bridge = type === regs.PCI_HEADER_TYPE_BRIDGE || type === regs.PCI_HEADER_TYPE_CARDBUS;
    return { id, classCode: classRevision >>> 8, secondary: bridge ? (numbers >>> 8) & 0xff : 0 };
  });
}

/** Cache line size, latency timer, header type, BIST. */
const HEADER_DWORD = 0x0c;

function isOtherRoot({ id, classCode }: Listed): boolean {
  return id !== 0 && classCode >>> 8 === CLASS_HOST_BRIDGE;
}

/** Buses beyond `known` on which a device answers in its first function. */
async function busesThatAnswer(config: ConfigAccess, known: ReadonlySet<number>): Promise<number[]> {
  const buses: number[] = [];
  for (let bus = 0; bus < config.buses; bus++) {
    if (known.has(bus)) continue;
    const devices = Array.from({ length: 32 }, (_, device) => ({
      id: routingId(bus, device, 0),
      offset: regs.PCI_COMMAND,
    }));
    if ((await config.dwords(devices)).some((value) => value !== ALL_ONES)) buses.push(bus);
  }
  return buses;
}

type Detailed = QtestFunction & { readonly vfs: readonly RoutingId[] };

async function detail(config: ConfigAccess, { id, classCode }: Listed): Promise<Detailed> {
  const [ids = 0, beyond = 0] = await config.dwords([
    { id, offset: regs.PCI_VENDOR_ID },
    { id, offset: config.bytes === 4096 ? regs.PCI_EXT_CAP_START : regs.PCI_VENDOR_ID },
  ]);
  // A conventional function ends at 256 bytes; what is beyond reads all ones.
  const visible = config.bytes === 4096 && beyond !== ALL_ONES ? 4096 : 256;
  const base = {
    slot: slotOf(id),
    id,
    visible,
    ids: { vendor: ids & 0xffff, device: ids >>> 16, classCode },
    physfn: null,
  } as const;
  if (visible === 256) return { ...base, numVfs: undefined, vfs: [] };
  const image = ConfigImage.of(await config.range({ id, offset: 0 }, visible));
  const sriov = seen(decodeFunction(base.slot, image).sriov);
  if (!sriov) return { ...base, numVfs: undefined, vfs: [] };
  const numVfs = sriov.vfEnable ? sriov.numVfs : 0;
  const vfs = Array.from({ length: numVfs }, (_, n) => id + sriov.vfOffset + n * sriov.vfStride);
  return { ...base, numVfs, vfs: vfs.filter((vf): vf is RoutingId => vf <= 0xffff) };
}

function withVirtual(functions: readonly Detailed[]): ReadonlyMap<Slot, QtestFunction> {
  const physfn = new Map<RoutingId, Slot>();
  for (const fn of functions) for (const vf of fn.vfs) physfn.set(vf, fn.slot);
  const sorted = [...functions].sort((a, b) => compareSlots(a.slot, b.slot));
  return new Map(sorted.map(({ vfs: _, ...fn }) => [fn.slot, { ...fn, physfn: physfn.get(fn.id) ?? null }]));
}

function slotOf(id: RoutingId): Slot {
  return formatSlot({ domain: 0, bus: id >> 8, device: (id >> 3) & 0x1f, function: id & 7 });
}
