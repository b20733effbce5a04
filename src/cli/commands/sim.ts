import type { Command } from 'commander';
import type { Data } from '../../quiesce/schema-parts.js';
import type { simListSchema } from '../../report/schema/sim.js';
import { table } from '../../report/table.js';
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
    const list: Data<typeof simListSchema> = {
      schema: 'shootdown.sim-list/1',
      scenarios: told,
      policies,
    };
    io.out(jsonText(list));
    return EXIT.clean;
  }
  const rows = scenarios.map(({ name, title, hazards }) => [
    name,
    hazards.length > 0 ? `${title} (${hazards.join(', ')})` : title,
  ]);
  const columns = (title: string) => [{ title }, { title: '', flexible: 'wrap' as const }];
  io.out(`${table(columns('scenario'), rows, io.style)}\n\n`);
  const policies = JUMP_POLICIES.map(({ name, title }) => [name, title]);
  io.out(`${table(columns('policy'), policies, io.style)}\n`);
  return EXIT.clean;
}
