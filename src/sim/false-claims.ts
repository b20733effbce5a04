import * as regs from '../pci/regs.js';
import type { FunctionResult } from '../quiesce/journal.js';
import type { SimMachine } from './machine.js';
import type { Claims } from './policies/policy.js';

/**
 * What a shootdown says that is not so at that moment, by the bytes of configuration space and by what the functions
 * wait for; a line each.
 */
export function falseClaims(machine: SimMachine, { place, functions }: Claims): string[] {
  return functions.flatMap((claim) =>
    falseClaim(machine, claim).map((what) => `${place}: ${claim.slot} ${what}`),
  );
}

function falseClaim(machine: SimMachine, { slot, verdict, outcome }: FunctionResult): string[] {
  const fn = machine.functions.get(slot);
  if (!fn) return ['is told of, and there is no such function'];
  const gated = verdict === 'gated' || verdict === 'stopped';
  if (!fn.alive || (!gated && verdict !== 'quiet')) return [];
  const low = fn.space.config[regs.PCI_COMMAND] ?? 0;
  const high = fn.space.config[regs.PCI_COMMAND + 1] ?? 0;
  const problems: string[] = [];
  // A bridge that is open counts as quiet.
  if ((low & regs.PCI_COMMAND_MASTER) !== 0 && !(verdict === 'quiet' && fn.isBridge))
    problems.push(`is said to be ${verdict}, and its BME is set`);
  if (!gated) return problems;
  const done = outcome === 'done' || outcome === 'already';
  if (done && ((high << 8) & regs.PCI_COMMAND_INTX_DISABLE) === 0)
    problems.push('is said to be gated, and its INTx is not disabled');
  // One that ignores BME goes on asking. Only these have a register that shows what is pending; `timeout` and the like say that they were not waited for.
  if (
    (done || outcome === 'partial') &&
    !fn.faults.ignoreBme &&
    fn.layout.express !== undefined &&
    fn.outstanding > 0
  )
    problems.push(`is said to be ${verdict}, and ${fn.outstanding} of its requests are not answered`);
  return problems;
}
