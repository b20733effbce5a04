import type { Host } from '../../src/host/port.js';
import { type Machine, scan } from '../../src/host/scan.js';
import * as regs from '../../src/pci/regs.js';
import { type Slot, slotParts } from '../../src/pci/slot.js';
import { descendants } from '../../src/pci/topology.js';
import type { FunctionResult } from '../../src/quiesce/journal.js';
import { makePlan } from '../../src/quiesce/plan.js';
import type { Plan, WriteStep } from '../../src/quiesce/plan-data.js';
import type { Policy } from '../../src/quiesce/policy.js';
import { performBetween } from '../../src/sim/policies/between.js';
import type { StubRunner } from '../../src/sim/policies/policy.js';

/** What a shootdown must not be without, each of which can be broken. */
export const BREAKAGES = [
  'nothing',
  'ordering',
  'intx-disable',
  'intx-disable, honestly told', // says that it did not stick
  'pending-wait',
  'msi-off',
  'exemptions',
  'nothing, told as stopped', // gates, and claims more
  'everything exempt', // and says so
  'buses from 3 up forgotten',
  'nothing, until its time is over',
  'nothing where its time is over', // sound elsewhere
] as const;
/** Or the policy without one of its rules. */
export type Breakage = (typeof BREAKAGES)[number] | { readonly withoutRule: string };

/** A stub that performs the plan blindly, with one thing broken, and most often reports as if nothing were. */
export function brokenStub(breakage: Breakage): StubRunner {
  return async (surroundings) => {
    if (breakage === 'nothing, until its time is over') return idle(surroundings);
    if (breakage === 'nothing where its time is over') return soundUnlessCut(surroundings);
    const { host, policy, known } = surroundings;
    const scanned = await scan(host, { extended: false });
    const machine: Machine = known ? { ...scanned, facts: known.facts } : scanned;
    const plan = makePlan(machine, changed(policy, breakage), { at: 'between' });
    const kept =
      breakage === 'buses from 3 up forgotten'
        ? { ...plan, steps: plan.steps.filter(({ slot }) => slotParts(slot).bus < 3) }
        : plan;
    const functions = await performBlindly(host, kept, machine, breakage);
    const told = breakage === 'nothing, told as stopped' ? functions.map(asStopped) : functions;
    return { place: 'between', end: 'complete', functions: told };
  };
}

const idle: StubRunner = async ({ clock, policy }) => {
  await clock.sleep(policy.between.walkTimeoutMs);
  return { place: 'between', end: 'time', functions: [] };
};

const soundUnlessCut: StubRunner = async (surroundings) => {
  const harmless: Host = { ...surroundings.host, write: async () => {} };
  const { end } = await performBetween({ ...surroundings, host: harmless });
  return end === 'time' ? { place: 'between', end, functions: [] } : performBetween(surroundings);
};

function asStopped(claim: FunctionResult): FunctionResult {
  return claim.verdict === 'gated' ? { ...claim, verdict: 'stopped' } : claim;
}

function changed(policy: Policy, breakage: Breakage): Policy {
  if (typeof breakage === 'object')
    return { ...policy, rules: policy.rules.filter(({ id }) => id !== breakage.withoutRule) };
  if (breakage === 'exemptions') return withoutExemptions(policy);
  if (breakage !== 'everything exempt') return policy;
  return { ...policy, rules: [], otherwise: { action: 'exempt', reason: 'everything is exempt' } };
}

function withoutExemptions(policy: Policy): Policy {
  const rules = policy.rules.filter(({ action }) => action !== 'exempt' && action !== 'preserve');
  return { ...policy, rules, otherwise: { action: 'gate', reason: 'nothing is exempt' } };
}

const POLLS_MAX = 100_000;

async function performBlindly(
  host: Host,
  plan: Plan,
  { topology }: Machine,
  breakage: Breakage,
): Promise<FunctionResult[]> {
  const results = new Map<string, FunctionResult>();
  for (const { slot, verdict, reason } of plan.skipped)
    results.set(slot, {
      slot,
      verdict: verdict === 'open' ? 'quiet' : verdict,
      outcome: 'exempt',
      reason,
    });
  const writes = plan.steps.filter((step) => step.kind === 'write');
  const gates = writes.filter(({ register }) => register === 'PCI_COMMAND');
  // Leaf to root, or root to leaf.
  for (const gate of breakage === 'ordering' ? gates.reverse() : gates) {
    const { slot } = gate;
    if (breakage !== 'ordering' && (await anyMasters(host, descendants(topology, slot)))) {
      results.set(slot, { slot, verdict: 'live', outcome: 'refused', reason: '' });
      continue;
    }
    const after = await write(host, gate, String(breakage).startsWith('intx-disable'));
    const cleared = (after & regs.PCI_COMMAND_MASTER) === 0;
    const stuck = (after & regs.PCI_COMMAND_INTX_DISABLE) !== 0 || breakage === 'intx-disable';
    if (after === 0xffff) results.set(slot, { slot, verdict: 'unknown', outcome: 'vanished', reason: '' });
    else if (!cleared) results.set(slot, { slot, verdict: 'live', outcome: 'ignored', reason: '' });
    else results.set(slot, { slot, verdict: 'gated', outcome: stuck ? 'done' : 'partial', reason: '' });
  }
  for (const step of breakage === 'pending-wait' ? [] : plan.steps) {
    if (step.kind !== 'wait') continue;
    const result = results.get(step.slot);
    let polls = 0;
    while (
      ((await host.read(step.slot, step.offset, step.width)) & step.mask) !== 0 &&
      polls < POLLS_MAX / plan.steps.length
    )
      polls++;
    if (result && polls >= POLLS_MAX / plan.steps.length)
      results.set(step.slot, { ...result, outcome: 'timeout' });
  }
  for (const step of breakage === 'msi-off' ? [] : writes)
    if (step.register !== 'PCI_COMMAND' && results.get(step.slot)?.outcome === 'done')
      await write(host, step, false);
  return [...results.values()];
}

async function anyMasters(host: Host, slots: Iterable<Slot>): Promise<boolean> {
  for (const slot of slots) {
    const command = await host.read(slot, regs.PCI_COMMAND, 2);
    if (command !== 0xffff && (command & regs.PCI_COMMAND_MASTER) !== 0) return true;
  }
  return false;
}

async function write(host: Host, step: WriteStep, withoutIntx: boolean): Promise<number> {
  const before = await host.read(step.slot, step.offset, step.width);
  if (before === 0xffff) return before;
  const bits = withoutIntx ? ~regs.PCI_COMMAND_INTX_DISABLE : ~0;
  await host.write(step.slot, step.offset, step.width, (before & ~(step.mask & bits)) | (step.value & bits));
  return host.read(step.slot, step.offset, step.width);
}
