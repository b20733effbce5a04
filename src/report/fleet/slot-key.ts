/** A value that `slotKey` never has. */
export const NO_SLOT = -1;

const DIGITS = hexDigits();

function hexDigits(): Int8Array {
  const digits = new Int8Array(128).fill(-1);
  for (const [value, digit] of [...'0123456789abcdef'].entries()) digits[digit.charCodeAt(0)] = value;
  return digits;
}

/** The number of so many lower-case hexadecimal digits and nothing else; -1 if it is none. */
export function hexNumber(text: unknown, digits: number): number {
  return typeof text === 'string' && text.length === digits ? hexAt(text, 0, digits) : -1;
}

function hexAt(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    const digit = code < 128 ? (DIGITS[code] ?? -1) : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/** `slotKey` of a full slot as `formatSlot` writes it, without taking it apart; NO_SLOT for anything else. */
export function slotKeyOf(text: unknown): number {
  if (typeof text !== 'string') return NO_SLOT;
  const end = text.length;
  if (end < 12 || end > 16 || text[end - 8] !== ':' || text[end - 5] !== ':' || text[end - 2] !== '.') {
    return NO_SLOT;
  }
  if (end > 12 && text[0] === '0') return NO_SLOT;
  const domain = hexAt(text, 0, end - 8);
  const bus = hexAt(text, end - 7, end - 5);
  const device = hexAt(text, end - 4, end - 2);
  const fn = hexAt(text, end - 1, end);
  if (domain < 0 || bus < 0 || device < 0 || device > 0x1f || fn < 0 || fn > 7) return NO_SLOT;
  return domain * 0x1_0000 + bus * 256 + device * 8 + fn;
}
