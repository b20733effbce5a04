import { ShootdownError } from './error.js';
import { type Slot, slotParts } from './slot.js';

/** Which slots `-s` names; a part that is left out or `*` is `undefined` and fits anything. */
export interface SlotSelector {
  readonly domain: number | undefined;
  readonly bus: number | undefined;
  readonly device: number | undefined;
  readonly function: number | undefined;
}

/** Which functions `-d` names; a part that is left out or `*` is `undefined` and fits anything. */
export interface IdSelector {
  readonly vendor: number | undefined;
  readonly device: number | undefined;
  /** Base class and subclass, with the bits that count: an `x` digit fits anything. */
  readonly class: { readonly value: number; readonly mask: number } | undefined;
  readonly progIf: number | undefined;
}

/** What `-d` looks at: the IDs and the 24 bits of the class code. */
export interface Identity {
  readonly vendor: number;
  readonly device: number;
  readonly classCode: number;
}

/** lspci copies the text into a buffer of 64 bytes. */
const LENGTH_MAX = 63;

/** Reads `[[[[domain]:]bus]:][device][.[function]]` as lspci does, whose numbers are hexadecimal without prefix. */
export function parseSlotSelector(text: string): SlotSelector {
  const fail = failure('-s', text, '[[[[domain]:]bus]:][device][.[function]]');
  const fields = split(text, 3, fail);
  const last = fields.pop() ?? '';
  const bus = hexField(fields.pop(), 0xff, 'bus', fail);
  const domain = hexField(fields.pop(), 0x7fff_ffff, 'domain', fail);
  if (last === '*') return { domain, bus, device: undefined, function: undefined };
  const [device, fn, ...more] = last.split('.');
  if (more.length > 0) throw fail('more than one dot in the slot');
  return {
    domain,
    bus,
    device: hexField(device, 0x1f, 'device', fail),
    function: hexField(fn, 7, 'function', fail),
  };
}

/** Reads `[vendor]:[device][:[class][:[prog-if]]]` as lspci 3.9 does; digits of the class may be `x`. */
export function parseIdSelector(text: string): IdSelector {
  const fail = failure('-d', text, '[vendor]:[device][:class[:prog-if]]');
  const [vendor, device, classCode, progIf] = split(text, 4, fail);
  if (device === undefined) throw fail('at least the colon between vendor and device must be there');
  return {
    vendor: hexField(vendor, 0xffff, 'vendor', fail),
    device: hexField(device, 0xffff, 'device', fail),
    class: classField(classCode, fail),
    progIf: hexField(progIf, 0xff, 'prog-if', fail),
  };
}

/** Whether a selector of `-s` names this slot. */
export function matchesSlot(selector: SlotSelector, slot: Slot): boolean {
  const parts = slotParts(slot);
  return (
    fits(selector.domain, parts.domain) &&
    fits(selector.bus, parts.bus) &&
    fits(selector.device, parts.device) &&
    fits(selector.function, parts.function)
  );
}

/** Whether a selector of `-d` names a function with these ids. */
export function matchesId(selector: IdSelector, fn: Identity): boolean {
  const { class: wanted } = selector;
  if (wanted && (((fn.classCode >>> 8) ^ wanted.value) & wanted.mask) !== 0) return false;
  return (
    fits(selector.vendor, fn.vendor) &&
    fits(selector.device, fn.device) &&
    fits(selector.progIf, fn.classCode & 0xff)
  );
}

type Fail = (problem: string) => ShootdownError;

function failure(option: string, text: string, syntax: string): Fail {
  return (problem) =>
    new ShootdownError('usage', `${option} ${JSON.stringify(text)}: ${problem}; the form is ${syntax}`);
}

function fits(wanted: number | undefined, value: number): boolean {
  return wanted === undefined || wanted === value;
}

function split(text: string, fieldsMax: number, fail: Fail): string[] {
  if (Buffer.byteLength(text) > LENGTH_MAX) throw fail('the expression is too long');
  const fields = text.split(':');
  if (fields.length > fieldsMax) throw fail('too many colons');
  return fields;
}

function hexField(field: string | undefined, max: number, what: string, fail: Fail): number | undefined {
  if (isAny(field)) return undefined;
  const invalid = () => fail(`invalid ${what}, which is at most ${max.toString(16)} in hexadecimal`);
  if (!/^[0-9a-f]+$/i.test(field)) throw invalid();
  let value = 0;
  // lspci looks after each digit, in 32 bits: of a domain with more than eight digits the last eight count.
  for (const digit of field) {
    value = ((value << 4) | Number.parseInt(digit, 16)) >>> 0;
    if (value > max) throw invalid();
  }
  return value;
}

function classField(field: string | undefined, fail: Fail): IdSelector['class'] {
  if (isAny(field)) return undefined;
  // lspci holds an `x` for a one when it looks whether the number is too big.
  const bound = hexField(field.replaceAll(/x/gi, '1'), 0xffff, 'class', fail);
  if (bound === undefined) return undefined;
  const digits = field.slice(-4);
  return {
    value: Number.parseInt(digits.replaceAll(/x/gi, '0'), 16),
    // Digits that are left out are zeros, and count.
    mask: Number.parseInt(digits.replaceAll(/[^x]/gi, 'f').replaceAll(/x/gi, '0').padStart(4, 'f'), 16),
  };
}

function isAny(field: string | undefined): field is '' | '*' | undefined {
  return field === undefined || field === '' || field === '*';
}
