import { hex } from './slot.js';

export interface NamedIds {
  readonly vendor: number;
  readonly device: number;
  /** 24 bits */
  readonly classCode: number;
}

/** Names in the words of lspci; hexadecimal where there is none. Without control characters. */
export interface PciNames {
  device(vendor: number, device: number): string;
  className(classCode: number): string;
}

const NAME_MAX = 120;
const LF = 0x0a;
const TAB = 0x09;
const LETTER_C = 0x43;
const BLANK = 0x20;
const NO_NUMBER = -1;

/**
 * Looks up names in the bytes of a `pci.ids`. A single pass that decodes only the names that are wanted, since it
 * runs for each text output: https://github.com/pciutils/pciids, "Syntax" at the head of the file.
 */
export function lookupNames(text: Uint8Array, wanted: Iterable<NamedIds>): PciNames {
  const devices = new Map<number, string | undefined>();
  const vendors = new Map<number, string | undefined>();
  const classes = new Map<number, string | undefined>();
  const subclasses = new Map<number, string | undefined>();
  for (const { vendor, device, classCode } of wanted) {
    vendors.set(vendor, undefined);
    devices.set(vendor * 0x1_0000 + device, undefined);
    classes.set(classCode >>> 16, undefined);
    subclasses.set(classCode >>> 8, undefined);
  }

  // The map that lines with one tab belong to, if they are wanted, and their common upper half.
  let below: Map<number, string | undefined> | undefined;
  let upper = 0;
  let digits = 4;
  for (let from = 0, end = 0; from < text.length; from = end + 1) {
    end = text.indexOf(LF, from);
    if (end === -1) end = text.length;
    const first = text[from];
    if (first === TAB) {
      if (!below || text[from + 1] === TAB) continue;
      take(text, from + 1, end, digits, below, upper);
    } else if (first === LETTER_C && text[from + 1] === BLANK) {
      const base = take(text, from + 2, end, 2, classes, 0);
      below = base === NO_NUMBER ? undefined : subclasses;
      upper = base * 0x100;
      digits = 2;
    } else {
      const vendor = take(text, from, end, 4, vendors, 0);
      // A comment or empty line ends nothing.
      if (vendor === NO_NUMBER && (first === 0x23 || from === end)) continue;
      below = vendor === NO_NUMBER || !vendors.has(vendor) ? undefined : devices;
      upper = vendor * 0x1_0000;
      digits = 4;
    }
  }

  return {
    device(vendor, device) {
      const vendorName = vendors.get(vendor);
      if (vendorName === undefined) return `Device ${hex(vendor, 4)}:${hex(device, 4)}`;
      return `${vendorName} ${devices.get(vendor * 0x1_0000 + device) ?? `Device ${hex(device, 4)}`}`;
    },
    className(classCode) {
      const code = hex(classCode >>> 8, 4);
      const base = classes.get(classCode >>> 16);
      return subclasses.get(classCode >>> 8) ?? (base === undefined ? `Class ${code}` : `${base} [${code}]`);
    },
  };
}

/** Reads `NUMBER  NAME`, keeps the name if the number is wanted, and answers with the number alone. */
function take(
  text: Uint8Array,
  from: number,
  end: number,
  digits: number,
  names: Map<number, string | undefined>,
  upper: number,
): number {
  if (from + digits > end) return NO_NUMBER;
  let value = 0;
  for (let at = from; at < from + digits; at++) {
    const byte = text[at] ?? 0;
    // Digits, then letters in either case
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : ((byte | 0x20) - 0x61 + 10) & 0xff;
    if (digit > 15) return NO_NUMBER;
    value = value * 16 + digit;
  }
  const key = upper + value;
  if (names.has(key)) names.set(key, name(text.subarray(from + digits, end)));
  return value;
}

function name(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes.subarray(0, NAME_MAX)).replaceAll(/\p{C}/gu, '').trim();
  return text === '' ? undefined : text;
}
