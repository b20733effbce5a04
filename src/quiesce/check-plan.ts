import type { Host } from '../host/port.js';
import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { type PciFunction, seen } from '../pci/function.js';
import * as regs from '../pci/regs.js';
import { descendants } from '../pci/topology.js';
import { fingerprint } from './fingerprint.js';
import type { Plan, Step } from './plan-data.js';
import { busMaster, isAsleep, isBridge } from './verdict.js';

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
  const written = new Set(plan.steps.filter((step) => step.kind === 'write').map((step) => step.slot));
  const released = new Set<string>();
  for (const [index, step] of plan.steps.entries()) {
    if (step.id !== index) refuse(step, 'the ids of the steps do not count up from 0');
    const fn = machine.topology.nodes.get(step.slot)?.function;
    if (fn?.presence !== 'present') refuse(step, 'there is no such function, or it does not answer');
    checkStep(step, fn, machine, plan, released, written);
  }
}

function checkStep(
  step: Step,
  fn: PciFunction,
  machine: Machine,
  plan: Plan,
  released: Set<string>,
  written: ReadonlySet<string>,
): void {
  switch (step.kind) {
    case 'unbind':
      released.add(step.slot);
      return;
    case 'reset':
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
      const driver = machine.facts.get(step.slot)?.driver ?? null;
      if (plan.at === 'before' && driver !== null && !released.has(step.slot)) {
        refuse(step, `${driver} is bound to it, and gating a function under its driver starves the driver`);
      }
      if (step.register === 'PCI_COMMAND' && isBridge(fn)) checkBridge(step, fn, machine, written);
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

function checkBridge(step: Step, fn: PciFunction, machine: Machine, written: ReadonlySet<string>): void {
  for (const slot of descendants(machine.topology, fn.slot)) {
    const child = machine.topology.nodes.get(slot)?.function;
    if (!child || isAsleep(child) || written.has(slot)) continue;
    if (child.presence !== 'present' || busMaster(child)) {
      refuse(step, `${slot} below it would stay live, and a request that is refused may hang the machine`);
    }
  }
}

function refuse(step: Step, reason: string): never {
  throw new ShootdownError('refused', `the plan's step ${step.id} for ${step.slot} is refused: ${reason}`, {
    slot: step.slot,
  });
}
