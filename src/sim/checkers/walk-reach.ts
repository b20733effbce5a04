import type { Slot } from '../../pci/slot.js';
import { COMPLETION_TIMEOUT_TICKS } from '../bus/bus.js';
import type { SimMachine } from '../machine.js';

/** More than a stub needs for a function with a full list of capabilities, at eight accesses a tick. */
const FUNCTION_TICKS = 5;
/** One access for each device number of a bus. */
const BUS_TICKS = 4;

/**
 * The first function that a stub of some diligence may not come to within so many ticks, since a stub looks for
 * functions in their order and waits for what hangs; `null` if it comes to all.
 */
export function walkReach(machine: SimMachine, ticks: number): Slot | null {
  let left = ticks;
  let bus = -1;
  for (const fn of machine.functions.values()) {
    if (fn.address.domain !== 0) break;
    if (fn.address.bus !== bus) left -= BUS_TICKS;
    bus = fn.address.bus;
    if (left <= 0) return fn.slot;
    left -= !fn.alive && fn.silent ? COMPLETION_TIMEOUT_TICKS : FUNCTION_TICKS;
  }
  return null;
}
