import type { Slot } from '../../pci/slot.js';
import type { SimFunction } from '../functions/function.js';
import { lineOf } from '../interrupts/wires.js';
import type { IrqDesc } from '../kernel/irq-desc.js';
import type { Kernel } from '../kernel/kernel.js';
import type { SimMachine } from '../machine.js';
import type { JumpPolicy } from './policy.js';

/** What one function takes: Command read and written, the interrupt controller told. */
const ACCESSES = 3;

/**
 * The routine of the ia64 patch of March 2006 (Zou Nan hai, <1142318909.2545.4.camel@linux-znh>), literally: each PCI
 * device in the order of the list whose IRQ has an action loses its bus mastering, then its interrupt is disabled
 * without waiting for a handler that may run, and ended. Nothing is read back, nothing is waited for. It comes first in
 * the panic: the other processors run on, and are told to stop once it is over. In the patch interrupts are on
 * meanwhile, which they are not here.
 *
 * It was taken out because of a hang whose cause was never written down
 * (https://lists.infradead.org/pipermail/kexec/2010-July/004345.html). The model supports three; which of them it
 * was, nobody knows:
 *
 * - A bridge whose port services have an IRQ comes before what is below it. Whatever the child sends until its own turn
 *   is refused, and platforms of that time stop at such an error.
 * - An IRQ is not a function's own. One that shares the timer's loses it for everybody, and so does, on x86, any
 *   function without an interrupt pin: its `dev->irq` is 0, which is the timer's, which has an action. A wait by tick
 *   does not end then. The patch has none: on ia64 the others are told to stop, and nobody waits for them. That the
 *   crash path of a PC of that time waited so is an inference.
 * - `end` on a line whose interrupt is not in progress. On an IO-APIC it is a write to the local EOI register, which ends
 *   whatever is in service there: a line further down the list, not masked yet, is sent again, into the dark, and its
 *   own `end` finds nothing. Remote IRR stays set, and a kernel that does not clear it gets no interrupt from that line.
 *   On an IOSAPIC `end` names the line and does no harm.
 */
export const ia642006: JumpPolicy = {
  name: 'ia64-2006',
  title:
    'the routine of 2006 at a crash: in list order, where the IRQ has an action, BME off, disable_irq_nosync, end',
  hooks: ({ path }) => (path === 'crash' ? { firstAct: deviceShootdown } : {}),
};

function deviceShootdown(machine: SimMachine, kernel: Kernel, cpu: number): void {
  for (const fn of machine.functions.values()) {
    const desc = kernel.irqs.get(devIrq(fn));
    if (!desc || desc.actions.size === 0) continue;
    for (let i = 0; i < ACCESSES; i++) machine.accessed();
    kernel.registers.busMaster(fn, false);
    disableIrqNosync(machine, fn, desc);
    end(machine, fn, desc, cpu);
  }
}

function disableIrqNosync(machine: SimMachine, { slot }: SimFunction, desc: IrqDesc): void {
  const { irq, actions } = desc;
  const users = [...actions].map((user) => (user === 'timer' ? user : user.slot));
  const sharers = users.filter((user) => user !== slot);
  machine.emit({ kind: 'irq-disabled', tick: machine.now, slot, irq, sharers });
  if (desc.depth++ === 0) desc.handler.disable();
}

function end(machine: SimMachine, { slot }: SimFunction, { irq, handler }: IrqDesc, cpu: number): void {
  const { interrupts, now: tick } = machine;
  const own = typeof irq === 'number' && interrupts.controller.remoteIrr(irq);
  handler.end(cpu, (ended) =>
    machine.emit({ kind: 'end-called', tick, slot, irq, ended, remoteIrr: own && ended !== irq }),
  );
}

/** `dev->irq` as pci_read_irq and the MSI code set it: 0 for a function without a pin. */
function devIrq(fn: SimFunction): number | Slot {
  if (fn.messages !== null) return fn.slot;
  return fn.description.pin ? lineOf(fn) : 0;
}
