/**
 * The address of a PCI function as text: `dddd:bb:dd.f`, hexadecimal, lower case. The domain has at least
 * four digits and up to eight (Intel VMD and some Arm machines use domains from 0x10000 up).
 */
export type Slot = string & { readonly __brand: 'Slot' };

export interface SlotParts {
  /** 0 … 0xffffffff */
  readonly domain: number;
  /** 0 … 0xff */
  readonly bus: number;
  /** 0 … 0x1f */
  readonly device: number;
  /** 0 … 7 */
  readonly function: number;
}

/** Linux numbers the segments behind Intel VMD from here up, where no firmware's segment can be. */
export const VMD_DOMAINS = 0x1_0000;

const SLOT = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i;

/** The slot that a text names, with or without its domain; `undefined` if it names none. */
export function parseSlot(text: string): Slot | undefined {
  const match = SLOT.exec(text);
  if (!match) return undefined;
  const device = Number.parseInt(match[3] ?? '', 16);
  if (device > 0x1f) return undefined;
  return formatSlot({
    domain: Number.parseInt(match[1] ?? '0', 16),
    bus: Number.parseInt(match[2] ?? '', 16),
    device,
    function: Number(match[4]),
  });
}

/** The slot of an address whose parts are in range; they are not checked. */
export function formatSlot(parts: SlotParts): Slot {
  const { domain, bus, device } = parts;
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${parts.function}` as Slot;
}

/** A slot taken apart; the inverse of `formatSlot`. */
export function slotParts(slot: Slot): SlotParts {
  const end = slot.length;
  return {
    domain: Number.parseInt(slot.slice(0, end - 8), 16),
    bus: Number.parseInt(slot.slice(end - 7, end - 5), 16),
    device: Number.parseInt(slot.slice(end - 4, end - 2), 16),
    function: Number(slot.slice(end - 1)),
  };
}

/** Domain and routing ID as one number, which is exact for any domain. */
export function slotKey({ domain, bus, device, function: fn }: SlotParts): number {
  return domain * 0x1_0000 + bus * 256 + device * 8 + fn;
}

/** The inverse of `slotKey`. */
export function slotOfKey(key: number): Slot {
  const routingId = key % 0x1_0000;
  return formatSlot({
    domain: Math.floor(key / 0x1_0000),
    bus: routingId >> 8,
    device: (routingId >> 3) & 0x1f,
    function: routingId & 7,
  });
}

/** Bus, device and function in the 16 bits that requests carry; without the domain. */
export function routingId(slot: Slot): number {
  const { bus, device, function: fn } = slotParts(slot);
  return (bus << 8) | (device << 3) | fn;
}

/** Orders by domain, bus, device, function. */
export function compareSlots(a: Slot, b: Slot): number {
  // Four-digit domains are all of one length, where text order is numeric order.
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Lower-case hexadecimal with at least `digits` digits and no prefix. */
export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
