import * as regs from '../../pci/regs.js';
import { hex } from '../../pci/slot.js';
import { type FleetAudit, type FleetFunction, isAwake } from './read-audit.js';
import { NO_SLOT } from './slot-key.js';

/**
 * Where an audit says what cannot be: its own registers give another verdict, a slot stands twice, what is above a
 * function is missing. `null` if nothing is found. Such an audit was changed, made of parts, or comes from a program
 * that is broken: nothing that it says counts. `byKey` says where each function stands.
 */
export function contradiction(audit: FleetAudit, byKey: ReadonlyMap<number, number>): string | null {
  const { functions, findings, captureLoaded, captureProtected } = audit;
  if (captureLoaded === false && captureProtected) return 'the capture kernel is protected and not loaded';
  if (byKey.size < functions.length) return `${twice(functions)} stands twice`;
  for (const fn of functions) {
    if (fn.parent !== NO_SLOT && !byKey.has(fn.parent)) {
      return `what is above ${fn.slot} is missing: an audit of the whole machine is wanted, without -s and -d`;
    }
    const wrong = functionContradiction(fn);
    if (wrong !== null) return `${fn.slot}: ${wrong}`;
  }
  const explained = new Set<number>();
  for (const { id, key } of findings) {
    const fn = functions[byKey.get(key) ?? -1];
    if (key !== NO_SLOT && !fn) return `${id} is about a function that is not in it`;
    if (fn) explained.add(key);
    if (LIVE_FINDINGS.includes(id) && fn && fn.verdict !== 'live') {
      return `${id} says that ${fn.slot} is live, its verdict is ${fn.verdict}`;
    }
  }
  const unsaid =
    audit.path === 'crash' ? functions.find((fn) => mustBeSaid(fn) && !explained.has(fn.key)) : undefined;
  return unsaid ? `${unsaid.slot} is live, and no finding says so` : null;
}

const LIVE_FINDINGS: readonly string[] = ['SD001', 'SD002', 'SD003'];

/** A bus master that a panic leaves running: SD001 or SD003 says that of every one. */
function mustBeSaid(fn: FleetFunction): boolean {
  const left = fn.action === 'exempt' || fn.action === 'preserve';
  return fn.verdict === 'live' && fn.secondary === null && fn.busMaster === true && isAwake(fn) && !left;
}

function twice(functions: readonly FleetFunction[]): string {
  const been = new Set<number>();
  for (const { key, slot } of functions) {
    if (been.has(key)) return slot;
    been.add(key);
  }
  return 'a slot';
}

function functionContradiction(fn: FleetFunction): string | null {
  const { command, status, msi, msix } = fn;
  const read = fn.presence === 'present';
  if (read !== (command !== null) || read !== (status !== null) || read !== (fn.interruptPin !== null)) {
    return read ? 'it was read, and its registers are not there' : `${fn.presence}, and yet it was read`;
  }
  if (fn.parent === fn.key || fn.physfn === fn.key) return 'it is above itself';
  if (command === null || status === null) {
    return fn.verdict === 'unknown' ? null : `${fn.presence}, and yet its verdict is ${fn.verdict}`;
  }
  const bits: readonly (readonly [boolean | null, boolean, string])[] = [
    [fn.busMaster, (command & regs.PCI_COMMAND_MASTER) !== 0, 'busMaster'],
    [fn.intxDisable, (command & regs.PCI_COMMAND_INTX_DISABLE) !== 0, 'intxDisable'],
    [fn.intxAsserted, (status & regs.PCI_STATUS_INTERRUPT) !== 0, 'intxAsserted'],
  ];
  for (const [said, is, name] of bits) {
    if (said !== is)
      return `${name} is ${said}, its registers say ${is} (${hex(command, 4)}, ${hex(status, 4)})`;
  }
  if (msi && (msi.vectors === 0 || (msi.vectors & (msi.vectors - 1)) !== 0)) {
    return `${msi.vectors} MSI vectors, which no register can say`;
  }
  if (msix && msix.tableSize === 0) return 'an MSI-X table without entries';
  const right = verdicts(fn, command);
  if (!right.includes(fn.verdict)) {
    return `its verdict is ${fn.verdict}, its registers make it ${right.join(' or ')} (PCI_COMMAND ${hex(command, 4)})`;
  }
  return null;
}

/** What `verdictOf` may have said. The JSON does not tell a capability that is not there from one that was not seen. */
function verdicts(fn: FleetFunction, command: number): readonly FleetFunction['verdict'][] {
  const disabled = (command & regs.PCI_COMMAND_INTX_DISABLE) !== 0;
  if (fn.intxAsserted && !disabled) return LIVE;
  if (!fn.busMaster) return QUIET;
  if (fn.secondary === null) return LIVE;
  const mayInterrupt = fn.msi?.enable || fn.msix?.enable || (fn.interruptPin !== 0 && !disabled);
  if (mayInterrupt) return LIVE;
  const seen = fn.capabilitiesComplete || (fn.msi !== null && fn.msix !== null);
  return seen ? OPEN : OPEN_OR_LIVE;
}

const LIVE = ['live'] as const;
const QUIET = ['quiet'] as const;
const OPEN = ['open'] as const;
const OPEN_OR_LIVE = ['open', 'live'] as const;
