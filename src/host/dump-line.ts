import { slotKey } from '../pci/slot.js';

export const BLANK = 0x20;
const TAB = 0x09;
const QUOTE = 0x3e;
export const COLON = 0x3a;
const DOT = 0x2e;
const DOUBLE_QUOTE = 0x22;
const NO_DIGIT = 0x1000;

const HEX = new Uint16Array(256).fill(NO_DIGIT);
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16);
  HEX[text.charCodeAt(0)] = digit;
  HEX[text.toUpperCase().charCodeAt(0)] = digit;
}

/** The value of a hex digit, or something above 15 whose products with 16 are above 255, too. */
export function hexAt(bytes: Uint8Array, at: number): number {
  return HEX[bytes[at] ?? 0] ?? NO_DIGIT;
}

export function isBlank(byte: number | undefined): boolean {
  return byte === BLANK || byte === TAB;
}

export function skipBlanks(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isBlank(bytes[at])) at++;
  return at;
}

export function skipByteOrderMark(bytes: Uint8Array, from: number, end: number): number {
  const marked =
    from + 3 <= end && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf;
  return marked ? from + 3 : from;
}

/** Where a line begins behind the marks that a mail or a paste put before it. */
export function skipQuotes(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (isBlank(bytes[at]) || bytes[at] === QUOTE)) at++;
  return at;
}

/** Nothing, or nothing but quote marks: an empty line. Blanks alone do not make one, nor do they for lspci. */
export function isEmpty(bytes: Uint8Array, from: number, end: number): boolean {
  return from === end || bytes.subarray(from, end).includes(QUOTE);
}

const DRIVER = Buffer.from('Kernel driver in use: ');
const DRIVER_MAX = 64;

/** The driver that a line of `lspci -k` names at `from`, if it is such a line. */
export function driverNamed(bytes: Uint8Array, from: number, end: number): string | null {
  if (bytes[from] !== DRIVER[0] || end - from <= DRIVER.length) return null;
  if (DRIVER.compare(bytes, from, from + DRIVER.length) !== 0) return null;
  const name = Buffer.from(
    bytes.subarray(from + DRIVER.length, Math.min(end, from + DRIVER.length + DRIVER_MAX)),
  );
  return name
    .toString('latin1')
    .trim()
    .replace(/[^\x21-\x7e]/g, '?');
}

export interface HeaderLine {
  /** Of its slot; negative if no function can have it. */
  readonly key: number;
  /** Reads as lspci prints it, `CLASS: NAME` or `"CLASS" "NAME"`, not as somebody writes about a slot. */
  readonly proper: boolean;
}

/** The header line that begins with a slot at `from`: `bb:dd.f ` or, with four to eight digits, `dddd:bb:dd.f `. */
export function parseHeader(bytes: Uint8Array, from: number, end: number): HeaderLine | undefined {
  let at = from;
  let domain = 0;
  while (at < end && at - from < 8 && hexAt(bytes, at) <= 15) domain = domain * 16 + hexAt(bytes, at++);
  const digits = at - from;
  if (digits === 2) {
    domain = 0;
    at = from;
  } else if (digits >= 4 && bytes[at] === COLON) at++;
  else return undefined;
  // bb:dd.f and a blank
  if (at + 8 > end) return undefined;
  if (bytes[at + 2] !== COLON || bytes[at + 5] !== DOT || bytes[at + 7] !== BLANK) return undefined;
  const bus = hexAt(bytes, at) * 16 + hexAt(bytes, at + 1);
  const device = hexAt(bytes, at + 3) * 16 + hexAt(bytes, at + 4);
  const fn = hexAt(bytes, at + 6);
  if (bus > 0xff || device > 0xff || fn > 15) return undefined;
  const key = device > 0x1f || fn > 7 ? -1 : slotKey({ domain, bus, device, function: fn });
  return { key, proper: isTitle(bytes, at + 8, end) };
}

function isTitle(bytes: Uint8Array, from: number, end: number): boolean {
  if (bytes[from] === DOUBLE_QUOTE) return true;
  for (let at = bytes.indexOf(COLON, from); at !== -1 && at < end; at = bytes.indexOf(COLON, at + 1)) {
    if (bytes[at + 1] === BLANK) return true;
  }
  return false;
}
