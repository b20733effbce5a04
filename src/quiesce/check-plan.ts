import type { Host } from '../host/port.js';
import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { type PciFunction, seen } from '../pci/function.js';
import * as regs from '../pci/regs.js';
import { descendants } from '../pci/topology.js';
import { fingerprint } from './fingerprint.js';
import type { Plan, Step, WriteStep } from './plan-data.js';
import { isAsleep, isBridge, verdictOf } from './verdict.js';

/**
 * Refuses a plan that does not fit the machine as it is now, or that would write anything but what a shootdown
 * writes: a plan may come from a file that somebody edited.
 */
export function checkPlan(plan: Plan, machine: Machine, host: Host): void {
  if (fingerprint(machine.topology) !== plan.fingerprint) {
    const message =
      'the machine is not the one that the plan was made for, or it has changed since: make a new plan';
    throw new ShootdownError('stale', message);
  }
  if (
    host.actions === undefined &&
    plan.steps.some((step) => step.kind === 'unbind' || step.kind === 'reset')
  ) {
    throw new ShootdownError('unsupported', `${host.name} can neither unbind drivers nor reset functions`);
  }
  if (plan.at !== 'before' && machine.machineFacts.liveKernel) {
    throw new ShootdownError(
      'refused',
      'a kernel that runs can only be shot down before the jump: its drivers are at work',
    );
  }
  const done: Done = { released: new Set(), gated: new Set() };
  for (const [index, step] of plan.steps.entries()) {
    if (step.id !== index) refuse(step, 'the ids of the steps do not count up from 0');
    const fn = machine.topology.nodes.get(step.slot)?.function;
    if (fn?.presence !== 'present') refuse(step, 'there is no such function, or it does not answer');
    checkStep(step, fn, machine, plan, done);
  }
}

interface Done {
  /** Functions whose driver an earlier step unbinds. */
  readonly released: Set<string>;
  /** Functions that an earlier step gates. */
  readonly gated: Set<string>;
}

function checkStep(
  step: Step,
  fn: PciFunction,
  machine: Machine,
  plan: Plan,
  { released, gated }: Done,
): void {
  switch (step.kind) {
    case 'unbind':
      if (isBridge(fn)) refuse(step, 'a bridge is neither unbound nor reset');
      released.add(step.slot);
      return;
    case 'reset':
      if (isBridge(fn)) refuse(step, 'a bridge is neither unbound nor reset');
      if (!released.has(step.slot) && machine.facts.get(step.slot)?.driver)
        refuse(step, 'a driver is bound to it');
      return;
    case 'wait':
      if (step.offset !== registerOffset(step, fn))
        refuse(step, `${step.register} does not lie at ${step.offset}`);
      return;
    case 'write': {
      if (step.offset !== registerOffset(step, fn))
        refuse(step, `${step.register} does not lie at ${step.offset}`);
      const [mask, value] = WRITES[step.register];
      if (step.mask !== mask || step.value !== value)
        refuse(step, `no shootdown writes ${step.register} like that`);
      const driver = machine.facts.get(step.slot)?.driver;
      if (driver && !released.has(step.slot)) {
        refuse(step, `${driver} is bound to it, and gating a function under its driver starves the driver`);
      }
      if (plan.at !== 'between' && driver === undefined) {
        refuse(step, 'it is not known whether a driver is bound to it');
      }
      if (step.register !== 'PCI_COMMAND') return;
      checkBridge(step, machine, gated);
      gated.add(step.slot);
    }
  }
}

const WRITES = {
  PCI_COMMAND: [regs.PCI_COMMAND_MASTER | regs.PCI_COMMAND_INTX_DISABLE, regs.PCI_COMMAND_INTX_DISABLE],
  PCI_MSI_FLAGS: [regs.PCI_MSI_FLAGS_ENABLE, 0],
  PCI_MSIX_FLAGS: [regs.PCI_MSIX_FLAGS_MASKALL | regs.PCI_MSIX_FLAGS_ENABLE, regs.PCI_MSIX_FLAGS_MASKALL],
} as const;

function registerOffset(step: Extract<Step, { register: string }>, fn: PciFunction): number | undefined {
  switch (step.register) {
    case 'PCI_COMMAND':
      return regs.PCI_COMMAND;
    case 'PCI_MSI_FLAGS':
      return plus(seen(fn.msi)?.offset, regs.PCI_MSI_FLAGS);
    case 'PCI_MSIX_FLAGS':
      return plus(seen(fn.msix)?.offset, regs.PCI_MSIX_FLAGS);
    case 'PCI_EXP_DEVSTA':
      return plus(seen(fn.express)?.offset, regs.PCI_EXP_DEVSTA);
    case 'PCI_AF_STATUS':
      return plus(seen(fn.af)?.offset, regs.PCI_AF_STATUS);
  }
}

const plus = (offset: number | undefined, register: number) =>
  offset === undefined ? undefined : offset + register;

function checkBridge(step: WriteStep, machine: Machine, gated: ReadonlySet<string>): void {
  const below = [...descendants(machine.topology, step.slot)];
  if (below.join() !== (step.below ?? []).join()) refuse(step, 'what is below it is not what the plan says');
  for (const slot of below) {
    const child = machine.topology.nodes.get(slot)?.function;
    if (!child || isAsleep(child) || gated.has(slot)) continue;
    if (verdictOf(child) !== 'quiet') {
      refuse(step, `${slot} below it would stay live, and a request that is refused may hang the machine`);
    }
  }
}

function refuse(step: Step, reason: string): never {
  throw new ShootdownError('refused', `the plan's step ${step.id} for ${step.slot} is refused: ${reason}`, {
    slot: step.slot,
  });
}
