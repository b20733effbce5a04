import * as regs from '../../pci/regs.js';
import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';
import { isPort, type Kernel } from './kernel.js';
import { preservedFunctions } from './preserved.js';

const USB_CLASS = 0x0c03;

/**
 * Its first instructions: interrupt controllers as the habits of its time want them, then interrupts on. What was
 * latched meanwhile arrives, and what storms shows.
 */
export function turnInterruptsOn(machine: SimMachine, kernel: Kernel): void {
  const { interrupts } = machine;
  interrupts.silence(kernel);
  interrupts.localApic.reset();
  machine.kernel = kernel;
  kernel.irqs.openTimer();
  kernel.early = true;
  interrupts.attach(kernel);
}

/** calibrate_delay counts how long a tick is, on the processor that the kernel runs on. */
export function calibrateDelay(machine: SimMachine, cpu: number): void {
  if (machine.interrupts.timerReaches(cpu)) return;
  machine.cpu.hang('timer', `calibrate_delay: no timer tick reaches processor ${cpu}`);
  machine.cpu.check();
}

/**
 * Looks for functions, the bridge before what is below it, and quiets what it finds: messages off, no virtual
 * functions, USB controllers taken over from firmware. A bridge that is not in D0 shows nothing. Throws `Hang` where
 * firmware does not let go.
 */
export function enumerate(machine: SimMachine, kernel: Kernel): void {
  const preserved = preservedFunctions(machine);
  // Of a device that does not answer it asks function 0 only, and waits for that; what is below it is not asked.
  for (const fn of machine.functions.values())
    if (fn.silent && fn.address.function === 0 && !fn.physfn && !fn.parent?.silent)
      machine.configRead(fn, regs.PCI_VENDOR_ID, 4);
  const found = [...machine.functions.values()].filter((fn) => fn.alive && !fn.physfn);
  kernel.found = new Set(found);
  for (const fn of found) {
    if (preserved.has(fn)) continue;
    if (kernel.habits.messagesOffAtEnumeration) kernel.registers.messages(fn, false);
    kernel.registers.virtualFunctionsOff(fn);
    if (fn.firmwareOwned && fn.description.classCode >>> 8 === USB_CLASS) handOff(machine, fn);
  }
}

/** Binds the drivers that this kernel carries; `null` for all. */
export function bindDrivers(machine: SimMachine, kernel: Kernel, carried: readonly string[] | null): void {
  for (const fn of expectedFunctions(machine, carried)) kernel.bind(fn);
}

/** Functions that a kernel with these drivers is to drive; virtual ones come only when somebody asks for them. */
export function expectedFunctions(machine: SimMachine, carried: readonly string[] | null): SimFunction[] {
  return [...machine.functions.values()].filter((fn) => {
    const { driver } = fn.description;
    if (!driver || fn.physfn) return false;
    return isPort(fn) || carried === null || carried.includes(driver.name);
  });
}

/** xHCI 7.1.1, EHCI 2.1.7: firmware finishes what it is at, which takes the controller's DMA, and lets go. */
function handOff(machine: SimMachine, fn: SimFunction): void {
  const gate = machine.bus.refuses(fn);
  if (gate !== null) {
    const slots = gate === fn ? [fn.slot] : [gate.slot, fn.slot];
    machine.cpu.hang(
      'firmware-awaits-dma',
      `firmware, which waits for DMA of ${fn.slot} before it hands the controller over`,
      slots,
    );
    machine.cpu.check();
  }
  fn.firmwareOwned = false;
  fn.stop();
}
