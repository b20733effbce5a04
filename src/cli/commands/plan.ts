import type { Command } from 'commander';
import { makePlan } from '../../quiesce/plan.js';
import { PLACES, type Place } from '../../quiesce/policy.js';
import { scanForPlan } from '../../quiesce/shootdown.js';
import { planJson, planText, setpciText } from '../../report/plan-report.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { type CommonOptions, choice, jsonText, withHost, withPolicy } from '../options.js';
import { readSelected } from '../selected.js';

interface PlanCommandOptions extends CommonOptions {
  readonly at: Place;
  readonly setpci?: boolean;
}

export function planCommand(program: Command, run: Run): void {
  withPolicy(withHost(program.command('plan')))
    .description('say what would be written, in which order, and what is left alone')
    .addOption(choice('--at <place>', 'where it would be done', PLACES, 'before'))
    .option('--setpci', "print it in setpci's notation")
    .action((options: PlanCommandOptions) => run((io) => runPlan(options, io)));
}

async function runPlan(options: PlanCommandOptions, io: Io): Promise<ExitStatus> {
  const { machine, policy, select } = await readSelected(options, io, scanForPlan);
  const plan = makePlan(machine, policy, { at: options.at, ...(select ? { select } : {}) });
  if (options.json) io.out(jsonText(planJson(plan)));
  else if (options.setpci && plan.steps.length > 0) io.out(setpciText(plan));
  else io.out(planText(plan, { style: io.style }));
  for (const note of machine.notes.slice(0, 20)) io.err(`note: ${note}\n`);
  return plan.steps.length > 0 ? EXIT.findings : EXIT.clean;
}
