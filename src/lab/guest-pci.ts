import { ConfigImage } from '../pci/config-image.js';
import { decodeFunction } from '../pci/decode.js';
import { ShootdownError } from '../pci/error.js';
import type { PciFunction } from '../pci/function.js';
import { parseSlot, type Slot } from '../pci/slot.js';
import { intxAsserted, intxDisabled, messagesEnabled, type Verdict, verdictOf } from '../quiesce/verdict.js';
import type { Guest } from './guest.js';

/** One function as the guest's /sys shows it. */
export interface GuestFunction {
  readonly fn: PciFunction;
  /** Up to 256 bytes, or as many as /sys has. */
  readonly config: Uint8Array;
  readonly driver: string | null;
}

/** What matters of one function for a jump. */
export interface FunctionState {
  readonly command: string;
  readonly verdict: Verdict;
  readonly intxAsserted: boolean;
  readonly intxDisabled: boolean;
  /** MSI or MSI-X is on. */
  readonly messages: boolean;
  readonly driver: string | null;
}

/** A function's state just before the jump (and before anything was applied) and as the next kernel found it. */
export interface FunctionChange {
  readonly slot: Slot;
  readonly ids: string;
  readonly before: FunctionState | null;
  readonly after: FunctionState | null;
}

/** What is decoded lies in the first 256 bytes. */
const DECODED_BYTES = 256;
/** The whole of an Express function; /sys has 256 bytes of others. */
const WHOLE_BYTES = 4096;

/** Every function of a guest, in slot order; with `whole` all bytes of their configuration space. */
export async function readFunctions(
  guest: Guest,
  { whole = false }: { whole?: boolean } = {},
): Promise<readonly GuestFunction[]> {
  const script = `cd /sys/bus/pci/devices
for d in *; do
  driver=$(readlink $d/driver) || driver=-
  echo "$d \${driver##*/} $(od -An -v -tx1 -N ${whole ? WHOLE_BYTES : DECODED_BYTES} $d/config | tr -d ' \\n')"
done`;
  return parseFunctions(await guest.must(script));
}

/** Lines of SLOT DRIVER HEX; a driver of `-` is none. */
export function parseFunctions(text: string): readonly GuestFunction[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [slot = '', driver = '-', hex = ''] = line.trim().split(' ');
      const config = Buffer.from(hex, 'hex');
      const name = parseSlot(slot);
      if (name === undefined) throw new ShootdownError('bad-input', `the guest names a function "${slot}"`);
      const fn = decodeFunction(name, ConfigImage.of(config));
      return { fn, config, driver: driver === '-' ? null : driver };
    });
}

export function functionChanges(
  before: readonly GuestFunction[],
  after: readonly GuestFunction[],
): readonly FunctionChange[] {
  const later = new Map(after.map((one) => [one.fn.slot, one]));
  const earlier = new Map(before.map((one) => [one.fn.slot, one]));
  const slots: Slot[] = [...new Set([...earlier.keys(), ...later.keys()])].sort();
  return slots.map((slot) => {
    const [then, now] = [earlier.get(slot), later.get(slot)];
    const fn = (now ?? then)?.fn;
    return {
      slot,
      ids: `${hex4(fn?.vendor)}:${hex4(fn?.device)}`,
      before: then === undefined ? null : stateOf(then),
      after: now === undefined ? null : stateOf(now),
    };
  });
}

function stateOf({ fn, driver }: GuestFunction): FunctionState {
  return {
    command: hex4(fn.command),
    verdict: verdictOf(fn),
    intxAsserted: intxAsserted(fn),
    intxDisabled: intxDisabled(fn),
    messages: messagesEnabled(fn),
    driver,
  };
}

function hex4(value: number | undefined): string {
  return (value ?? 0xffff).toString(16).padStart(4, '0');
}
