import { ShootdownError } from '../pci/error.js';
import * as regs from '../pci/regs.js';
import { type Slot, slotOfKey } from '../pci/slot.js';
import { wordOf } from './flight-words.js';
import {
  COMPACT,
  ENTRY,
  ENTRY_FLAGS,
  MESSAGES,
  OUTCOME,
  PENDING,
  PENDING_KIND,
  RULE_LADDER,
  RULE_OTHERWISE,
} from './layout.js';
import type { TableTemplate } from './table-data.js';

export type FlightOutcome = keyof typeof OUTCOME;
export type FlightPending = keyof typeof PENDING;
export type FlightMessages = keyof typeof MESSAGES;

/** What the stub tells of one function. `null` is what the record does not hold, as in a summary. */
export interface FlightEntry {
  readonly slot: Slot;
  /** `ffff:ffff` for a virtual function. */
  readonly id: { readonly vendor: number; readonly device: number } | null;
  readonly bridge: boolean | null;
  readonly vf: boolean | null;
  readonly quiet: boolean;
  /** It, or what is below it, is preserved. */
  readonly preserve: boolean;
  /** Decided to be gated, whether or not the walk came to it. A summary has only such. */
  readonly planned: boolean;
  readonly command: { readonly before: number; readonly after: number | null };
  /** As last read. */
  readonly status: number | null;
  readonly msi: FlightCapability;
  readonly msix: FlightCapability;
  readonly pending: {
    readonly outcome: FlightPending;
    readonly register: 'PCI_EXP_DEVSTA' | 'PCI_AF_STATUS' | null;
    readonly offset: number | null;
  };
  readonly outcome: FlightOutcome;
  readonly rule: FlightRule;
}

/** MSI or MSI-X. */
export interface FlightCapability {
  /** Of the capability; `null` for none. */
  readonly offset: number | null;
  /** Message Control; `null` where it was not read. */
  readonly before: number | null;
  readonly became: FlightMessages;
}

export interface FlightRule {
  /** The policy's rule, `otherwise` or `ladder`; `null` where only its number is known. */
  readonly id: string | null;
  /** In the table; `null` for `otherwise` and `ladder`. In a summary, its low byte. */
  readonly index: number | null;
}

/** @internal An entry of a full record. */
export function parseEntry(view: DataView, template: TableTemplate | null, name: string): FlightEntry {
  const u8 = (at: number) => view.getUint8(at);
  const u16 = (at: number) => view.getUint16(at, true);
  const slot = slotOfKey(u16(ENTRY.rid));
  const flags = u8(ENTRY.flags);
  const id = view.getUint32(ENTRY.id, true);
  const messages = u8(ENTRY.messages);
  return {
    slot,
    id: { vendor: id & 0xffff, device: id >>> 16 },
    bridge: (flags & ENTRY_FLAGS.bridge) !== 0,
    vf: (flags & ENTRY_FLAGS.vf) !== 0,
    quiet: (flags & ENTRY_FLAGS.quiet) !== 0,
    preserve: (flags & ENTRY_FLAGS.preserve) !== 0,
    planned: (flags & ENTRY_FLAGS.planned) !== 0,
    command: { before: u16(ENTRY.commandBefore), after: u16(ENTRY.commandAfter) },
    status: u16(ENTRY.status),
    msi: {
      offset: u8(ENTRY.msi) || null,
      before: u16(ENTRY.msiBefore) || null,
      became: wordOf(MESSAGES, messages & 0xf, `${slot}: MSI`, name),
    },
    msix: {
      offset: u8(ENTRY.msix) || null,
      before: u16(ENTRY.msixBefore) || null,
      became: wordOf(MESSAGES, messages >> 4, `${slot}: MSI-X`, name),
    },
    pending: pendingOf(slot, u8(ENTRY.pending), u8(ENTRY.pendingKind), u8(ENTRY.pendingAt), name),
    outcome: wordOf(OUTCOME, u8(ENTRY.outcome), `${slot}: outcome`, name),
    rule: ruleOf(u16(ENTRY.rule), template),
  };
}

const WAITED_FOR: Readonly<Record<number, FlightEntry['pending']['register']>> = {
  [PENDING_KIND.none]: null,
  [PENDING_KIND.express]: 'PCI_EXP_DEVSTA',
  [PENDING_KIND.af]: 'PCI_AF_STATUS',
};

function pendingOf(slot: Slot, outcome: number, kind: number, at: number, name: string) {
  const register = WAITED_FOR[kind];
  if (register === undefined)
    throw new ShootdownError('bad-input', `${name}: ${slot}: kind of wait ${kind} is not known`);
  // What is recorded is the dword that the register is in.
  const within =
    register === 'PCI_EXP_DEVSTA' ? regs.PCI_EXP_DEVSTA - regs.PCI_EXP_DEVCTL : regs.PCI_AF_STATUS & 3;
  const offset = register === null || at === 0 ? null : at + within;
  return { outcome: wordOf(PENDING, outcome, `${slot}: wait`, name), register, offset };
}

function ruleOf(index: number, template: TableTemplate | null): FlightRule {
  if (index === RULE_LADDER) return { id: 'ladder', index: null };
  if (index === RULE_OTHERWISE) return { id: 'otherwise', index: null };
  return { id: template?.rules[index] ?? null, index };
}

/** @internal An entry of a summary. */
export function parseCompact(view: DataView, name: string): FlightEntry {
  const slot = slotOfKey(view.getUint16(COMPACT.rid, true));
  const messages = view.getUint8(COMPACT.messages);
  const rule = view.getUint8(COMPACT.rule);
  const capability = (value: number, what: string): FlightCapability => ({
    offset: null,
    before: null,
    became: wordOf(MESSAGES, value, `${slot}: ${what}`, name),
  });
  return {
    slot,
    id: null,
    bridge: null,
    vf: null,
    quiet: false,
    preserve: false,
    planned: true,
    command: { before: view.getUint16(COMPACT.commandBefore, true), after: null },
    status: null,
    msi: capability(messages & 0xf, 'MSI'),
    msix: capability(messages >> 4, 'MSI-X'),
    pending: {
      outcome: wordOf(PENDING, view.getUint8(COMPACT.pending), `${slot}: wait`, name),
      register: null,
      offset: null,
    },
    outcome: wordOf(OUTCOME, view.getUint8(COMPACT.outcome), `${slot}: outcome`, name),
    rule: ruleOf(rule >= (RULE_LADDER & 0xff) ? 0xff00 | rule : rule, null),
  };
}
