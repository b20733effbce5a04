import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';

const STORAGE = 0x01;
const NETWORK = 0x02;

/**
 * Where a capture kernel with these drivers (`null` for all) saves its dump, the first that works: what holds the root
 * file system, else storage that it carries a driver for, else a network adapter; else what holds the root file system
 * and has no driver there. Empty where the machine's description names none of these.
 */
export function dumpTargets(machine: SimMachine, carried: readonly string[] | null): readonly SimFunction[] {
  const functions = [...machine.functions.values()].filter((fn) => !fn.physfn);
  const root = functions.filter((fn) => fn.description.holds?.includes('root'));
  const driven = (fn: SimFunction) => {
    const { driver } = fn.description;
    return driver !== undefined && (carried === null || carried.includes(driver.name));
  };
  const kinds = [
    root,
    functions.filter((fn) => fn.description.classCode >>> 16 === STORAGE),
    functions.filter((fn) => fn.description.classCode >>> 16 === NETWORK),
  ];
  for (const kind of kinds) {
    const usable = kind.filter(driven);
    if (usable.length > 0) return usable;
  }
  return root;
}
