import type { JumpHooks } from '../jump/options.js';
import type { SimMachine } from '../machine.js';
import type { Kernel } from './kernel.js';

/** The other processors are told to stop, by NMI or another interrupt, and have some time to do it. */
const STOP_TICKS = 10;

/**
 * machine_crash_shutdown: interrupts are off, and what comes in now is accepted but never taken. A policy may have the
 * panicking kernel act before it stops the other processors, and after. Throws `Hang` where the wait for them never
 * ends.
 */
export function panic(
  machine: SimMachine,
  kernel: Kernel,
  cpu: number,
  { firstAct, lastAct }: Pick<JumpHooks, 'firstAct' | 'lastAct'>,
): void {
  firstAct?.(machine, kernel, cpu);
  machine.cpu.check();
  // On ia64 smp_send_stop sends an interrupt to all the others, and waits for nobody.
  if (kernel.habits.panicWaitsByTick && machine.rules.interruptController === 'io-apic')
    needTick(machine, kernel);
  machine.run(STOP_TICKS);
  lastAct?.(machine, kernel, cpu);
  machine.cpu.check();
}

function needTick(machine: SimMachine, kernel: Kernel): void {
  const line = machine.rules.timerLine;
  const disabled = machine.interrupts.controller.masked(line) || (kernel.irqs.get(line)?.depth ?? 0) > 0;
  if (disabled) {
    const sharers = [...(kernel.irqs.get(line)?.actions ?? [])].flatMap((fn) =>
      fn === 'timer' ? [] : [fn.slot],
    );
    machine.cpu.hang(
      'timer',
      `the wait for the other processors, by a timer whose line ${line} is disabled`,
      sharers,
    );
    machine.cpu.check();
  }
}
