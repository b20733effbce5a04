import type { ExpressType } from '../../pci/function.js';
import { hex, parseSlot, type Slot, slotParts } from '../../pci/slot.js';

/** What of a function says where its bus comes from. */
interface OnBus {
  readonly slot: string;
  /** Of a bridge. */
  readonly secondary?: number | undefined;
  /** Base class and subclass. */
  readonly kind: number;
  readonly express?: ExpressType | undefined;
}

const HOST_BRIDGE = 0x0600;
/** These are part of a root complex, PCI Express Base Specification, 1.3: their bus is a root bus. */
const OF_ROOT: ReadonlySet<ExpressType | undefined> = new Set([
  'root-port',
  'rc-endpoint',
  'rc-event-collector',
] as const);

/**
 * Functions, by index, on a bus that no bridge leads to and of which nothing says that it is a root bus. Bus 00 is one
 * always; another one has a host bridge, or a function that is part of a root complex. One function a bus.
 */
export function strayBuses(
  functions: readonly OnBus[],
): readonly { readonly at: number; readonly bus: string }[] {
  const buses = functions.map(({ slot }) => {
    const { domain, bus } = slotParts(parseSlot(slot) ?? (slot as Slot));
    return domain * 256 + bus;
  });
  const known = new Set<number>();
  functions.forEach(({ secondary, kind, express }, at) => {
    const bus = buses[at] ?? 0;
    if (secondary !== undefined) known.add(bus - (bus % 256) + secondary);
    if (kind === HOST_BRIDGE || OF_ROOT.has(express)) known.add(bus);
  });
  return buses.flatMap((bus, at) => {
    if (bus % 256 === 0 || known.has(bus)) return [];
    known.add(bus);
    return [{ at, bus: hex(bus % 256, 2) }];
  });
}
