import type { Command } from 'commander';
import { JUMP_POLICIES } from '../../sim/policies/index.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { jsonText } from '../options.js';
import { shippedScenarios } from '../scenario-files.js';
import { simMatrixCommand } from './sim-matrix.js';
import { simRunCommand } from './sim-run.js';
import { simSoakCommand } from './sim-soak.js';

export function simCommand(program: Command, run: Run): void {
  const sim = program
    .command('sim')
    .description('jump from kernel to kernel on a simulated machine, where every known hazard can be seen');
  sim
    .command('list')
    .description('name the scenarios and the policies')
    .option('--json', 'print one JSON object')
    .action((options: { readonly json?: boolean }) => run(async (io) => list(options, io)));
  simRunCommand(sim, run);
  simMatrixCommand(sim, run);
  simSoakCommand(sim, run);
}

function list({ json }: { readonly json?: boolean }, io: Io): ExitStatus {
  const scenarios = shippedScenarios();
  if (json) {
    const told = scenarios.map(({ name, title, hazards, path }) => ({ name, title, hazards, path }));
    const policies = JUMP_POLICIES.map(({ name, title }) => ({ name, title }));
    io.out(jsonText({ schema: 'shootdown.sim-list/1', scenarios: told, policies }));
    return EXIT.clean;
  }
  const width = Math.max(...[...scenarios, ...JUMP_POLICIES].map(({ name }) => name.length));
  io.out(`${io.style.bold('Scenarios')}\n`);
  for (const { name, title, hazards } of scenarios)
    io.out(`${name.padEnd(width)}  ${title}${hazards.length > 0 ? ` (${hazards.join(', ')})` : ''}\n`);
  io.out(`\n${io.style.bold('Policies')}\n`);
  for (const { name, title } of JUMP_POLICIES) io.out(`${name.padEnd(width)}  ${title}\n`);
  return EXIT.clean;
}
