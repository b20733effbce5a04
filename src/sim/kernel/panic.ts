import type { SimMachine } from '../machine.js';
import type { Kernel } from './kernel.js';

/** The other processors are told to stop by NMI, and have some time to do it. */
const STOP_TICKS = 10;

/**
 * machine_crash_shutdown: interrupts are off, and what comes in now is accepted but never taken. `lastAct` is what a
 * policy has the panicking kernel do. Throws `Hang` where the wait for the other processors never ends.
 */
export function panic(
  machine: SimMachine,
  kernel: Kernel,
  cpu: number,
  lastAct: ((machine: SimMachine, kernel: Kernel, cpu: number) => void) | undefined,
): void {
  machine.run(STOP_TICKS);
  lastAct?.(machine, kernel, cpu);
  machine.cpu.check();
  if (kernel.habits.panicWaitsByTick) waitByTick(machine, kernel);
}

function waitByTick(machine: SimMachine, kernel: Kernel): void {
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
  machine.run(STOP_TICKS);
}
