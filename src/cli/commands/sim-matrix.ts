import type { Command } from 'commander';
import { matrixMarkdown, matrixText } from '../../report/matrix.js';
import { POLICY_NAMES, type PolicyName } from '../../sim/policies/names.js';
import { runSimMatrix } from '../../sim/scenario/matrix.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText } from '../options.js';
import { openScenarios, shippedScenarios } from '../scenario-files.js';
import { seedOption } from '../sim-options.js';
import { interpretedStub } from '../sim-stub.js';

interface MatrixOptions {
  readonly scenario?: readonly string[];
  readonly policy?: readonly PolicyName[];
  readonly seed: number;
  readonly format: 'text' | 'markdown' | 'json';
}

const EXIT_STATUS = `
Exit status: 0 if every cell is as its scenario expects it, which under none is harm; 2 if one is not; 1 failed or
stopped; 64 usage.`;

export function simMatrixCommand(sim: Command, run: Run): void {
  sim
    .command('matrix')
    .description('play scenarios under every policy, and compare')
    .option('--scenario <name...>', 'only these scenarios, or files (default: all that ship)')
    .addOption(choice('--policy <policy...>', 'only these policies (default: all)', POLICY_NAMES))
    .addOption(seedOption())
    .addOption(choice('--format <format>', 'how it is printed', ['text', 'markdown', 'json'], 'text'))
    .addHelpText('after', EXIT_STATUS)
    .action((options: MatrixOptions) => run((io) => runMatrix(options, io)));
}

async function runMatrix(options: MatrixOptions, io: Io): Promise<ExitStatus> {
  const scenarios = options.scenario ? await openScenarios(options.scenario, io.signal) : shippedScenarios();
  const policies = POLICY_NAMES.filter((name) => options.policy?.includes(name) ?? true);
  const cells = scenarios.length * policies.length;
  const progress = io.progress('jumps');
  const matrix = await runSimMatrix({
    ...{ scenarios, policies, seed: options.seed, stub: interpretedStub(), signal: io.signal },
    onRow: (_, done) => progress(done, cells),
  });
  if (options.format === 'json') io.out(jsonText(matrix));
  else io.out(options.format === 'markdown' ? matrixMarkdown(matrix) : matrixText(matrix, io.style));
  if (matrix.interrupted) {
    io.err(`shootdown: stopped; ${matrix.rows.length} of ${cells} jumps\n`);
    return EXIT.failed;
  }
  return matrix.rows.some(({ asExpected }) => asExpected === false) ? EXIT.findings : EXIT.clean;
}
