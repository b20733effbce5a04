import type { SimFunction } from '../functions/function.js';
import { lineOf } from '../interrupts/wires.js';
import { isPort } from '../kernel/kernel.js';
import type { LostDevice } from './result.js';
import type { JumpWatch } from './watch.js';

export type LostProblem = Pick<LostDevice, 'cause' | 'why'>;

/**
 * Why the next kernel cannot work with a function that it has a driver for; `null` if it can. A device works if its
 * driver is bound and an interrupt of it came through. `disabled`: lines that were given up.
 */
export function lostProblem(
  fn: SimFunction,
  watch: Pick<JumpWatch, 'bound' | 'served'>,
  disabled: ReadonlySet<number>,
): LostProblem | null {
  const problem = watch.bound.get(fn.slot);
  if (problem === undefined) return { cause: 'not-tried', why: 'no driver was tried' };
  if (problem !== null) return problem;
  if (!fn.device || isPort(fn)) return null;
  if (fn.messages === null && fn.description.pin && disabled.has(lineOf(fn)))
    return { cause: 'line-given-up', why: `interrupt line ${lineOf(fn)} was given up` };
  if (watch.served.has(fn.slot)) return null;
  return { cause: 'never-served', why: 'no interrupt of it was ever handled' };
}
