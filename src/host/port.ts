import type { VisibleBytes } from '../pci/config-image.js';
import { ShootdownError } from '../pci/error.js';
import type { Slot } from '../pci/slot.js';
import type { FunctionFacts, MachineFacts } from './facts.js';

export type Width = 1 | 2 | 4;

/**
 * A machine whose functions can be read and perhaps written. Values are unsigned and little-endian. Every method
 * rejects with a `ShootdownError`: `usage` for a slot that `slots()` did not name or a misaligned or invisible
 * register, `read-only`, `no-permission`, `lockdown`, `vanished`, `io`.
 */
export interface Host {
  /** As the user named it: `sim:server`, `sysfs:/sys`, `dump:FILE`. */
  readonly name: string;
  readonly writable: boolean;
  /** What could not be read or was not sound, in one line each; complete after `slots()` and all reads. */
  readonly notes: readonly string[];
  /** Every function, in slot order, each once. */
  slots(): Promise<readonly Slot[]>;
  visibleBytes(slot: Slot): Promise<VisibleBytes>;
  /** `offset` is a multiple of `width`; a function that does not answer reads all ones, as on the bus. */
  read(slot: Slot, offset: number, width: Width): Promise<number>;
  write(slot: Slot, offset: number, width: Width, value: number): Promise<void>;
  /**
   * Up to `length` bytes from `offset` in as few accesses as the host can; shorter where some are not known.
   * `offset` and `length` are multiples of 2. Without it, `readRange` makes do with `read`.
   */
  readRange?(slot: Slot, offset: number, length: number): Promise<Uint8Array>;
  /** What the host knows beyond configuration space. */
  facts?(slot: Slot): Promise<FunctionFacts>;
  machineFacts?(): Promise<MachineFacts>;
  /** `facts` names the physical function of each virtual one: no plan needs to read SR-IOV capabilities for it. */
  readonly knowsVirtualFunctions?: boolean;
  /** What the host can do beyond configuration space. */
  readonly actions?: HostActions;
  /** Names this machine for the lock that keeps two runs apart; without it no lock is taken. */
  readonly lockName?: string;
  /** No more access to this function is planned for now: let go of what is held for it. */
  release?(slot: Slot): void;
  close(): Promise<void>;
}

/** Things that only an operating system can do to a function. Each may hang in the kernel: callers bound them. */
export interface HostActions {
  unbind(slot: Slot, driver: string): Promise<void>;
  bind(slot: Slot, driver: string): Promise<void>;
  /** Function-level reset; the function has settled when this resolves. */
  reset(slot: Slot): Promise<void>;
}

/** Reads a range through `readRange` where the host has it, else dword by dword. */
export async function readRange(host: Host, slot: Slot, offset: number, length: number): Promise<Uint8Array> {
  if (host.readRange) return host.readRange(slot, offset, length);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  while (at < length) {
    const width =
      (offset + at) % 4 === 0 && length - at >= 4 ? 4 : (offset + at) % 2 === 0 && length - at >= 2 ? 2 : 1;
    const value = await host.read(slot, offset + at, width);
    if (width === 4) view.setUint32(at, value, true);
    else if (width === 2) view.setUint16(at, value, true);
    else view.setUint8(at, value);
    at += width;
  }
  return bytes;
}

/** Rejects a host that cannot be written, before anything else is done with it. */
export function checkWritable(host: Host): void {
  if (host.writable) return;
  throw new ShootdownError('read-only', `${host.name} cannot be written: plan only, or name another --host`);
}

/** Rejects an access that no host may perform. */
export function checkAccess(slot: Slot, offset: number, width: Width, visible: VisibleBytes): void {
  if (Number.isInteger(offset) && offset >= 0 && offset % width === 0 && offset + width <= visible) return;
  const register = offset.toString(16);
  const message = `${slot}: no ${width}-byte register at ${register} within the ${visible} bytes that can be seen`;
  throw new ShootdownError('usage', message, { slot, register });
}

/** Rejects a slot that the host does not have. */
export function unknownSlot(host: string, slot: Slot): ShootdownError {
  return new ShootdownError('usage', `${host} has no function ${slot}`, { slot });
}
