import { type PciFunction, type PowerState, seen } from '../pci/function.js';
import * as regs from '../pci/regs.js';

/**
 * What the registers say a function could do at the moment of the jump:
 * - `live`: write to memory (BME set) or interrupt (INTx asserted and not disabled)
 * - `open`: a bridge that keeps BME for what is below it, its own MSI off and its INTx unable to fire
 * - `quiet`: none of these
 * - `unknown`: it does not answer, has no power, or could not be read
 */
export type Verdict = 'live' | 'open' | 'quiet' | 'unknown';

/** Verdicts of a function that a shootdown has dealt with. */
export type JournalVerdict = 'gated' | 'stopped' | 'live' | 'quiet' | 'unknown';

export const isBridge = (fn: PciFunction): boolean => fn.bridge !== null;
/** Known to make no requests because it is without power or suspended. */
export const isAsleep = (fn: PciFunction): boolean => fn.presence === 'd3cold' || fn.presence === 'suspended';
/** The state of a function that was read and that its PM capability shows to sleep: it can make no requests. */
export function sleepState(fn: PciFunction): PowerState | undefined {
  const state = seen(fn.pm)?.state;
  return state === undefined || state === 'D0' || state === 'unknown' ? undefined : state;
}

export const busMaster = (fn: PciFunction): boolean => (fn.command & regs.PCI_COMMAND_MASTER) !== 0;
export const intxDisabled = (fn: PciFunction): boolean => (fn.command & regs.PCI_COMMAND_INTX_DISABLE) !== 0;
export const intxAsserted = (fn: PciFunction): boolean => (fn.status & regs.PCI_STATUS_INTERRUPT) !== 0;

/** Could raise INTx: it has a pin and nothing keeps it off. */
export const intxFree = (fn: PciFunction): boolean => fn.interruptPin !== 0 && !intxDisabled(fn);

/** The verdict that a function's registers give. Pure; what a driver or a bridge above does is not looked at. */
export function verdictOf(fn: PciFunction): Verdict {
  if (fn.presence !== 'present') return 'unknown';
  if (intxAsserted(fn) && !intxDisabled(fn)) return 'live';
  if (!busMaster(fn)) return 'quiet';
  if (!isBridge(fn)) return 'live';
  const messagesOff = isOff(fn.msi) && isOff(fn.msix);
  return messagesOff && !intxFree(fn) ? 'open' : 'live';
}

function isOff(capability: PciFunction['msi'] | PciFunction['msix']): boolean {
  return capability !== 'unknown' && !(capability?.enable ?? false);
}

/** MSI or MSI-X is switched on. */
export const messagesEnabled = (fn: PciFunction): boolean =>
  (seen(fn.msi)?.enable ?? false) || (seen(fn.msix)?.enable ?? false);

/** Transactions Pending of the Express or AF capability; `null` where there is none or it cannot be seen. */
export function transactionsPending(fn: PciFunction): boolean | null {
  const express = seen(fn.express);
  if (express) {
    // All ones is no status: the register was not answered. An audit in a file has the bit without its register.
    const answered = express.deviceStatus !== 0xffff;
    return answered && express.transactionsPending !== 'unknown' ? express.transactionsPending : null;
  }
  const af = seen(fn.af);
  return af?.hasPending && af.transactionsPending !== 'unknown' ? af.transactionsPending : null;
}
