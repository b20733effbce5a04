import * as regs from '../../pci/regs.js';
import { compareSlots, type Slot, slotParts } from '../../pci/slot.js';
import type { FunctionResult } from '../../quiesce/journal.js';
import type { SimMachine } from '../machine.js';
import type { Claims } from '../policies/policy.js';

/**
 * What a shootdown says that is not so at that moment, by the bytes of configuration space and by what the functions
 * wait for; a line each. `exempted`: what rules besides the default ones leave alone. `reach`: the first function that
 * could not be looked at in time.
 */
export function falseClaims(
  machine: SimMachine,
  claims: Claims,
  exempted: (slot: Slot) => boolean,
  reach: Slot | null,
): string[] {
  const { place, end, functions } = claims;
  return [
    ...functions.flatMap((claim) =>
      falseClaim(machine, claim, end).map((what) => `${place}: ${claim.slot} ${what}`),
    ),
    ...leftAlone(machine, claims, exempted, reach),
  ];
}

/**
 * Functions that are left at work without one of the reasons that there are, whatever the record says of them. This
 * list is written down a second time on purpose: the product's own rules cannot judge themselves.
 */
function leftAlone(
  machine: SimMachine,
  { place, functions }: Claims,
  exempted: (slot: Slot) => boolean,
  reach: Slot | null,
): string[] {
  const claims = new Map(functions.map((claim) => [claim.slot, claim]));
  const wantedBuses = new Set(
    [...machine.functions.values()].filter((fn) => fn.description.wanted).map((fn) => busOf(fn.slot)),
  );
  const problems: string[] = [];
  for (const fn of machine.functions.values()) {
    const { slot, description, faults } = fn;
    if (reach !== null && compareSlots(slot, reach) >= 0) break;
    if (!fn.alive || !fn.inD0 || !fn.busMaster || Object.keys(faults).length > 0) continue;
    if (mayStay(description.classCode) || fn.isBridge || wantedBuses.has(busOf(slot))) continue;
    if (description.busMasterReadOnly) continue;
    if (place === 'before' && (machine.kernel?.drives(slot) || description.holds)) continue;
    if (exempted(slot)) continue;
    if (place === 'between' && slotParts(slot).domain !== 0) continue;
    const claim = claims.get(slot);
    // A record that says so of what it gated is judged above.
    if (claim && (claim.verdict === 'gated' || claim.verdict === 'stopped')) continue;
    const said = claim ? `${claim.verdict} (${claim.outcome})` : 'not mentioned';
    problems.push(`${place}: ${slot} is left with BME set, ${said}, and there is no reason for it`);
  }
  return problems;
}

/** Classes that the default policy leaves alone: bridges of the platform, memory, IOMMUs, displays, USB. */
function mayStay(classCode: number): boolean {
  const sub = classCode >>> 8;
  const base = classCode >>> 16;
  return base === 0x03 || base === 0x05 || [0x0600, 0x0601, 0x0680, 0x0806, 0x0c03].includes(sub);
}

function busOf(slot: Slot): string {
  return slot.slice(0, -5);
}

const WORDS = { msi: 'MSI', msix: 'MSI-X' } as const;

function falseClaim(
  machine: SimMachine,
  { slot, verdict, outcome }: FunctionResult,
  end: Claims['end'],
): string[] {
  const fn = machine.functions.get(slot);
  if (!fn) return ['is told of, and there is no such function'];
  const gated = verdict === 'gated' || verdict === 'stopped';
  if (!fn.alive || (!gated && verdict !== 'quiet' && outcome !== 'interrupting')) return [];
  const low = fn.space.config[regs.PCI_COMMAND] ?? 0;
  const high = fn.space.config[regs.PCI_COMMAND + 1] ?? 0;
  const problems: string[] = [];
  // A bridge that is open counts as quiet.
  if ((low & regs.PCI_COMMAND_MASTER) !== 0 && verdict !== 'live' && !(verdict === 'quiet' && fn.isBridge))
    problems.push(`is said to be ${verdict}, and its BME is set`);
  const canDisableIntx =
    ((fn.space.writable[regs.PCI_COMMAND + 1] ?? 0) & (regs.PCI_COMMAND_INTX_DISABLE >>> 8)) !== 0;
  if ((outcome === 'partial' || outcome === 'interrupting') && canDisableIntx && !fn.faults.ignoreWrites)
    problems.push(`is said to be ${outcome}, and its INTx can be disabled`);
  if (verdict === 'stopped' && fn.device?.busy)
    problems.push('is said to be stopped, and its device still has work');
  if (!gated) return problems;
  const done = outcome === 'done' || outcome === 'already';
  if (done && ((high << 8) & regs.PCI_COMMAND_INTX_DISABLE) === 0)
    problems.push('is said to be gated, and its INTx is not disabled');
  // Waits and messages come last, and a record that says that it ended early does not say how far these went.
  if (end !== 'complete') return problems;
  if (done && fn.messages !== null)
    problems.push(`is said to be ${verdict}, and its ${WORDS[fn.messages]} is on`);
  // One that ignores BME goes on asking. Only these have a register that shows what is pending; `timeout` and the like say that they were not waited for.
  if (
    (done || outcome === 'partial') &&
    !fn.faults.ignoreBme &&
    fn.layout.express !== undefined &&
    fn.outstanding > 0
  )
    problems.push(`is said to be ${verdict}, and ${fn.outstanding} of its requests are not answered`);
  return problems;
}
