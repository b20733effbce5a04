import type { DriverDescription } from '../description.js';
import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';
import { TICKS_PER_MS } from '../ticks.js';
import type { Kernel } from './kernel.js';
import { preservedFunctions } from './preserved.js';

/** What device_shutdown takes in all, however many devices there are, beyond what drivers wait for. */
const SHUTDOWN_TICKS = 60;

export interface ShutdownOptions {
  /** pci_device_shutdown clears BME after the driver's method: since 3.13, and on the way to kexec only. */
  readonly clearsBusMasters: boolean;
}

/**
 * device_shutdown: last found first, a driver's method where it has one, then what pci_device_shutdown adds. Functions
 * without a driver are skipped, since their power state counts as unknown. Throws `Hang` where it never returns.
 */
export function deviceShutdown(machine: SimMachine, kernel: Kernel, options: ShutdownOptions): void {
  const preserved = preservedFunctions(machine);
  const bound = [...machine.functions.values()].filter((fn) => kernel.drives(fn.slot)).reverse();
  const console = bound.find((fn) => fn.description.holds?.includes('console'));
  const pace = Math.ceil(bound.length / SHUTDOWN_TICKS);
  for (const [i, fn] of bound.entries()) {
    if (!preserved.has(fn)) shutDown(machine, kernel, fn, options);
    if ((i + 1) % pace === 0) machine.run(1);
    machine.cpu.check();
    // A line in the log for each: the console is written to while what it hangs on is taken down.
    if (console) machine.cpu.mmio(console);
  }
}

function shutDown(machine: SimMachine, kernel: Kernel, fn: SimFunction, options: ShutdownOptions): void {
  const { registers, habits } = kernel;
  const { driver, commandMs } = fn.description;
  if (habits.resumesBeforeShutdown) resume(kernel, fn);
  if (driver?.shutdown) callMethod(machine, kernel, fn, driver);
  // A port's services wait for hot-plug commands on their way out.
  if (commandMs !== undefined && driver?.shutdown) waitForCommand(machine, fn, driver.name, commandMs);
  if (habits.messagesOffAtShutdown && fn.messages !== null) {
    // pci_msi_shutdown: the pin is what is left, and is turned on for it.
    registers.messages(fn, false);
    registers.intxDisable(fn, false);
  }
  if (options.clearsBusMasters) registers.busMaster(fn, false);
}

function callMethod(machine: SimMachine, kernel: Kernel, fn: SimFunction, driver: DriverDescription): void {
  if (driver.shutdownNeedsDma) waitForAnswer(machine, fn, driver.name);
  if (driver.shutdown === 'disables') kernel.registers.busMaster(fn, false);
  else kernel.quiet(fn);
}

/** Nothing else happens meanwhile, so it is told where a service is away for long. */
function waitForCommand(machine: SimMachine, fn: SimFunction, driver: string, commandMs: number): void {
  const long = commandMs < 1000 ? `${commandMs} ms` : `${commandMs / 1000} s`;
  const text = `${driver} waits ${long} for a hot-plug command of ${fn.slot}`;
  machine.emit({ kind: 'stage', tick: machine.now, text });
  machine.run(Math.ceil(commandMs * TICKS_PER_MS));
}

/** The driver asks the device's firmware and waits for what that writes to memory. */
function waitForAnswer(machine: SimMachine, fn: SimFunction, driver: string): void {
  if (fn.faults.pendingForever) {
    machine.cpu.hang(
      'awaits-dma',
      `${driver}, which waits for an answer of the firmware of ${fn.slot} that never comes`,
      [fn.slot],
    );
  }
  machine.cpu.check();
  const gate = machine.bus.refuses(fn);
  if (gate === null) return;
  const slots = gate === fn ? [fn.slot] : [gate.slot, fn.slot];
  machine.cpu.hang(
    'awaits-dma',
    `${driver}, which waits for an answer of ${fn.slot} by DMA that ${gate.slot} refuses`,
    slots,
  );
  machine.cpu.check();
}

/** Runtime power management wakes a device and what is above it. */
function resume(kernel: Kernel, fn: SimFunction): void {
  if (fn.parent && kernel.drives(fn.parent.slot)) resume(kernel, fn.parent);
  kernel.registers.powerUp(fn);
}
