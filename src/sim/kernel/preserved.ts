import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';

/**
 * Functions whose DMA is to go on across the jump, and the bridges above them: a kernel that hands them on leaves them
 * as they are (https://docs.kernel.org/next/PCI/liveupdate.html).
 */
export function preservedFunctions(machine: SimMachine): ReadonlySet<SimFunction> {
  const preserved = new Set<SimFunction>();
  for (const fn of machine.functions.values()) {
    if (!fn.description.wanted) continue;
    for (let at: SimFunction | undefined = fn; at; at = at.parent) preserved.add(at);
  }
  return preserved;
}
