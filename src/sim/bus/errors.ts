import * as regs from '../../pci/regs.js';
import type { SimEvent } from '../events.js';
import type { SimFunction } from '../functions/function.js';
import * as hw from '../functions/regs.js';
import type { SimMachine } from '../machine.js';
import { errorWords } from './error-words.js';

/** What a kernel spends on one error message: it reads the registers of the port and its children, and says so. */
export const LOG_TICKS = 5;

type ErrorEvent = Extract<SimEvent, { kind: 'error' }>;
export type ErrorKind = ErrorEvent['what'];
type Reaction = ErrorEvent['reaction'];

/** Bits of AER's Uncorrectable Error Status, PCIe 7.8.4.2. */
const AER_BIT: Readonly<Record<ErrorKind, number>> = {
  poisoned: hw.PCI_ERR_UNC_POISON_TLP,
  'completion-timeout': hw.PCI_ERR_UNC_COMP_TIME,
  'unexpected-completion': hw.PCI_ERR_UNC_UNX_COMP,
  'unsupported-request': hw.PCI_ERR_UNC_UNSUP,
};

/** Uncorrectable errors: the registers that keep them, the message to the root port, and what the platform makes of it. */
export class Errors {
  readonly #machine: SimMachine;

  constructor(machine: SimMachine) {
    this.#machine = machine;
  }

  /** `finder` has found it, `cause` is whose request it was; `advisory` of an error that its requester hears of anyway. */
  report(finder: SimFunction, cause: SimFunction, what: ErrorKind, advisory = false): void {
    record(finder, what);
    const reaction = advisory && this.#knowsAdvisory ? 'nothing' : this.#reaction(finder, what);
    const { slot } = finder;
    const { now: tick, cpu, kernel } = this.#machine;
    this.#machine.emit({ kind: 'error', tick, slot, cause: cause.slot, what, reaction });
    if (reaction === 'nothing') return;
    const slots = finder === cause ? [slot] : [slot, cause.slot];
    const words = `${slot} reports ${errorWords({ slot, cause: cause.slot, what })}`;
    if (reaction === 'nmi') cpu.nmi(`an NMI from firmware: ${words}`, slots);
    else if (reaction === 'hang') cpu.hang('error', `firmware that stops the machine: ${words}`, slots);
    else kernel?.burden(LOG_TICKS, 'errors', slots);
  }

  /**
   * PCIe 1.1 (2005) 6.2.3.2.4: of a refused read, and of an answer that nobody asked for, only a correctable error is
   * reported. Machines of 2006 were made before.
   */
  get #knowsAdvisory(): boolean {
    return this.#machine.era !== '2006';
  }

  #reaction(finder: SimFunction, what: ErrorKind): Reaction {
    const { rootPort } = finder;
    if (!rootPort || !reports(finder, what)) return 'nothing';
    const reaction = this.#machine.rules.uncorrectableError;
    // The kernel learns of it by the root port's own message interrupt, a write that its BME gates like any other.
    return reaction === 'logged' && !rootPort.busMaster ? 'nothing' : reaction;
  }
}

function record(fn: SimFunction, what: ErrorKind): void {
  const { express, aer } = fn.layout;
  const status = hw.PCI_EXP_DEVSTA_NFED | (what === 'unsupported-request' ? hw.PCI_EXP_DEVSTA_URD : 0);
  if (express !== undefined) fn.space.setBits(express + regs.PCI_EXP_DEVSTA, 2, status, true);
  if (aer !== undefined) fn.space.setBits(aer + regs.PCI_ERR_UNCOR_STATUS, 4, AER_BIT[what], true);
}

/**
 * PCIe 6.2.5: a message goes out unless AER masks the error, where Device Control or SERR# Enable lets it. A bridge to a
 * conventional bus lets a request end in Master-Abort there, and is silent unless it was described otherwise; without
 * PCI Express it needs SERR# Enable for that.
 */
function reports(fn: SimFunction, what: ErrorKind): boolean {
  const { express, aer } = fn.layout;
  if (fn.toConventional && fn.description.errorReporting !== true) return false;
  const serr = (fn.command & hw.PCI_COMMAND_SERR) !== 0;
  if (express === undefined) return serr;
  if (aer !== undefined) {
    const mask = fn.space.read(aer + regs.PCI_ERR_UNCOR_MASK, 4);
    if ((mask & AER_BIT[what]) !== 0) return false;
  }
  const needed = hw.PCI_EXP_DEVCTL_NFERE | (what === 'unsupported-request' ? hw.PCI_EXP_DEVCTL_URRE : 0);
  return serr || (fn.space.read(express + regs.PCI_EXP_DEVCTL, 2) & needed) === needed;
}
